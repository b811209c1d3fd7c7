"""Whether the last boots of a queue failed, by the records of its instances. Pure.

A queue's ledger knows of failed boots for two hours, and says so while somebody wants an instance.
The records of ended instances last longer: until a boot succeeds, nobody knows whether the queue
works.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from mayfly.config.boots import boot_minutes
from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import is_offered
from mayfly.reap.measures import SPOT_TEXT
from mayfly.records.brakes import TRIP, set_up
from mayfly.records.lost import LACK_OF_CAPACITY
from mayfly.records.model import Instance, Shape
from mayfly.records.why import Code, Why, why
from mayfly_cli.listings.launches import has_failed
from mayfly_cli.operations.reading import QueueView, instances_once

LATEST = 50
"""Ended instances of a queue that are read for this."""
_TOLD = frozenset({Code.BRAKED, Code.BOOT_FAILED})
"""What the functions say of failed boots themselves."""


def failed_boots(view: QueueView, ended: Iterable[Instance]) -> Iterator[Why]:
    """For each shape whose last boots failed, with nobody wanting another one: what is known.

    Three failed boots in a row, as many as set the brake, need a person.
    """
    config = view.config
    if config is None:
        return
    told = [each for each in view.reasons if each.code in _TOLD]
    runs = _runs(instances_once(view.instances, ended), view.record.spec, config)
    for shape, failed in runs.items():
        if any(each.is_about(str(shape)) for each in told):
            continue
        last = failed[-1]
        boots = "the last boot" if len(failed) == 1 else f"the last {len(failed)} boots"
        text = (
            f"{boots} of queue {view.queue} failed, and none has succeeded since; the last one of "
            f"instance {last.instance_id}: {last.reason}"
        )
        code = Code.BOOTS_FAILED if len(failed) >= TRIP else Code.BOOT_FAILED
        yield why(code, text, min(each.since for each in failed), subject=str(shape))


def _runs(
    instances: Iterable[Instance], spec: str, config: QueueConfig
) -> dict[Shape, list[Instance]]:
    """By shape: failed boots since the last good one, in the order of their ends.

    Only boots of the present set-up count: after a change nobody knows. A boot that was launched
    with or before a good one says nothing.
    """
    good: dict[Shape, datetime] = {}
    failed: dict[Shape, list[Instance]] = {}
    for each in sorted(instances, key=lambda instance: instance.since):
        present = set_up(spec, boot_minutes(config, each.shape))
        if set_up(each.spec, each.boot_minutes) != present or not is_offered(config, each.shape):
            continue
        if each.proven:
            good[each.shape] = max(each.created, good.get(each.shape, each.created))
        elif has_failed(each) and each.instance_id is not None and not _taken_back(each.reason):
            failed.setdefault(each.shape, []).append(each)
    runs = {
        shape: [each for each in ends if shape not in good or each.created > good[shape]]
        for shape, ends in failed.items()
    }
    return {shape: ends for shape, ends in runs.items() if ends}


def _taken_back(reason: str) -> bool:
    """Whether EC2 took the instance back, which says nothing of image or script."""
    return SPOT_TEXT in reason or any(code in reason for code in LACK_OF_CAPACITY)

"""A change of a queue's spec is recorded once, with its cause."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mayfly.config.read import ControlPlane, queue_record
from mayfly.config.specs import causes
from mayfly.records.audit import SpecChange
from mayfly.records.model import QueueRecord
from tests.unit.builders import QUEUE, STACK
from tests.unit.published import TEMPLATES, arn, parameters, queue_stack
from tests.unit.world import World

BUNDLE, OTHER = "a" * 64, "b" * 64
NEWER = {**TEMPLATES, "x86_64": {**TEMPLATES["x86_64"], "version": "4"}}


def record(bundle: str = BUNDLE, given: Any = (), **changes: Any) -> QueueRecord:
    control = ControlPlane(STACK, bundle)
    return queue_record(None, QUEUE, queue_stack(**changes), parameters(dict(given)), control)


@pytest.mark.parametrize(
    ("new", "bundle", "says"),
    [
        (
            record(templates=NEWER),
            BUNDLE,
            ["deployment of the queue's stack: launch template 3 -> 4 (image, agent, volume)"],
        ),
        (
            record(sandbox_role_id="AROANEWNEWNEWNEWNEW"),
            BUNDLE,
            ["deployment of the queue's stack: other roles"],
        ),
        (
            record(sandbox_profile=arn("instance-profile", "sandbox") + "2"),
            BUNDLE,
            ["deployment of the queue's stack: other profiles"],
        ),
        (record(bundle=OTHER), OTHER, ["deployment of the control plane: another bundle"]),
        (
            record(given={"launch/generation": "x"}),
            BUNDLE,
            ["recycle: launch/generation is x"],
        ),
        (
            record(given={"launch/architecture": "arm64"}),
            BUNDLE,
            ["parameter launch/architecture: x86_64 -> arm64"],
        ),
        (
            record(given={"bootstrap/script": "s3://scripts/mayfly/a.sh"}),
            BUNDLE,
            ["parameter bootstrap/script"],
        ),
        (
            record(bundle=OTHER, given={"launch/generation": "x"}, templates=NEWER),
            OTHER,
            [
                "deployment of the queue's stack: launch template 3 -> 4 (image, agent, volume)",
                "recycle: launch/generation is x",
                "deployment of the control plane: another bundle",
            ],
        ),
    ],
)
def test_each_cause_of_another_spec_is_named(
    new: QueueRecord, bundle: str, says: list[str]
) -> None:
    old = record()
    assert old.spec != new.spec
    assert list(causes(old, new, ControlPlane(STACK, bundle))) == says


def test_a_record_of_another_version_is_a_cause_of_its_own() -> None:
    old = replace(record(), infra="{}")
    assert causes(old, record(templates=NEWER), ControlPlane(STACK, BUNDLE)) == (
        "another version of Mayfly",
    )


def test_provision_records_the_first_sight_of_another_spec_once() -> None:
    world = World()
    world.provision()
    world.provision()
    assert world.fleet.all(SpecChange) == []
    before = world.fleet.queue(QUEUE)
    world.configure(**{"launch/generation": "today"})
    world.provision()
    world.provision()
    [told] = world.fleet.all(SpecChange)
    after = world.fleet.queue(QUEUE)
    assert before is not None
    assert after is not None
    assert (told.queue, told.old, told.new) == (QUEUE, before.spec, after.spec)
    assert told.causes == ("recycle: launch/generation is today",)
    world.configure(**{"pool/hot": "1"})
    world.provision()
    assert world.fleet.all(SpecChange) == [told]

"""Faults in the notation of `--fault`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from mayfly_lab.commands.fault_options import fault
from mayfly_lab.faults import Fault
from mayfly_lab.lab import LabChoices
from stories.stage import BOOT, QUICK, Stage, a_stage

QUEUE = "default"
MINUTE = 5.0
"""Seconds for a minute of the schedules in these stories."""


@contextmanager
def a_troubled_stage(parameters: Mapping[str, str] | None = None) -> Iterator[Stage]:
    """A stage with one queue; no fault is on yet."""
    delays = replace(QUICK, minute=MINUTE, spot_warning=4.0)
    given = {QUEUE: dict(parameters or {})}
    choices = LabChoices(queues=(QUEUE,), delays=delays, boot_seconds=BOOT, parameters=given)
    with a_stage(choices) as stage:
        yield stage


def switch_on_faults(stage: Stage, *faults: str) -> list[Fault]:
    """Switch on these faults, and switch off those of an earlier failed story."""
    stage.lab.faults.clear()
    return [stage.lab.faults.turn_on(fault(each)) for each in faults]


def assert_job_survived(stage: Stage, job: str, attempt: int = 1) -> None:
    """Assert that the job passed in this attempt and ran once, and switch the faults off."""
    ended = stage.ended(job)
    assert (ended.outcome, ended.retry_count) == ("passed", 0)
    assert stage.finished(job).attempt == attempt
    assert len(stage.assignments(job)) == attempt
    stage.lab.faults.clear()


def end(stage: Stage) -> None:
    """Assert that nothing is left and that every promise was kept."""
    stage.lab.faults.clear()
    stage.empty()
    assert stage.broken_promises() == []

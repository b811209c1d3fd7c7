"""Faults as people write them after `--fault`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from mayfly_lab.commands.fault_options import fault
from mayfly_lab.lab import LabChoices
from stories.stage import BOOT, QUICK, Stage, a_stage

QUEUE = "default"
MINUTE = 5.0
"""Seconds that a minute of the schedules lasts here."""


@contextmanager
def a_troubled_stage(parameters: Mapping[str, str] | None = None) -> Iterator[Stage]:
    """A stage with one queue, on which nothing is wrong yet."""
    delays = replace(QUICK, minute=MINUTE, spot_warning=4.0)
    given = {QUEUE: dict(parameters or {})}
    choices = LabChoices(queues=(QUEUE,), delays=delays, boot_seconds=BOOT, parameters=given)
    with a_stage(choices) as stage:
        yield stage


def befall(stage: Stage, *faults: str) -> None:
    """Let these faults begin, and none go on that a failed story left behind."""
    stage.lab.faults.clear()
    for each in faults:
        stage.lab.faults.turn_on(fault(each))


def survived(stage: Stage, job: str, attempt: int = 1) -> None:
    """See that the job passed in this attempt, that it ran once, and let the faults end."""
    ended = stage.ended(job)
    assert (ended.outcome, ended.retry_count) == ("passed", 0)
    assert stage.finished(job).attempt == attempt
    assert len(stage.assignments(job)) == attempt
    stage.lab.faults.clear()


def end(stage: Stage) -> None:
    """See that nothing is left and every promise was kept."""
    stage.lab.faults.clear()
    stage.empty()
    assert stage.broken_promises() == []

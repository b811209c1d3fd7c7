"""When a stopped instance came to each point of its start, by journal, console and records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from mayfly.records.model import Instance
from mayfly.records.states import InstanceState
from mayfly_lab.aws.ec2.moments import Aspect
from mayfly_lab.report.checks import mailbox_writes
from stories.stage import Stage

ADDED = 2.0
"""Seconds that Mayfly may add to the boot of a stopped machine."""
POOL = {"pool/stopped": "1", "pool/grace-minutes": "0"}
"""Parameters of a queue that keeps one stopped instance."""
_STAMP = re.compile(r"mayfly (\S+Z) .*this boot is not the first")


@dataclass(frozen=True, slots=True)
class StartTimes:
    """The points of one start, in seconds since the epoch."""

    decided: float
    """When `provision` decided to start the instance."""
    called: float
    """When EC2 answered StartInstances."""
    running: float
    """When EC2 gave the machine its power."""
    supervisor: float
    """The first line of the supervisor: kernel and user space are up."""
    proven: float
    """When the proof of the new boot was written."""
    ready: float
    """When the record said `ready`."""

    @property
    def added(self) -> float:
        """Seconds that Mayfly added to what EC2 and the machine took."""
        return self.called - self.decided + self.ready - self.supervisor

    def __str__(self) -> str:
        parts = {
            "decision to StartInstances": self.called - self.decided,
            "to running (EC2)": self.running - self.called,
            "to the supervisor's first line (the machine)": self.supervisor - self.running,
            "to the proof": self.proven - self.supervisor,
            "to ready": self.ready - self.proven,
        }
        told = ", ".join(f"{what} {seconds:.2f} s" for what, seconds in parts.items())
        return f"{told}; added by Mayfly: {self.added:.2f} s"


def started_for_a_job(stage: Stage, queue: str) -> StartTimes:
    """The times of one start, for a job that comes when an instance of the queue is stopped."""
    stage.until(
        "an instance is stopped",
        lambda: any(i.state is InstanceState.STOPPED for i in stage.instances(queue)),
    )
    job = stage.push(queue)
    assert stage.ended(job).outcome == "passed"
    return start_times(stage, stage.served(job))


def start_times(stage: Stage, instance: Instance) -> StartTimes:
    """The points of the instance's only start. `instance` is its record after the start."""
    decided = _the(s.at.timestamp() for s in instance.history if s.state == InstanceState.STARTING)
    journal = list(stage.lab.aws.journal)
    ready = (
        entry.at
        for entry in journal
        if entry.ok and entry.service == "dynamodb" and entry.at > decided
        for row in entry.resources["rows"]
        if row["key"] == f"instance#{instance.key}" and row["state"].get("state") == "ready"
    )
    calls = stage.lab.aws.journal.select(
        operation="StartInstances", ok=True, about=str(instance.instance_id)
    )
    moments = stage.lab.aws.moments.of(str(instance.instance_id))
    proofs = (
        write.at
        for write in mailbox_writes(journal)
        if write.by == write.row == instance.sandbox_row
        and (report := write.state.get("report", {})).get("phase") == "sandboxed"
        and report["boot"] == instance.boot
    )
    lines = _STAMP.findall(stage.lab.room.console(str(instance.instance_id)))
    return StartTimes(
        decided=decided,
        called=_the(entry.at for entry in calls),
        running=_the(
            m.at
            for m in moments
            if m.aspect is Aspect.STATE and m.value == "running" and m.at > decided
        ),
        supervisor=_the(datetime.fromisoformat(line).timestamp() for line in lines),
        proven=_the(proofs),
        ready=_the(ready),
    )


def _the(found: Iterable[float]) -> float:
    (only,) = found
    return only


def assert_fast(starts: Sequence[StartTimes]) -> None:
    """Assert the bound by the fastest start: other work on the test's machine only adds time."""
    told = "\n".join(map(str, starts))
    print(told)
    assert min(each.added for each in starts) <= ADDED, told

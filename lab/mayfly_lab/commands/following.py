"""Follows a build to its end, then the lab until no machine is left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from buildkite_emulator import BuildView
from mayfly.config.queue import QueueConfig
from mayfly.records.model import Instance, QueueRecord
from mayfly.records.states import Supply
from mayfly_lab.commands.left_out import LeftOut
from mayfly_lab.commands.rest import Builds
from mayfly_lab.commands.stopping import Stop
from mayfly_lab.commands.unreserved import UnreservedJobs
from mayfly_lab.lab import Lab
from mayfly_lab.report.alarms import told
from mayfly_lab.report.live import LiveReport
from mayfly_lab.report.screen import TIME, folded

LOOK = 0.5
"""Seconds between two reads of the records: each read is a scan on the cores that run the lab."""
PATIENCE = 180.0
"""Seconds to wait for hot machines before the first job, and for their end after the last job."""
BLOCKED = "blocked"
"""The state of a build at a block step, until a person unblocks the step."""


@dataclass(slots=True)
class Follower:
    """Watches one lab for one command. Every wait ends early when a signal stops the command."""

    lab: Lab
    live: LiveReport
    stop: Stop
    answers: Mapping[str, str] = field(default_factory=dict)
    """Answers to the fields of block steps."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """The file of each pipeline that has one, by slug."""
    unreserved: UnreservedJobs = field(init=False)
    left_out: LeftOut = field(init=False)
    refused: bool = False
    """Whether Buildkite refused to unblock a step, for answers that are missing or wrong."""
    alarms: int = 0
    """Number of changes of alarms that are printed."""

    def __post_init__(self) -> None:
        self.unreserved = UnreservedJobs(self.lab)
        self.left_out = LeftOut(self.lab, self.files, self.answers)

    def look(self) -> list[Instance]:
        """Print new states of machines, jobs not reserved, and notices of pipelines.

        Returns all instance records.
        """
        found = list(self.lab.records.instances().values())
        self.live.on_instances(found)
        for line in (*self.unreserved.new_lines(), *self.left_out.new_lines()):
            self.live.say(line)
        changes = list(self.lab.aws.watch.changes)
        for number in range(self.alarms, len(changes)):
            if line := told(changes[:number], changes[number]):
                self.live.say(line)
        self.alarms = len(changes)
        return found

    def until(self, done: Callable[[list[Instance]], bool], seconds: float) -> bool:
        """Wait until `done` accepts the instance records. Returns False after `seconds`.

        Raises:
            Stopped: a signal ended the command.
        """
        end = time.monotonic() + seconds
        while not done(self.look()):
            if time.monotonic() >= end:
                return False
            self.stop.wait(LOOK)
        return True

    def hot(self, wanted: int) -> bool:
        """Wait until `wanted` machines are hot. Returns False after `PATIENCE`."""
        return self.until(
            lambda found: sum(i.state.traits.supply is Supply.READY for i in found) >= wanted,
            PATIENCE,
        )

    def build(self, build_id: str, seconds: float, unblock: Callable[[str], bool]) -> BuildView:
        """Wait until a build ends, `seconds` are over, or a block step stays blocked.

        `unblock` gets the label of each block step and returns True to unblock the step. Returns
        the build's last view.

        Raises:
            Stopped: a signal ended the command.
        """
        end = time.monotonic() + seconds
        told: set[str] = set()
        while True:
            view = self.lab.buildkite.build(build_id)
            if _over(view) or time.monotonic() >= end:
                return view
            if view.state == BLOCKED and not self._unblocked(view, told, unblock):
                return self.lab.buildkite.build(build_id)
            self.look()
            self.stop.wait(LOOK)

    def _unblocked(self, view: BuildView, told: set[str], unblock: Callable[[str], bool]) -> bool:
        """Unblock the first step that `unblock` accepts. Returns whether the build can go on."""
        builds = Builds(self.lab.buildkite, view.pipeline, self.answers)
        steps = builds.blocked(view.number)
        for step in steps:
            if step.id not in told:
                told.add(step.id)
                self.live.say(f"the build waits at block step {step.label!r}; unblock it:")
                self.live.lines([f"  {builds.unblocking(view.number, step)}"])
            if unblock(step.label):
                refusal = builds.unblock(view.number, step)
                self.refused = refusal is not None
                if refusal is None:
                    self.live.say(f"{step.label}: unblocked")
                    return True
                self.live.say(f"{step.label}: not unblocked: {refusal} (--answer KEY=VALUE)")
        # No step is blocked: somebody has unblocked the build since the view was read.
        return not steps

    def wind_down(self) -> bool:
        """End the pools, and wait until no instance and no claim is open.

        Idle machines of a pool are terminated here: Mayfly would retire them after five minutes
        only. Returns False after `PATIENCE`.

        Raises:
            Stopped: a signal ended the command.
        """
        self.lab.faults.clear()
        for queue in self.lab.choices.queues:
            self.lab.put_parameter(queue, "pool/hot", "0")
        ended: set[str] = set()
        return self.until(lambda found: self._emptied(found, ended), PATIENCE)

    def _emptied(self, found: list[Instance], ended: set[str]) -> bool:
        supply = [i for i in found if i.state.traits.supply is not Supply.NONE]
        idle = {i.instance_id for i in supply if i.job is None and i.instance_id} - ended
        if idle and not any(map(_pool, self.lab.records.queues().values())):
            self.live.say(f"the lab terminates {len(idle)} idle machines of the pool")
            self.lab.aws.client("ec2").terminate_instances(InstanceIds=sorted(idle))
            ended |= idle
        waiting = any(claim.open for claim in self.lab.records.claims().values())
        return not waiting and not any(i.open for i in found)


def confirm_at_terminal(stop: Stop) -> Callable[[str], bool]:
    """A function that asks at the terminal whether to unblock a step; no terminal means no."""

    def ask(label: str) -> bool:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            return False
        sys.stdout.write("\n".join(folded(f"unblock {label!r}? [y/N]", TIME)) + " ")
        sys.stdout.flush()
        return stop.line(sys.stdin).strip().lower() in {"y", "yes"}

    return ask


def _pool(queue: QueueRecord) -> int:
    return QueueConfig.from_json(queue.config).hot.value(datetime.now(UTC)) if queue.config else 0


def _over(view: BuildView) -> bool:
    return view.state in {"passed", "failed", "canceled", "not_run", "skipped"} and all(
        job.outcome is not None for job in view.jobs
    )

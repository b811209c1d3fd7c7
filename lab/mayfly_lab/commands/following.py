"""Follows a build from its creation to its end, and the lab from there to an empty cloud."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from buildkite_emulator import BuildView
from mayfly.config.queue import QueueConfig
from mayfly.records.model import Instance, QueueRecord
from mayfly.records.states import Supply
from mayfly_lab.commands.rest import Builds
from mayfly_lab.commands.stopping import Stop
from mayfly_lab.commands.untaken import Untaken
from mayfly_lab.lab import Lab
from mayfly_lab.report.live import Teller

LOOK = 0.5
"""Seconds between two looks at the records: each is a scan, on the cores that run the lab."""
PATIENCE = 180.0
"""Seconds that machines have to go after the last job, and hot ones to come before the first."""
BLOCKED = "blocked"
"""The state of a build that only a person can move on."""


@dataclass(slots=True)
class Follower:
    """Watches one lab for one command; every wait ends early when the command is to stop."""

    lab: Lab
    teller: Teller
    stop: Stop
    untaken: Untaken = field(init=False)

    def __post_init__(self) -> None:
        self.untaken = Untaken(self.lab)

    def look(self) -> list[Instance]:
        """Tell of machines, and of jobs that nobody takes; all records of instances."""
        found = list(self.lab.records.instances().values())
        self.teller.on_instances(found)
        for line in self.untaken.news():
            self.teller.say(line)
        return found

    def until(self, done: Callable[[list[Instance]], bool], seconds: float) -> bool:
        """Wait until the instances are as wanted; whether they were in time.

        Raises:
            Stopped: the command is to end.
        """
        end = time.monotonic() + seconds
        while not done(self.look()):
            if time.monotonic() >= end:
                return False
            self.stop.wait(LOOK)
        return True

    def hot(self, wanted: int) -> bool:
        """Wait until so many machines are hot."""
        return self.until(
            lambda found: sum(i.state.traits.supply is Supply.READY for i in found) >= wanted,
            PATIENCE,
        )

    def build(self, build_id: str, seconds: float, unblock: Callable[[str], bool]) -> BuildView:
        """Wait for a build's end, for its time to be over, or for a block step that stays.

        `unblock` decides for each block step (by its label and how to unblock it) whether it is
        let through.

        Raises:
            Stopped: the command is to end.
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
        """Let through what may be let through; whether the build can go on."""
        builds = Builds(self.lab.buildkite, view.pipeline)
        steps = builds.blocked(view.number)
        for step in steps:
            if step.id not in told:
                told.add(step.id)
                self.teller.say(f"the build waits at the block step {step.label!r}; unblock it by")
                self.teller.lines([f"  {builds.unblocking(view.number, step)}"])
            if unblock(step.label):
                self.teller.say(f"{step.label}: unblocked")
                builds.unblock(view.number, step)
                return True
        # Without one somebody has let it through in this moment.
        return not steps

    def wind_down(self) -> bool:
        """End the pools, and wait until every machine is gone; whether they went in time.

        What is left of a pool would idle for five minutes before Mayfly retires it; a person who
        ends a lab does not wait for that.

        Raises:
            Stopped: the command is to end.
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
            self.teller.say(f"{len(idle)} idle machines of the pool are ended")
            self.lab.aws.client("ec2").terminate_instances(InstanceIds=sorted(idle))
            ended |= idle
        waiting = any(claim.open for claim in self.lab.records.claims().values())
        return not waiting and not any(i.open for i in found)


def asked(stop: Stop) -> Callable[[str], bool]:
    """Asks whoever sits at the terminal about each block step; where nobody sits it means no."""

    def ask(label: str) -> bool:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            return False
        sys.stdout.write(f"        unblock {label!r}? [y/N] ")
        sys.stdout.flush()
        return stop.line(sys.stdin).strip().lower() in {"y", "yes"}

    return ask


def _pool(queue: QueueRecord) -> int:
    return QueueConfig.from_json(queue.config).hot if queue.config else 0


def _over(view: BuildView) -> bool:
    return view.state in {"passed", "failed", "canceled", "not_run", "skipped"} and all(
        job.outcome is not None for job in view.jobs
    )

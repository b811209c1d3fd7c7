"""The invariants of docs/architecture.md over a run's world. Each failure names its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from greenlet import getcurrent

from mayfly.config.queue import QueueConfig
from mayfly.records.changes import Assign, Change, Save
from mayfly.records.model import Claim, Instance, Launch, Lease, QueueRecord
from mayfly.records.states import InstanceState, Supply
from mayfly_lab.sim.time import Task
from mayfly_lab.sim.world import World

NAMES: Mapping[str, str] = {
    "one-assignment": "a job has one live assignment at most, and an instance one job, ever",
    "proven-first": "an assignment is for the proven boot of an instance with its sandbox profile",
    "token-stays": "no acquisition token is in a record or in last words",
    "nothing-leaks": "every instance, slot, launch and mailbox row comes to its end",
    "nobody-shot": "Mayfly ends no instance while its agent runs a job within its time limit",
    "every-job-ends": "each job ends at Buildkite; none is accepted twice, or failed once accepted",
    "bounded": "the ledger counts the slots that there are, and no launch has more than is missing",
    "fenced": "each write of `dispatch` carries the fence of its lease",
    "no-defect": "no exception but a failure of a port leaves a loop",
}
"""What holds in every run, by name. Each violation begins with one of the names."""
_OVER = {"finished", "canceled"}


class Violation(AssertionError):
    """An invariant does not hold. The text begins with its name."""


@dataclass(slots=True)
class Invariants:
    """Judges each write of a run, each termination, and the rest at its end."""

    world: World
    found: list[Violation] = field(default_factory=list)

    def watch(self) -> None:
        """Judge everything that happens from now on."""
        self.world.fleet.wrote.append(self._wrote)
        self.world.hosts.shot = self._shot

    def _shot(self, instance_id: str, job: str) -> None:
        """Mayfly has terminated an instance whose agent runs a job."""
        instance = self.world.fleet.instance_of(instance_id)
        why = instance.history[-1].reason if instance is not None else "no record"
        self.found.append(Violation(f"nobody-shot: {job} on {instance_id}: {why}"))

    def _wrote(self, changes: Sequence[Change], fence: int | None) -> None:
        for text in self._judge(changes, fence):
            self.found.append(Violation(text))

    def _judge(self, changes: Sequence[Change], fence: int | None) -> Iterator[str]:
        saved = [each.record for each in changes if isinstance(each, Save)]
        if fence is None and self._function() == "dispatch" and self._needs_fence(saved):
            kinds = sorted({type(each).__name__ for each in saved})
            yield f"fenced: dispatch writes {', '.join(kinds)} without a fence"
        if any(isinstance(each, Assign) for each in changes):
            yield from self._one_assignment()
            yield from self._proven_first(changes)
        for each in saved:
            if isinstance(each, Launch):
                yield from self._not_too_many(each)
            if isinstance(each, Instance | Launch):
                yield from self._bounded(each.queue)

    def _function(self) -> str:
        """The function that makes the write under way; empty for an effect that comes late."""
        task = getcurrent()
        return task.owner.name.partition(" ")[0] if isinstance(task, Task) else ""

    def _needs_fence(self, saved: Sequence[object]) -> bool:
        # The lease's own write makes the fence.
        return not all(isinstance(each, Lease) for each in saved)

    def _not_too_many(self, launch: Launch) -> Iterator[str]:
        """What is launched must be missing at the moment of the write, by consistent records."""
        fleet, queue = self.world.fleet, launch.queue
        record = fleet.queue(queue)
        if launch.version or record is None or not record.config:
            return
        config = QueueConfig.from_json(record.config)
        mine = [i for i in fleet.all(Instance) if i.queue == queue and i.spec == record.spec]
        supplies = Counter(i.state.traits.supply for i in mine)
        supply = supplies[Supply.READY] + supplies[Supply.COMING]
        now = self.world.time.clock()
        wanted = config.hot.value(now) + max(
            0, config.stopped.value(now) - supplies[Supply.STOPPED]
        )
        wanted += sum(c.queue == queue and c.state.traits.waits for c in fleet.all(Claim))
        if supply > wanted:
            there = f"{wanted} wanted, {supply} there with them"
            yield f"bounded: {queue}: {launch.slots} launched, {there}"

    def _one_assignment(self) -> Iterator[str]:
        rows = self.world.mailbox.rows.values()
        jobs = Counter(str(row.assignment["job"]) for row in rows if row.assignment)
        bound = Counter(c.slot for c in self.world.fleet.all(Claim) if c.slot and c.open)
        for what, count in (*jobs.items(), *bound.items()):
            if count > 1:
                yield f"one-assignment: {what} {count} times"

    def _proven_first(self, changes: Sequence[Change]) -> Iterator[str]:
        for each in changes:
            if not isinstance(each, Assign):
                continue
            instance = self.world.fleet.instance_of(each.row.partition(":")[2])
            if instance is None or instance.sandbox_row != each.row or not instance.proven:
                yield f"proven-first: {each.row} is no row of a proven instance"
                continue
            if each.assignment["boot"] != instance.boot:
                yield f"proven-first: {each.assignment['boot']} is not {instance.boot}"
            machine = self.world.machines.machines.get(instance.instance_id or "")
            wanted = self.world.profiles.sandbox_profile(instance.queue)
            if machine is not None and machine.association.profile not in {wanted, ""}:
                yield f"proven-first: {machine.association.profile}"

    def _bounded(self, queue: str) -> Iterator[str]:
        ledger, record = self.world.fleet.ledger(queue), self.world.fleet.queue(queue)
        if ledger is None or record is None or not record.config:
            return
        slots = [
            i
            for i in self.world.fleet.all(Instance)
            if i.queue == queue and i.state is not InstanceState.TERMINATED
        ]
        if ledger.live != len(slots):
            yield f"bounded: the ledger of {queue} says {ledger.live}, there are {len(slots)} slots"

    # -- at the end ------------------------------------------------------------------------------

    def at_rest(self) -> list[str]:
        """What is not at rest: empty when everything has ended as promised."""
        return [*self._jobs_open(), *self._leaks()]

    def _jobs_open(self) -> Iterator[str]:
        for claim in self.world.fleet.all(Claim):
            if claim.open:
                yield f"every-job-ends: the claim of {claim.job} is {claim.state}"
        for job, kept in self.world.buildkite.known.items():
            if kept.state not in _OVER:
                yield f"every-job-ends: {job} is {kept.state}"

    def _leaks(self) -> Iterator[str]:
        world = self.world
        for instance in world.fleet.all(Instance):
            if instance.state is not InstanceState.TERMINATED:
                yield f"nothing-leaks: the slot {instance.key} is {instance.state}"
        for launch in world.fleet.all(Launch):
            if launch.open:
                yield f"nothing-leaks: the launch {launch.id} is {launch.state}"
        for id_, machine in world.machines.machines.items():
            if machine.seen.state != "terminated":
                yield f"nothing-leaks: {id_} is {machine.seen.state}"
        for row in world.mailbox.rows:
            yield f"nothing-leaks: the mailbox row {row}"
        for queue in world.profiles.queues:
            ledger = world.fleet.ledger(queue)
            if ledger is not None and ledger.live:
                yield f"nothing-leaks: the ledger of {queue} counts {ledger.live} slots"

    def at_the_end(self) -> Iterator[str]:
        """What did not hold in the run as a whole."""
        world = self.world
        for name, error in world.broken:
            yield f"no-defect: {name} ended with {type(error).__name__}: {error}"
        kept = (*world.fleet.records.values(), *world.words.kept.values())
        if any("bkjat_" in repr(each) for each in kept):
            yield "token-stays: a token is in a record or in last words"
        for job, count in world.hosts.ran.items():
            if count > 1:
                yield f"every-job-ends: agents accepted {job} {count} times"
            if world.buildkite.known[job].told:
                yield f"every-job-ends: {job} was accepted, and Mayfly failed it"
        for instance, jobs in world.hosts.served.items():
            if len(jobs) > 1:
                yield f"one-assignment: {instance} had {sorted(jobs)}"
        for record in world.fleet.all(QueueRecord):
            if record.config:
                QueueConfig.from_json(record.config)

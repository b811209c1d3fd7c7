"""The demo's stopped start: a job for an instance that waits stopped, and a check of its boots."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from buildkite_emulator import BuildRequest
from mayfly.records.model import Instance
from mayfly.records.states import InstanceState
from mayfly_lab.aws.ec2.moments import Aspect
from mayfly_lab.lab import Lab
from mayfly_lab.report.checks import Check, Written, mailbox_writes
from mayfly_lab.report.evidence import Evidence

NIGHTLY = "nightly"
"""The queue, its pipeline, and the pipeline's only step."""
CYCLE = ["ready", "stopping", "stopped", "starting", "ready", "assigned"]
"""States that the instance goes through, one after another."""


@dataclass(slots=True)
class StoppedStart:
    """Pushes the nightly build once an instance of its queue is stopped."""

    lab: Lab
    say: Callable[[str], None]
    builds: list[str] = field(default_factory=list)
    """The id of the nightly build, once the build is pushed."""
    _emptied: bool = False

    def look(self, found: Sequence[Instance]) -> None:
        """Take the next step that the instances' states allow."""
        states = {instance.state for instance in found if instance.queue == NIGHTLY}
        if not self.builds and InstanceState.STOPPED in states:
            self.say(
                "an instance of queue nightly is set up, proven and stopped; a build starts it"
            )
            build = self.lab.buildkite.create_build(NIGHTLY, BuildRequest(branch="main"))
            self.builds.append(build.id)
        if not self._emptied and InstanceState.STARTING in states:
            # No other instance shall take the place of the one that runs the job.
            self._emptied = True
            self.lab.put_parameter(NIGHTLY, "pool/stopped", "0")


def check_start(evidence: Evidence) -> Check:
    """Check that the nightly job ran on a stopped instance, proven again after its start."""
    promise = "a stopped instance is proven anew after its start, before it gets a job"
    return Check("stopped-start", promise, tuple(_wrong(evidence)))


def _wrong(evidence: Evidence) -> Iterator[str]:
    jobs = {job.id for job in evidence.jobs if job.step_key == NIGHTLY}
    ran = [instance for instance in evidence.instances.values() if instance.job in jobs]
    if not ran:
        yield "no instance ran the nightly job"
    for instance in ran:
        states = [str(step.state) for step in instance.history]
        if not _holds(states, CYCLE):
            yield f"{instance.instance_id} went through {', '.join(states)}"
        yield from (f"{instance.instance_id}: {why}" for why in _unproven(evidence, instance))


def _holds(states: Sequence[str], cycle: Sequence[str]) -> bool:
    return any(list(states[at : at + len(cycle)]) == list(cycle) for at in range(len(states)))


def _unproven(evidence: Evidence, instance: Instance) -> Iterator[str]:
    """What speaks against a second proof, of another boot, between the stop and the assignment."""
    row = instance.sandbox_row
    writes = [write for write in mailbox_writes(evidence.journal) if write.row == row]
    given = next((write for write in writes if "assignment" in write.state), None)
    proofs = _proofs(writes)
    if given is None or len(proofs) != 2:
        yield f"{len(proofs)} boots were proven, 2 expected, then an assignment"
        return
    first, second = proofs.values()
    stopped = _stopped_at(evidence, instance)
    if stopped is None or not first.at <= stopped <= second.at <= given.at:
        yield "not proven, stopped, proven again and assigned, in this order"
    if given.state["assignment"].get("boot") != list(proofs)[1]:
        yield "the assignment is not for the second boot"


def _proofs(writes: Sequence[Written]) -> dict[str, Written]:
    """By boot id, in order: the host's first report of the sandbox."""
    found: dict[str, Written] = {}
    for write in writes:
        report = write.state.get("report", {})
        if write.by == write.row and report.get("phase") == "sandboxed":
            found.setdefault(report.get("boot"), write)
    return found


def _stopped_at(evidence: Evidence, instance: Instance) -> float | None:
    return next(
        (
            moment.at
            for moment in evidence.moments
            if moment.instance_id == instance.instance_id
            and moment.aspect is Aspect.STATE
            and moment.value == "stopped"
        ),
        None,
    )

"""Timelines: the time of each job and each instance at each point of its life."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from buildkite_emulator import JobView
from mayfly.records.model import Claim, Instance
from mayfly.records.states import ClaimState, InstanceState
from mayfly_lab.aws.ec2.moments import Aspect
from mayfly_lab.report.evidence import Evidence

POINTS = (
    "waiting",
    "reserved",
    "launched",
    "booted",
    "bootstrapped",
    "swapped",
    "proven",
    "assigned",
    "accepted",
    "command",
    "first_output",
    "ended",
    "terminated",
)
"""The points of a job's timeline, in order."""

_INSTANCE_POINTS: Mapping[str, InstanceState] = {
    "launched": InstanceState.LAUNCHING,
    "booted": InstanceState.BOOTING,
    "bootstrapped": InstanceState.BOOTSTRAPPED,
    "proven": InstanceState.READY,
}


@dataclass(frozen=True, slots=True)
class JobLine:
    """One job's timeline, in seconds since the job was runnable.

    Seconds are negative for points of a pool's instance before the job was runnable.
    """

    id: str
    label: str
    """The job's label, or its command without one."""
    queue: str
    path: str
    """`hot` when the job's instance was ready before the job was runnable, `stopped` when the
    instance was started again for a job, else `cold`; empty for a job that no instance ran."""
    outcome: str
    exit_status: int | None
    agent: str
    instance: str
    attempt: int
    reason: str
    """Why Mayfly gave the job up or failed it; empty for a job that ran."""
    seconds: Mapping[str, float]
    notes: tuple[tuple[float, str], ...] = ()
    """Time and text of each note on the job's page."""
    signal_reason: str = ""
    """Buildkite's word for a job that no exit status explains, such as `agent_stop`."""
    began: float = 0.0
    """When the job was runnable, in seconds since the first build began."""
    log_tail: tuple[str, ...] = ()
    """The last lines of the job's log."""


@dataclass(frozen=True, slots=True)
class InstanceLine:
    """One instance's timeline, in seconds since its launch."""

    id: str
    queue: str
    job: str
    profiles: tuple[tuple[float, str], ...]
    """Start time and name of each profile that the metadata service served."""
    states: tuple[tuple[float, str], ...]
    """Start time and name of each state in Mayfly's record."""
    reason: str
    launched: float = 0.0
    """Time of the launch in seconds since the first build began, negative for an earlier launch."""
    ended: float | None = None
    """When EC2 had terminated the instance; None for an instance that is still there."""
    off: tuple[tuple[float, float | None], ...] = ()
    """Begin and end of each stop of the instance; the end is None before the next start."""


def job_lines(evidence: Evidence) -> list[JobLine]:
    """One line for each job, in the order of creation at Buildkite."""
    return [_job_line(job, evidence) for job in evidence.jobs]


def instance_lines(evidence: Evidence) -> list[InstanceLine]:
    """One line for each instance, in the order of launch."""
    found = sorted(evidence.instances.values(), key=lambda i: (i.created, i.instance_id or ""))
    return [_instance_line(instance, evidence) for instance in found]


def _job_line(job: JobView, evidence: Evidence) -> JobLine:
    claim = evidence.claims.get(job.id)
    instance = _instance_of(claim, evidence)
    runnable = job.timeline.runnable or job.timeline.created
    zero = runnable.timestamp()
    absolute = dict(_points(job, claim, instance, evidence))
    ready = absolute.get("proven")
    ran = instance is not None and job.timeline.accepted is not None
    return JobLine(
        id=job.id,
        label=job.name,
        queue=job.queue,
        path=_path(instance, ready, zero) if instance is not None and ran else "",
        outcome=job.outcome or str(job.state),
        exit_status=job.exit_status,
        agent=evidence.agents.get(job.id, ""),
        instance=(instance.instance_id or "") if instance is not None else "",
        attempt=claim.attempt if claim is not None else 0,
        reason=_reason(claim),
        seconds={p: round(absolute[p] - zero, 3) for p in POINTS if p in absolute},
        notes=tuple((round(n.at.timestamp() - zero, 3), n.detail) for n in job.notices),
        signal_reason=job.signal_reason or "",
        began=round(zero - evidence.build_began, 3),
        log_tail=tuple(evidence.tails.get(job.id, ())),
    )


def _path(instance: Instance, ready: float | None, runnable: float) -> str:
    if ready is not None and ready < runnable:
        return "hot"
    return "stopped" if any(step.state == "stopped" for step in instance.history) else "cold"


def _instance_of(claim: Claim | None, evidence: Evidence) -> Instance | None:
    if claim is None or claim.slot is None:
        return None
    return next((i for i in evidence.instances.values() if i.key == claim.slot), None)


def _reason(claim: Claim | None) -> str:
    return claim.reason if claim is not None and claim.state.traits.given_up else ""


def _points(
    job: JobView, claim: Claim | None, instance: Instance | None, evidence: Evidence
) -> Iterator[tuple[str, float]]:
    """Points in seconds since the epoch, each from its best source: claim, EC2, Buildkite, log."""
    if claim is not None:
        yield from _claim_points(claim)
    if instance is not None:
        states = {step.state: step.at.timestamp() for step in instance.history}
        for point, state in _INSTANCE_POINTS.items():
            if state in states:
                yield point, states[state]
        yield from _ec2_points(instance, evidence)
    times = job.timeline
    at_buildkite = {"reserved": times.reserved, "accepted": times.accepted, "ended": times.finished}
    yield from ((point, at.timestamp()) for point, at in at_buildkite.items() if at is not None)
    if job.id in evidence.command_at:
        yield "command", evidence.command_at[job.id]
    if job.id in evidence.output_at:
        yield "first_output", evidence.output_at[job.id]


def _claim_points(claim: Claim) -> Iterator[tuple[str, float]]:
    """When Mayfly recorded the job's claim, and when it assigned the job, the last time winning."""
    yield "waiting", claim.history[0].at.timestamp()
    for step in claim.history:
        if step.state == ClaimState.ASSIGNED:
            yield "assigned", step.at.timestamp()


def _ec2_points(instance: Instance, evidence: Evidence) -> Iterator[tuple[str, float]]:
    """Points that only EC2 knows: IMDS serves the sandbox profile, and termination."""
    for moment in evidence.moments:
        if moment.instance_id != instance.instance_id:
            continue
        if moment.aspect is Aspect.IMDS and moment.value == instance.pinned.sandbox_profile:
            yield "swapped", moment.at
        if moment.aspect is Aspect.STATE and moment.value == "terminated":
            yield "terminated", moment.at


def _instance_line(instance: Instance, evidence: Evidence) -> InstanceLine:
    zero = instance.created.timestamp()
    served = [
        (round(moment.at - zero, 3), kind_of_profile(moment.value, instance))
        for moment in evidence.moments
        if moment.instance_id == instance.instance_id and moment.aspect is Aspect.IMDS
    ]
    steps = [(round(s.at.timestamp() - zero, 3), s.state) for s in instance.history]
    return InstanceLine(
        id=instance.instance_id or "",
        queue=instance.queue,
        job=instance.job or "",
        profiles=tuple(served),
        states=tuple(steps),
        reason=instance.reason,
        launched=round(zero - evidence.build_began, 3),
        ended=_ended(instance, evidence, zero),
        off=tuple(_off(instance, evidence, zero)),
    )


def _off(
    instance: Instance, evidence: Evidence, zero: float
) -> Iterator[tuple[float, float | None]]:
    """Times from `stopped` to `running` or `terminated`: no metadata service runs meanwhile."""
    since: float | None = None
    for moment in evidence.moments:
        if moment.instance_id != instance.instance_id or moment.aspect is not Aspect.STATE:
            continue
        at = round(moment.at - zero, 3)
        if moment.value == "stopped":
            since = at
        elif since is not None and moment.value in {"running", "terminated"}:
            yield since, at
            since = None
    if since is not None:
        yield since, None


def _ended(instance: Instance, evidence: Evidence, zero: float) -> float | None:
    ends = (at for point, at in _ec2_points(instance, evidence) if point == "terminated")
    return next((round(at - zero, 3) for at in ends), None)


def kind_of_profile(profile: str, instance: Instance) -> str:
    """`bootstrap`, `sandbox` or `none` for a profile of the instance; another profile's name."""
    known = {
        instance.pinned.bootstrap_profile: "bootstrap",
        instance.pinned.sandbox_profile: "sandbox",
        "": "none",
    }
    return known.get(profile, profile)

"""Checks of a run: each is named after a promise of Mayfly, and lists the violations."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mayfly.records.model import Instance
from mayfly_lab.aws.ec2.moments import Aspect
from mayfly_lab.aws.front.journal import Entry
from mayfly_lab.report.braking import unbraked
from mayfly_lab.report.evidence import Evidence
from mayfly_lab.report.seeking import forms, holds

_OVER = {"terminated"}


@dataclass(frozen=True, slots=True)
class Check:
    """A promise and its violations; no violation means that the promise held."""

    name: str
    promise: str
    broken: tuple[str, ...]

    @property
    def held(self) -> bool:
        """Whether the promise held."""
        return not self.broken


def check_all(evidence: Evidence) -> list[Check]:
    """The result of every check, in the order of the report."""
    return [Check(name, promise, tuple(find(evidence))) for name, promise, find in _CHECKS]


def check_lab(failures: Sequence[Exception]) -> list[Check]:
    """The broken check of a lab that failed itself; empty for a lab without failures."""
    broken = tuple(repr(each) for each in failures)
    return [Check("lab", "the lab has no failures of its own", broken)] if broken else []


@dataclass(frozen=True, slots=True)
class Written:
    """One write to a mailbox row, from the journal.

    `order` is the index in the journal, `at` in seconds since the epoch, `by` the principal's
    name, `state` the row after the write.
    """

    order: int
    at: float
    by: str
    row: str
    attributes: tuple[str, ...]
    state: dict[str, Any]


def mailbox_writes(journal: Sequence[Entry], table_ending: str = "-mailbox") -> list[Written]:
    """All accepted writes to mailbox rows, in the journal's order."""
    return [
        Written(
            order, entry.at, entry.principal, row["key"], tuple(row["attributes"]), row["state"]
        )
        for order, entry in enumerate(journal)
        if entry.ok and entry.service == "dynamodb"
        for row in entry.resources.get("rows", ())
        if row["table"].endswith(table_ending) and row["attributes"]
    ]


def _one_assignment(evidence: Evidence) -> Iterator[str]:
    """Rows that were assigned twice, and jobs that ran on two instances."""
    given = [w for w in mailbox_writes(evidence.journal) if "assignment" in w.state]
    for row, times in Counter(write.row for write in given).items():
        if times > 1:
            yield f"row {row} was assigned {times} times"
    ran = Counter(i.job for i in evidence.instances.values() if i.job and _accepted(i))
    for job, times in ran.items():
        if times > 1:
            yield f"job {job} ran on {times} instances"


def _accepted(instance: Instance) -> bool:
    return any(step.state == "running" for step in instance.history)


def _proven_first(evidence: Evidence) -> Iterator[str]:
    """Assignments without an earlier `sandboxed` report by the host itself, of the same boot."""
    writes = mailbox_writes(evidence.journal)
    for given in (w for w in writes if "assignment" in w.state):
        boot = given.state["assignment"].get("boot")
        proofs = [
            w
            for w in writes
            if w.order < given.order
            and w.row == w.by == given.row
            and w.state.get("report", {}).get("phase") == "sandboxed"
            and w.state["report"].get("boot") == boot
        ]
        if not boot or not proofs:
            yield f"row {given.row} was assigned without a sandbox proof of boot {boot}"


def _order(evidence: Evidence) -> Iterator[str]:
    """Proven instances where bootstrapped, replaced and proven are missing or out of order."""
    writes = mailbox_writes(evidence.journal)
    for instance in evidence.instances.values():
        if not instance.proven:
            continue
        done = _first(writes, instance.bootstrap_row, "bootstrapped")
        proof = _first(writes, instance.sandbox_row, "sandboxed")
        replaced = _replaced(evidence, instance)
        if done is None or proof is None or replaced is None:
            yield f"{instance.instance_id}: bootstrapped, replaced or proven is missing"
        elif not done.at <= replaced <= proof.at:
            times = (at - evidence.started for at in (done.at, replaced, proof.at))
            shown = ", ".join(f"{at:.2f}" for at in times)
            yield f"{instance.instance_id}: bootstrapped, replaced, proven at {shown} s"


def _first(writes: Sequence[Written], row: str | None, phase: str) -> Written | None:
    """The host's first report of a phase into `row`, its own mailbox row; None without one."""
    return next(
        (
            w
            for w in writes
            if w.row == w.by == row and w.state.get("report", {}).get("phase") == phase
        ),
        None,
    )


def _replaced(evidence: Evidence, instance: Instance) -> float | None:
    """When EC2 accepted the sandbox profile, in seconds since the epoch; None if never."""
    return next(
        (
            moment.at
            for moment in evidence.moments
            if moment.instance_id == instance.instance_id
            and moment.aspect is Aspect.PROFILE
            and moment.value == instance.pinned.sandbox_profile
        ),
        None,
    )


def _token_stays(evidence: Evidence) -> Iterator[str]:
    for secret in evidence.secrets:
        sought = forms(secret.value)
        for place, text in evidence.texts.items():
            if place not in secret.carriers and holds(text, sought):
                yield f"{secret.what} was found in {place}"


def _bootstrap_ends(evidence: Evidence) -> Iterator[str]:
    """Calls as bootstrap after the proof, by any process.

    Decoys on the machines call with bootstrap credentials, so that a gap would show.
    """
    writes = mailbox_writes(evidence.journal)
    proofs = {
        i.bootstrap_row: (i.instance_id, _first(writes, i.sandbox_row, "sandboxed"))
        for i in evidence.instances.values()
    }
    for order, entry in enumerate(evidence.journal):
        instance_id, proof = proofs.get(entry.principal, ("", None))
        if proof is not None and order > proof.order:
            yield f"{instance_id} called {entry.service}:{entry.operation} with the bootstrap role"


def _nothing_leaks(evidence: Evidence) -> Iterator[str]:
    last: dict[str, str] = {}
    for moment in evidence.moments:
        if moment.aspect is Aspect.STATE:
            last[moment.instance_id] = moment.value
    for instance_id, state in last.items():
        if state not in _OVER:
            yield f"{instance_id} is still {state}"
        if instance_id not in evidence.instances:
            yield f"{instance_id} has no record"
    for instance in evidence.instances.values():
        if instance.open:
            yield f"the record of {instance.instance_id} is still {instance.state}"
    for queue, ledger in evidence.ledger.items():
        if ledger.live:
            yield f"the ledger of queue {queue} still counts {ledger.live} slots"


def _every_job_ends(evidence: Evidence) -> Iterator[str]:
    for job in evidence.jobs:
        if job.outcome is None:
            yield f"job {job.name} is still {job.state}"
    for claim in evidence.claims.values():
        if claim.open:
            yield f"the claim of job {claim.job} is still {claim.state}"


def _bounded(evidence: Evidence) -> Iterator[str]:
    """Instances beyond a queue's limit, and launches that failed boots should have held back."""
    alive: defaultdict[str, set[str]] = defaultdict(set)
    for moment in evidence.moments:
        instance = evidence.instances.get(moment.instance_id)
        if moment.aspect is not Aspect.STATE or instance is None:
            continue
        mine = alive[instance.queue]
        if moment.value == "terminated":
            mine.discard(moment.instance_id)
        else:
            mine.add(moment.instance_id)
        limit = evidence.limits.get(instance.queue)
        if limit is not None and len(mine) > limit:
            yield f"queue {instance.queue} had {len(mine)} instances, limit {limit}"
    yield from unbraked(evidence.instances.values())


_CHECKS: Sequence[tuple[str, str, Callable[[Evidence], Iterator[str]]]] = (
    ("one-assignment", "an instance gets at most one job in its life", _one_assignment),
    ("proven-first", "no instance gets a job before the sandbox proof of its boot", _proven_first),
    ("order", "every instance is bootstrapped, replaced, proven, then assigned", _order),
    ("token-stays", "no secret is in a log, record, call, page or process list", _token_stays),
    ("bootstrap-ends", "no call uses the bootstrap role after the proof", _bootstrap_ends),
    ("bounded", "no queue exceeds its limit, nor launches on while boots fail", _bounded),
    ("every-job-ends", "every job ran, or ended with a reason", _every_job_ends),
    ("nothing-leaks", "every instance is terminated and every record closed", _nothing_leaks),
)

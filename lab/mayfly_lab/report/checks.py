"""What must have held in a run. Each check has the name of the promise, and says what broke it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mayfly.records.model import Instance
from mayfly_lab.aws.ec2.moments import Aspect
from mayfly_lab.aws.front.journal import Entry
from mayfly_lab.report.evidence import Evidence

_OVER = {"terminated"}


@dataclass(frozen=True, slots=True)
class Check:
    """A promise, and what broke it; nothing when it held."""

    name: str
    promise: str
    broken: tuple[str, ...]

    @property
    def held(self) -> bool:
        """Whether nothing broke it."""
        return not self.broken


def check_all(evidence: Evidence) -> list[Check]:
    """Every check, in the order in which they are shown."""
    return [Check(name, promise, tuple(find(evidence))) for name, promise, find in _CHECKS]


@dataclass(frozen=True, slots=True)
class Written:
    """One write to a mailbox row, out of the journal."""

    order: int
    at: float
    by: str
    row: str
    attributes: tuple[str, ...]
    state: dict[str, Any]


def mailbox_writes(journal: Sequence[Entry], table_ending: str = "-mailbox") -> list[Written]:
    """All writes to the mailbox that AWS accepted, in order."""
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
    """A row is assigned once; a job is bound again only after its former instance has ended."""
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
    """Every assignment follows the host's own write, of that boot, as sandbox."""
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
            yield f"row {given.row} was assigned without a proof of boot {boot}"


def _order(evidence: Evidence) -> Iterator[str]:
    """Bootstrapped, profile replaced, proven, assigned: in this order, for every instance."""
    writes = mailbox_writes(evidence.journal)
    for instance in evidence.instances.values():
        if not instance.proven:
            continue
        done = _first(writes, instance.bootstrap_row, "bootstrapped")
        proof = _first(writes, instance.sandbox_row, "sandboxed")
        replaced = _replaced(evidence, instance)
        if done is None or proof is None or replaced is None:
            yield f"{instance.instance_id}: bootstrapped, replaced or proven never happened"
        elif not done.at <= replaced <= proof.at:
            times = (at - evidence.started for at in (done.at, replaced, proof.at))
            shown = ", ".join(f"{at:.2f}" for at in times)
            yield f"{instance.instance_id}: bootstrapped, replaced, proven at {shown}"


def _first(writes: Sequence[Written], row: str | None, phase: str) -> Written | None:
    """The host's own first report of a phase into this row of its."""
    return next(
        (
            w
            for w in writes
            if w.row == w.by == row and w.state.get("report", {}).get("phase") == phase
        ),
        None,
    )


def _replaced(evidence: Evidence, instance: Instance) -> float | None:
    """When EC2 took the replacement of the profile."""
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
    for place, text in evidence.texts.items():
        for what, secret in evidence.secrets.items():
            if secret and secret in text:
                yield f"{what} stands in {place}"


def _bootstrap_ends(evidence: Evidence) -> Iterator[str]:
    """No service of the image, no process of set-up, no job; machines carry decoys that would."""
    writes = mailbox_writes(evidence.journal)
    proofs = {
        i.bootstrap_row: (i.instance_id, _first(writes, i.sandbox_row, "sandboxed"))
        for i in evidence.instances.values()
    }
    for order, entry in enumerate(evidence.journal):
        instance_id, proof = proofs.get(entry.principal, ("", None))
        if proof is not None and order > proof.order:
            yield f"{instance_id} called {entry.service}:{entry.operation} as bootstrap"


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
            yield f"{job.name} is still {job.state}"
    for claim in evidence.claims.values():
        if claim.open:
            yield f"the claim of job {claim.job} is still {claim.state}"


def _bounded(evidence: Evidence) -> Iterator[str]:
    """Never more instances of a queue alive than it may have."""
    alive: Counter[str] = Counter()
    for moment in evidence.moments:
        instance = evidence.instances.get(moment.instance_id)
        if moment.aspect is not Aspect.STATE or instance is None:
            continue
        if moment.value == "pending":
            alive[instance.queue] += 1
        elif moment.value == "terminated":
            alive[instance.queue] -= 1
        limit = evidence.limits.get(instance.queue)
        if limit is not None and alive[instance.queue] > limit:
            yield f"queue {instance.queue} had {alive[instance.queue]} instances, at most {limit}"


_CHECKS: Sequence[tuple[str, str, Callable[[Evidence], Iterator[str]]]] = (
    ("one-assignment", "an instance has at most one job, ever", _one_assignment),
    ("proven-first", "no assignment without the proof of that boot", _proven_first),
    ("order", "bootstrapped, replaced, proven, then assigned", _order),
    ("token-stays", "no token in any log, record, console or report", _token_stays),
    ("bootstrap-ends", "nobody calls as bootstrap after the proof", _bootstrap_ends),
    ("bounded", "never more instances than the queue may have", _bounded),
    ("every-job-ends", "each job ran, or ended with a reason", _every_job_ends),
    ("nothing-leaks", "every instance and every record is closed", _nothing_leaks),
)

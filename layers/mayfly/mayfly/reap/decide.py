"""What is over, what overstays, what nobody knows; and what is said about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from mayfly.answers import Seen
from mayfly.metrics import Metric
from mayfly.reap import consoles
from mayfly.reap.actions import (
    ClearMailbox,
    Decision,
    KeepLastWords,
    RaiseAlarm,
    ReapAction,
    Steps,
    TerminateInstances,
    WarnHost,
)
from mayfly.records.changes import Change, Drop, FreeSlots, Save
from mayfly.records.model import Claim, Instance, SlotKey, Stray, move_claim, move_instance, saved
from mayfly.records.states import (
    Allowance,
    ClaimState,
    Ending,
    InstanceState,
    OwnEnd,
    Reaping,
    SpotWarning,
)
from mayfly.tick.actions import NudgeProvision, WriteRecords
from mayfly_protocol.phases import Phase
from mayfly_protocol.report import Report

_S = InstanceState
_ENDING = frozenset({"shutting-down", "terminated"})
_STOPPED = frozenset({"stopping", "stopped"})
LAG = timedelta(minutes=10)
"""For how long Describe may lack an instance that lives."""
STRAY_AGE = timedelta(seconds=60)
"""A stray must still be one after this long before it is terminated."""
RESTORED = 3
"""More strays than this, and than a tenth of what runs, look like a restored table, not a leak."""


@dataclass(frozen=True, slots=True)
class ReapView:
    """Everything that runs or should have ended."""

    instances: tuple[Instance, ...]
    seen: Mapping[str, Seen]
    """What EC2 shows with our tag, by instance id."""
    reports: Mapping[str, Report]
    """Sandbox and bootstrap rows."""
    running: Mapping[SlotKey, Claim]
    """Claims in RUNNING, by the slot they run in."""
    ended: Mapping[SlotKey, str]
    """Slots of such claims whose instance is closed, and why: a consistent read says so."""
    open_launches: frozenset[str]
    strays: Mapping[str, Stray]
    unknown: frozenset[str]
    """Ids that EC2 shows and for which a consistent read found no record."""
    keep_failed: Mapping[str, timedelta]
    """By queue: how long a host that was never ready is kept for a look."""
    consoles: Mapping[str, str] = field(default_factory=dict)
    """By EC2 instance id, of those that ended without a word (see `wants_console`)."""


def decide(view: ReapView, now: datetime) -> Decision:
    """Close what is gone, condemn what overstays, end what is done, watch what is unknown."""
    steps = tuple(_steps(each, view, now) for each in view.instances if each.instance_id)
    rest: list[ReapAction] = [*_orphaned(view, now), *_strays(view, now)]
    if any(isinstance(action, ClearMailbox) for each in steps for action in each.actions):
        rest.append(NudgeProvision("instances have ended"))
    return Decision(tuple(each for each in steps if each.actions or each.terminate), tuple(rest))


def ends(taken: Iterable[Steps]) -> Iterator[TerminateInstances]:
    """One call for all instances that may be terminated, their steps having been taken."""
    doomed = tuple(sorted(each.terminate for each in taken if each.terminate))
    if doomed:
        yield TerminateInstances(doomed, "they are done or condemned")


def _steps(instance: Instance, view: ReapView, now: datetime) -> Steps:
    if _is_gone(instance, view, now):
        return Steps(tuple(_close(instance, view, now)))
    looked, notes = _look(instance, view, now)
    current, writes = _advance(looked, view, now)
    if not _is_over(current):
        return Steps((*notes, *writes))
    kept = replace(current, words_kept=True)
    words = _last_words(current, view, current.reason, (Save(kept),))
    may_die = _may_die(current, view, now)
    return Steps((*notes, *writes, *words), instance.instance_id if may_die else None)


def wants_console(instance: Instance, seen: Seen | None, reports: Mapping[str, Report]) -> bool:
    """Whether an instance is ending, and only its console can say why."""
    if seen is None or seen.state not in _ENDING or _end_is_expected(instance):
        return False
    rows = (instance.sandbox_row, instance.bootstrap_row)
    said = {reports[row].phase for row in rows if row and row in reports}
    return not said & {Phase.FAILED, Phase.DONE}


def warn(instance: Instance, until: datetime, now: datetime) -> Steps:
    """What a spot warning means: an idle instance takes no job any more, a busy one is told.

    A host reads the notice as a time, and stops its job only as early as it must.
    """
    at = until.isoformat(timespec="seconds")
    text = f"spot takes it back at {at}"
    match instance.state.traits.spot_warning:
        case SpotWarning.CONDEMNS:
            condemned = move_instance(instance, _S.CONDEMNED, now, text)
            write = WriteRecords((Save(condemned),), f"condemned: {text}")
            return Steps((write, NudgeProvision(text)))
        case SpotWarning.REACHES_HOST:
            row = instance.sandbox_row
            return Steps((WarnHost(row, at, text),) if row else ())
        case SpotWarning.NOTHING:
            return Steps(())


def _is_gone(instance: Instance, view: ReapView, now: datetime) -> bool:
    seen = view.seen.get(instance.instance_id or "")
    if seen is None:
        # EC2 forgets a terminated instance after about an hour, but shows a new one late, and a
        # single answer may lack an old one that runs a job.
        return instance.unseen_since is not None and now - instance.unseen_since > LAG
    return seen.state == "terminated"


def _look(
    instance: Instance, view: ReapView, now: datetime
) -> tuple[Instance, tuple[ReapAction, ...]]:
    """Note since when EC2 does not show an instance, or that it shows it again."""
    unseen = instance.instance_id not in view.seen
    if unseen is (instance.unseen_since is not None):
        return instance, ()
    noted = replace(instance, unseen_since=now if unseen else None)
    reason = "EC2 does not show it" if unseen else "EC2 shows it again"
    return saved(noted), (WriteRecords((Save(noted),), reason),)


def _orphaned(view: ReapView, now: datetime) -> Iterator[WriteRecords]:
    """Claims that were found to be running only when their instance had ended."""
    for slot, reason in view.ended.items():
        claim = view.running[slot]
        text = f"its instance ended: {reason}"
        yield WriteRecords((Save(move_claim(claim, ClaimState.FINISHED, now, text)),), text)


def _close(instance: Instance, view: ReapView, now: datetime) -> Iterator[ReapAction]:
    """The end of an instance: its record, its slot in the ledger, its claim, its mailbox rows."""
    seen = view.seen.get(instance.instance_id or "")
    cause = _cause(instance, view, (seen.reason if seen else "") or "EC2 does not show it any more")
    explained = _end_is_expected(instance)
    # A host reports its end and powers off: that may be over before anybody has read why.
    said = _own_word(instance, view)
    reason = instance.reason if explained else said or f"EC2 ended it: {cause}"
    yield from _last_words(instance, view, reason)
    # Before the record is closed: nobody would come back for rows that a crash left behind.
    yield ClearMailbox(instance, "their instance is gone")
    gone = replace(
        move_instance(instance, _S.TERMINATED, now, reason),
        ended_job=said if _ends_job(instance) else instance.ended_job,
        words_kept=True,
    )
    changes: list[Change] = [Save(gone), FreeSlots(instance.queue, 1)]
    claim = view.running.get(instance.key)
    if claim is not None:
        finished = move_claim(claim, ClaimState.FINISHED, now, f"its instance ended: {reason}")
        changes.append(Save(finished))
    yield WriteRecords(tuple(changes), reason)


def _advance(
    instance: Instance, view: ReapView, now: datetime
) -> tuple[Instance, list[ReapAction]]:
    """The instance as it will stand after this tick's write about it, and that write."""
    if instance.state.traits.reaping is not Reaping.JUDGE:
        return instance, []
    said = _own_word(instance, view)
    if said and _ends_job(instance):
        done = replace(move_instance(instance, _S.DONE, now, said), ended_job=said)
        return saved(done), [WriteRecords((Save(done),), said)]
    reason = _condemnation(instance, said, view, now)
    if not reason:
        return instance, []
    condemned = move_instance(instance, _S.CONDEMNED, now, reason)
    return saved(condemned), [WriteRecords((Save(condemned),), f"condemned: {reason}")]


def _cause(instance: Instance, view: ReapView, cause: str) -> str:
    """Why EC2 ended an instance, with what its console says of it."""
    said = consoles.failure(view.consoles.get(instance.instance_id or "", ""))
    return f"{cause}; its console says: {said}" if said else cause


def _is_over(instance: Instance) -> bool:
    """Whether nothing is left to do on it but to end."""
    match instance.state.traits.reaping:
        case Reaping.AWAIT_POWER_OFF | Reaping.TERMINATE:
            return True
        case Reaping.NONE | Reaping.JUDGE:
            return False


def _end_is_expected(instance: Instance) -> bool:
    return instance.state.traits.ending is Ending.EXPECTED


def _ends_job(instance: Instance) -> bool:
    """Whether its host's word of an end is that of its job."""
    return instance.state.traits.own_end is OwnEnd.ENDS_JOB


def _own_word(instance: Instance, view: ReapView) -> str:
    """What the host itself says of its end; empty when it has not said that this is the end.

    Once it is proven, whoever still holds its bootstrap credentials has no say in it.
    """
    rows = (instance.sandbox_row, None if instance.proven else instance.bootstrap_row)
    for row in rows:
        report = view.reports.get(row or "")
        if report is not None and report.phase is Phase.FAILED:
            return report.reason or "the host gave up without a reason"
        if report is not None and report.phase is Phase.DONE:
            return report.reason or f"the agent ended with exit code {report.exit}"
    return ""


def _condemnation(instance: Instance, said: str, view: ReapView, now: datetime) -> str:
    """Why an instance must go; empty when it may stay. A running job dies for a limit alone."""
    traits = instance.state.traits
    report = view.reports.get(instance.sandbox_row or "")
    if traits.own_end is OwnEnd.CONDEMNS and report is not None and report.phase is Phase.FAILED:
        return said
    seen = view.seen.get(instance.instance_id or "")
    if seen is not None and seen.state in _ENDING and traits.ending is Ending.CONDEMNS:
        cause = _cause(instance, view, seen.reason or "EC2 does not say why")
        return said or f"it is shutting down: {cause}"
    if seen is not None and seen.state in _STOPPED and traits.stop_condemns:
        return "it was stopped from outside"
    limit = _limit(instance, report)
    if limit is not None and now - instance.since > limit:
        return f"it was {instance.state} for longer than {_spoken(limit)}"
    return ""


def _limit(instance: Instance, report: Report | None) -> timedelta | None:
    state = instance.state
    if state.traits.awaits_acceptance and report is not None and report.phase is Phase.RUNNING:
        # Its agent works, but Buildkite could not be asked whether it has the job: a job that runs
        # is not to die for that. Whoever claims so in vain gets no more time than a job.
        state = _S.RUNNING
    limit = state.traits.deadline
    if limit is None:
        return None
    match state.traits.allowance:
        case Allowance.NONE:
            return limit
        case Allowance.SCRIPT:
            return limit + timedelta(minutes=instance.pinned.script_minutes)
        case Allowance.JOB:
            return limit + timedelta(minutes=instance.max_minutes)


def _spoken(limit: timedelta) -> str:
    return f"{int(limit.total_seconds() // 60)} minutes"


def _last_words(
    instance: Instance, view: ReapView, reason: str, then: tuple[Change, ...] = ()
) -> Iterator[KeepLastWords]:
    """Words are kept of hosts that failed, once; what ended as it should has nothing to explain."""
    if not instance.words_kept and _failed(instance, view):
        yield KeepLastWords(instance, _words(instance, view), reason, then)


def _failed(instance: Instance, view: ReapView) -> bool:
    report = view.reports.get(instance.sandbox_row or "")
    in_order = instance.state.traits.reaping is Reaping.AWAIT_POWER_OFF
    if in_order or (report is not None and report.phase is Phase.DONE):
        return False
    gave_up = report is not None and report.phase is Phase.FAILED
    return gave_up or not instance.proven or instance.job is not None


def _words(instance: Instance, view: ReapView) -> str:
    rows = (instance.bootstrap_row, instance.sandbox_row)
    reports = [view.reports[row] for row in rows if row and row in view.reports]
    return "\n".join(r.words for r in reports if r.words)


def _may_die(instance: Instance, view: ReapView, now: datetime) -> bool:
    """Whether to terminate now. A host that was never ready may be kept for a look."""
    seen = view.seen.get(instance.instance_id or "")
    if seen is not None and seen.state in _ENDING:
        return False
    if instance.state.traits.reaping is Reaping.AWAIT_POWER_OFF:
        # The host powers itself off; EC2's own answer to that is the usual end.
        return instance.state.traits.overstayed(now - instance.since)
    keep = view.keep_failed.get(instance.queue, timedelta(0))
    return instance.proven or now - instance.since >= keep


def _strays(view: ReapView, now: datetime) -> Iterator[ReapAction]:
    """Instances with our tag and no record: looked at twice, a minute apart, before they die."""
    living = {
        id_
        for id_ in view.unknown
        if view.seen[id_].state not in _ENDING and view.seen[id_].launch not in view.open_launches
    }
    for id_, stray in view.strays.items():
        if id_ not in living:
            yield WriteRecords((Drop(stray),), f"stray {id_} is gone or explained")
    if len(living) > max(RESTORED, len(view.seen) // 10):
        yield RaiseAlarm(
            Metric.STRAYS, f"{len(living)} instances without a record: none is terminated"
        )
        return
    for id_ in sorted(living - set(view.strays)):
        yield WriteRecords((Save(Stray(id_, now)),), f"{id_} has our tag and no record")
    old = sorted(
        id_
        for id_ in living
        if id_ in view.strays and now - view.strays[id_].first_seen >= STRAY_AGE
    )
    if old:
        yield TerminateInstances(tuple(old), "they have our tag and, twice, no record")

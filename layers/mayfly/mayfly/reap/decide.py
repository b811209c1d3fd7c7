"""Decides which instances to condemn, terminate and close, and what to do about strays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from mayfly.answers import Bought
from mayfly.metrics import Metric
from mayfly.reap import consoles
from mayfly.reap.actions import (
    ClearMailbox,
    Decision,
    RaiseAlarm,
    ReapAction,
    Steps,
    TerminateInstances,
    WarnHost,
)
from mayfly.reap.measures import SPOT_TEXT, when_closed, when_condemned
from mayfly.reap.power import from_outside, has_stopped
from mayfly.reap.refusals import of_refused_job
from mayfly.reap.reported import reported_end, runs_agent, says_failed
from mayfly.reap.unreadable import overaged
from mayfly.reap.view import ReapView
from mayfly.reap.words import (
    GOING,
    end_is_expected,
    owed,
    owes,
    words_of_closed,
    words_of_ending,
)
from mayfly.records.brakes import failed_boot
from mayfly.records.changes import Change, Drop, FreeSlots, Save
from mayfly.records.lost import BY_EC2, LACK_OF_CAPACITY, lost, went_down
from mayfly.records.model import Claim, Instance, Stray, move_claim, move_instance, saved
from mayfly.records.states import (
    Allowance,
    ClaimState,
    Ending,
    HostEnd,
    InstanceState,
    Reaping,
    SpotWarning,
)
from mayfly.tick.actions import NudgeProvision, WriteRecords, condemnation
from mayfly.tick.measures import Series
from mayfly.tick.purchase import ended
from mayfly_protocol.phases import Phase
from mayfly_protocol.report import Report

_S = InstanceState
AFTER_JOB = timedelta(minutes=25)
"""How long an instance may outlive its job, to deliver the job's log through an outage.

Only the instance can report that its agent has ended, and an instance that hangs never does.
"""
_VOLUME_FAILED = "Client.InternalError"
_KEY_HINT = (
    "most often the KMS key of the volume or its image: disabled, or not tagged mayfly-stack, or "
    "on spot without a grant"
)
"""EC2 names no KMS key in this code (EC2 user guide, troubleshooting-launch)."""
DESCRIBE_LAG = timedelta(minutes=10)
"""How long DescribeInstances may omit a living instance."""
STRAY_AGE = timedelta(seconds=60)
"""How long an instance must be a stray before it is terminated."""
RESTORED = 3
"""More strays than 3, and than a tenth of EC2's instances, mean a restored table, not a leak."""


def decide(view: ReapView, now: datetime) -> Decision:
    """Close ended instances, condemn failed and overdue ones, terminate, and watch strays."""
    steps = [_steps(each, view, now) for each in view.instances if each.instance_id]
    rest: list[ReapAction] = [*_orphaned(view, now), *_strays(view, now), *overaged(view, now)]
    if any(each.closes for each in steps):
        rest.append(NudgeProvision("instances have ended"))
    needed = tuple(each for each in steps if each.actions or each.terminate or each.words)
    return Decision(needed, tuple(rest), tuple(owed(view, now)))


def awaited(view: ReapView, now: datetime) -> Mapping[str, datetime]:
    """By EC2 id: when each host is overdue that has a job and has not reported its agent yet.

    Hosts that are overdue already are omitted: this tick's decision condemns them.
    """
    found = {}
    for instance in view.instances:
        report = view.reports.get(instance.sandbox_row or "")
        limit = _limit(instance, report)
        waits = instance.state.traits.awaits_acceptance and not runs_agent(report)
        if instance.instance_id and waits and limit is not None and now - instance.since <= limit:
            found[instance.instance_id] = instance.since + limit + timedelta(seconds=1)
    return found


def terminations(taken: Iterable[Steps]) -> Iterator[TerminateInstances]:
    """One action for all instances to terminate; none when there are none.

    `taken` holds the steps that succeeded completely.
    """
    doomed = tuple(sorted(each.terminate for each in taken if each.terminate))
    if doomed:
        yield TerminateInstances(doomed, "the instances are done or condemned")


def _steps(instance: Instance, view: ReapView, now: datetime) -> Steps:
    if _is_gone(instance, view, now):
        return _close(instance, view, now)
    looked, notes = _note_visibility(instance, view, now)
    current, writes = _advance(looked, view, now)
    if not _is_over(current):
        return Steps((*notes, *writes))
    counts: tuple[Series, ...] = ()
    if writes and (current.state is _S.CONDEMNED or says_failed(instance, view)):
        ec2 = _ec2_reason(instance, view)
        counts = when_condemned(instance, ec2, lacked=_lacked_capacity(ec2))
    return Steps(
        (*notes, *writes),
        instance.instance_id if _may_terminate(current, view, now) else None,
        words=words_of_ending(current, view),
        counts=counts,
    )


def warn(instance: Instance, until: datetime, now: datetime) -> Steps:
    """Steps for a spot warning: an idle instance is condemned and ended, a busy host is warned.

    The notice is the ISO 8601 time of the end: the host stops its job only as early as it must.
    """
    at = until.isoformat(timespec="seconds")
    text = f"{SPOT_TEXT} at {at}"
    match instance.state.traits.spot_warning:
        case SpotWarning.CONDEMNS:
            condemned = move_instance(instance, _S.CONDEMNED, now, text)
            write = condemnation(condemned, text)
            # A host that was never ready may be kept for a look: the next tick decides.
            doomed = instance.instance_id if instance.proven else None
            return Steps((write, NudgeProvision(text)), doomed)
        case SpotWarning.REACHES_HOST:
            row = instance.sandbox_row
            return Steps((WarnHost(row, at, text),) if row else ())
        case SpotWarning.NOTHING:
            return Steps(())


def _is_gone(instance: Instance, view: ReapView, now: datetime) -> bool:
    seen = view.seen.get(instance.instance_id or "")
    if seen is None and view.unanswered is not None:
        return False
    if seen is None:
        # EC2 omits terminated instances after about an hour, but also new ones at first, and a
        # single answer may omit an old instance that runs a job.
        return instance.unseen_since is not None and now - instance.unseen_since > DESCRIBE_LAG
    return seen.state == "terminated"


def _note_visibility(
    instance: Instance, view: ReapView, now: datetime
) -> tuple[Instance, tuple[ReapAction, ...]]:
    """The instance and the write that notes since when EC2 does not show it, or shows it again."""
    if view.unanswered is not None:
        return instance, ()
    unseen = instance.instance_id not in view.seen
    if unseen is (instance.unseen_since is not None):
        return instance, ()
    noted = replace(instance, unseen_since=now if unseen else None)
    reason = "EC2 does not show the instance" if unseen else "EC2 shows the instance again"
    return saved(noted), (WriteRecords((Save(noted),), reason),)


def _orphaned(view: ReapView, now: datetime) -> Iterator[WriteRecords]:
    """Finish claims that were recorded as running only after their instance was closed."""
    for slot, instance in view.ended.items():
        finished = lost(view.running[slot], instance, now)
        yield WriteRecords((Save(finished),), finished.reason)


def _close(instance: Instance, view: ReapView, now: datetime) -> Steps:
    """Close an ended instance: record, ledger and claim at once.

    Its mailbox rows are cleared before, or after its last words are kept if it owes some.
    """
    ec2 = _ec2_reason(instance, view)
    cause = _cause(instance, view, ec2 or "EC2 does not show it any more")
    explained = end_is_expected(instance)
    # The host may power off before any tick has read its report of the end: read it here.
    said = reported_end(instance, view)
    reason = instance.reason if explained else said or f"{BY_EC2}{cause}"
    reason = went_down(reason, ec2)
    owing = owes(instance, view)
    gone = replace(
        move_instance(instance, _S.TERMINATED, now, reason),
        ended_job=said if _ends_job(instance) else instance.ended_job,
        words_kept=not owing,
        owes_words=owing,
    )
    seen = view.seen.get(instance.instance_id or "")
    gone = ended(gone, seen.bought if seen else Bought(), view.prices)
    changes: list[Change] = [Save(gone), FreeSlots(instance.queue, 1)]
    lacked = _lacked_capacity(ec2)
    changes.extend(failed_boot(instance, gone, lost=lacked))
    ended_well = explained or (bool(said) and not says_failed(instance, view))
    counts = when_closed(instance, ec2, lacked=lacked, ended_well=ended_well)
    claim = view.running.get(instance.key)
    if told := of_refused_job(instance, said, view, now):
        changes.extend(told)
    elif claim is not None:
        is_over = instance.state is _S.DONE or (bool(said) and not says_failed(instance, view))
        changes.append(Save(_over(claim, reason, now) if is_over else lost(claim, gone, now)))
    closing = WriteRecords(tuple(changes), reason)
    if owing:
        words = words_of_closed(saved(gone), view)
        return Steps((closing,), closes=True, words=words, counts=counts)
    # Before the record is closed: ticks read no closed record without debt, so a crash would
    # leave the rows.
    clearing = ClearMailbox(instance, f"instance {instance.instance_id} is gone")
    return Steps((clearing, closing), closes=True, counts=counts)


def _over(claim: Claim, reason: str, now: datetime) -> Claim:
    """The claim of a job that ended with its agent, before its instance."""
    return move_claim(claim, ClaimState.FINISHED, now, f"the instance ended: {reason}")


def _advance(
    instance: Instance, view: ReapView, now: datetime
) -> tuple[Instance, list[ReapAction]]:
    """The instance after this tick's write, and the write: done, condemned, or no change."""
    if instance.state.traits.reaping is not Reaping.JUDGE:
        return instance, []
    said = reported_end(instance, view)
    if said and _ends_job(instance):
        done = replace(move_instance(instance, _S.DONE, now, said), ended_job=said)
        told = of_refused_job(instance, said, view, now)
        return saved(done), [WriteRecords((Save(done), *told), said)]
    reason = _condemnation(instance, said, view, now)
    if not reason and has_stopped(instance, view.seen.get(instance.instance_id or "")):
        why = "EC2 shows the instance stopped"
        stopped = move_instance(instance, _S.STOPPED, now, why)
        wake = NudgeProvision(f"instance {instance.instance_id} can be started")
        return saved(stopped), [WriteRecords((Save(stopped),), why), wake]
    if not reason:
        return instance, []
    condemned = move_instance(instance, _S.CONDEMNED, now, reason)
    lost = _lacked_capacity(_ec2_reason(instance, view))
    notes = failed_boot(instance, condemned, lost=lost)
    return saved(condemned), [condemnation(condemned, reason, *notes)]


def _ec2_reason(instance: Instance, view: ReapView) -> str:
    """EC2's reason for the end of an instance; empty where EC2 shows none."""
    seen = view.seen.get(instance.instance_id or "")
    return seen.reason if seen is not None else ""


def _lacked_capacity(reason: str) -> bool:
    """Whether EC2 ended an instance for lack of capacity, which says nothing of its image."""
    return reason.startswith(LACK_OF_CAPACITY)


def _cause(instance: Instance, view: ReapView, cause: str) -> str:
    """Why EC2 ended an instance: `cause`, and the failure that the console shows, if any."""
    said = consoles.failure(view.consoles.get(instance.instance_id or "", ""))
    if cause.startswith(_VOLUME_FAILED):
        cause = f"{cause} ({_KEY_HINT})"
    return f"{cause}; its console says: {said}" if said else cause


def _is_over(instance: Instance) -> bool:
    """Whether the instance has only to end."""
    match instance.state.traits.reaping:
        case Reaping.AWAIT_POWER_OFF | Reaping.TERMINATE:
            return True
        case Reaping.NONE | Reaping.JUDGE:
            return False


def _ends_job(instance: Instance) -> bool:
    """Whether a host's report of its end also ends the job."""
    return instance.state.traits.host_end is HostEnd.ENDS_JOB


def _condemnation(instance: Instance, said: str, view: ReapView, now: datetime) -> str:
    """Why to condemn an instance; empty when it may stay.

    A running job ends only by a time limit, or because its instance does not run any more.
    """
    traits = instance.state.traits
    report = view.reports.get(instance.sandbox_row or "")
    if traits.host_end is HostEnd.CONDEMNS and report is not None and report.phase is Phase.FAILED:
        return said
    seen = view.seen.get(instance.instance_id or "")
    if seen is not None and seen.state in GOING and traits.ending is Ending.CONDEMNS:
        cause = _cause(instance, view, seen.reason or "EC2 does not say why")
        return said or f"the instance is shutting down: {cause}"
    if done := from_outside(instance, seen):
        return done
    finished = view.finished.get(instance.key)
    if finished is not None and now - finished.since > AFTER_JOB:
        over = f"its job ended more than {_in_words(AFTER_JOB)} ago ({finished.reason})"
        return f"{over}, and the instance has neither reported nor ended"
    limit = _limit(instance, report)
    if limit is not None and now - instance.since > limit:
        limited = f"longer than {_in_words(limit)}{_note(instance)}"
        return f"the instance was {instance.state} for {limited}"
    return ""


def _limit(instance: Instance, report: Report | None) -> timedelta | None:
    state = instance.state
    if state.traits.awaits_acceptance and runs_agent(report):
        # The host reports a running agent, but Buildkite has not confirmed it: a running job must
        # not die for that. A host that reports falsely gets no more time than a job.
        state = _S.RUNNING
    limit = state.traits.deadline
    if limit is None:
        return None
    match state.traits.allowance:
        case Allowance.NONE:
            return limit
        case Allowance.BOOT:
            return timedelta(minutes=instance.boot_minutes)
        case Allowance.SCRIPT:
            return limit + timedelta(minutes=instance.pinned.script_minutes)
        case Allowance.JOB:
            return limit + timedelta(minutes=instance.max_minutes)


def _note(instance: Instance) -> str:
    """What to know of a limit: its parameter, or what did not come. Empty for other limits."""
    if instance.state.traits.allowance is Allowance.BOOT:
        return " (launch/boot-minutes)"
    if instance.state.traits.awaits_acceptance:
        return ", and its host has not reported that the agent runs"
    return ""


def _in_words(limit: timedelta) -> str:
    seconds = int(limit.total_seconds())
    return f"{seconds // 60} minutes" if seconds >= 60 else f"{seconds} seconds"


def _may_terminate(instance: Instance, view: ReapView, now: datetime) -> bool:
    """Whether to terminate the instance now. A host that was never ready may be kept for a look."""
    seen = view.seen.get(instance.instance_id or "")
    if seen is not None and seen.state in GOING:
        return False
    if instance.state.traits.reaping is Reaping.AWAIT_POWER_OFF:
        if view.unanswered is not None and instance.instance_id in view.told:
            return True  # EC2's answer to the termination tells whether the instance has ended.
        # The host usually powers itself off, and EC2 terminates the instance.
        return instance.state.traits.overstayed(now - instance.since)
    keep = view.keep_failed.get(instance.queue, timedelta(0))
    return instance.proven or instance.retired or now - instance.since >= keep


def _strays(view: ReapView, now: datetime) -> Iterator[ReapAction]:
    """Instances with the stack's tag and no record: terminated when seen twice, a minute apart.

    Too many strays are not terminated, but raise an alarm: the table may be a restored one.
    """
    if view.unanswered is not None:
        return
    living = {
        id_
        for id_ in view.unknown
        if view.seen[id_].state not in GOING and view.seen[id_].launch not in view.open_launches
    }
    for id_, stray in view.strays.items():
        if id_ not in living:
            yield WriteRecords(
                (Drop(stray),), f"stray {id_} has ended, or a record or open launch explains it"
            )
    if len(living) > max(RESTORED, len(view.seen) // 10):
        yield RaiseAlarm(
            Metric.STRAYS, f"{len(living)} instances without a record: none is terminated"
        )
        return
    for id_ in sorted(living - set(view.strays)):
        yield WriteRecords((Save(Stray(id_, now)),), f"{id_} has the stack's tag and no record")
    old = sorted(
        id_
        for id_ in living
        if id_ in view.strays and now - view.strays[id_].first_seen >= STRAY_AGE
    )
    if old:
        yield TerminateInstances(
            tuple(old), "the instances have the stack's tag and, twice, no record"
        )

"""Decides which instances are set up, which profiles to replace, and which proofs hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from mayfly.records.brakes import failed_boot, proven_boot
from mayfly.records.changes import Save
from mayfly.records.model import Instance, move_instance, saved
from mayfly.records.states import InstanceState, SetUp, instance_states
from mayfly.sandbox.actions import ReplaceProfile, SandboxAction
from mayfly.sandbox.started import foreign_profile, is_proof, is_sandboxed, of_this_boot
from mayfly.sandbox.view import SandboxView
from mayfly.tick.actions import NudgeProvision, NudgeReap, WriteRecords, condemnation
from mayfly_protocol.phases import Phase
from mayfly_protocol.report import Report

WATCHED = instance_states(lambda instance: instance.set_up is not SetUp.NONE)
"""The states that `sandbox` reads and moves on."""

PREPARED_IMAGE = timedelta(seconds=5)
"""How long after its first report a host may be set up at any moment: a prepared image is fast."""

_REPLACES = 2
_UNPROVEN = frozenset({SetUp.TO_BE_PROVEN, SetUp.TO_BE_PROVEN_AGAIN})
_REACHED = {Phase.BOOTING: 1, Phase.BOOTSTRAPPED: 2}


def decide(view: SandboxView, now: datetime) -> list[SandboxAction]:
    """Move every watched instance as far as reports and associations allow.

    An instance is ready only when three things hold at once: the row of the sandbox role id that
    its launch pinned names a boot; EC2 shows exactly one association, to the pinned sandbox
    profile; and that association is `associated`. An unknown fact changes nothing; `reap` ends
    an instance that overstays the deadline of its state. An instance that Mayfly started again is
    ready when the same holds for another boot than the proven one, which names the latest order.

    Order: what makes an instance ready, what else is only written, replacements of profiles, for
    which EC2 must be called; each the oldest instance first.
    """
    oldest_first = sorted(view.instances, key=lambda i: (i.created, i.key))
    steps = [list(_step(instance, view, now)) for instance in oldest_first]
    steps.sort(key=_rank)
    written = [action for each in steps if _rank(each) < _REPLACES for action in each]
    replaced = [action for each in steps if _rank(each) == _REPLACES for action in each]
    if any(_condemns(action) for action in written):
        written.append(NudgeReap("an instance was condemned before it was ready"))
        written.append(NudgeProvision("an instance was condemned before it was ready"))
    return [*written, *replaced]


def _rank(steps: Sequence[SandboxAction]) -> int:
    """The place of one instance's actions: lower ranks come first."""
    if any(isinstance(action, ReplaceProfile) for action in steps):
        return _REPLACES
    return 0 if any(_moves(action, InstanceState.READY) for action in steps) else 1


def wants_associations(instance: Instance, reports: Mapping[str, Report], *, wide: bool) -> bool:
    """Whether the next decision about an instance needs its associations from EC2.

    Before the host has written its proof, only a wide tick checks a replaced profile.
    """
    if instance.state.traits.set_up in _UNPROVEN:
        return wide or _may_be_proven(instance, reports)
    return _is_set_up(instance, reports)


def wants_ledger(instance: Instance, reports: Mapping[str, Report]) -> bool:
    """Whether an instance may be ready now: then it clears the failures of its shape."""
    return _may_be_proven(instance, reports)


def imminent(view: SandboxView, now: datetime) -> bool:
    """Whether to tick again within moments, because a profile is or will soon be replaced.

    Soon: the instance is set up, or has just booted, since prepared images are set up in seconds.
    """
    return any(
        instance.state.traits.set_up is SetUp.TO_BE_PROVEN
        or _may_be_proven(instance, view.reports)
        or _is_set_up(instance, view.reports)
        or _has_just_booted(instance, view.reports, now)
        for instance in view.instances
    )


def _has_just_booted(instance: Instance, reports: Mapping[str, Report], now: datetime) -> bool:
    match instance.state.traits.set_up:
        case SetUp.AWAITED:
            return (instance.bootstrap_row or "") in reports
        case SetUp.UNDER_WAY:
            return now - instance.since < PREPARED_IMAGE
        case SetUp.NONE | SetUp.COMPLETE | SetUp.TO_BE_PROVEN | SetUp.TO_BE_PROVEN_AGAIN:
            return False


def _may_be_proven(instance: Instance, reports: Mapping[str, Report]) -> bool:
    """Whether the host has written what may be the proof that the instance's state awaits."""
    match instance.state.traits.set_up:
        case SetUp.TO_BE_PROVEN:
            return instance.sandbox_row in reports
        case SetUp.TO_BE_PROVEN_AGAIN:
            return is_proof(instance, reports.get(instance.sandbox_row or ""))
        case SetUp.NONE | SetUp.AWAITED | SetUp.UNDER_WAY | SetUp.COMPLETE:
            return False


def _is_set_up(instance: Instance, reports: Mapping[str, Report]) -> bool:
    # The bootstrap row of a proven instance is ignored: whoever kept bootstrap credentials could
    # still write there.
    if instance.proven:
        return False
    report = reports.get(instance.bootstrap_row or "")
    reported = report is not None and report.phase is Phase.BOOTSTRAPPED
    return reported or instance.state.traits.set_up is SetUp.COMPLETE


def _step(instance: Instance, view: SandboxView, now: datetime) -> Iterator[SandboxAction]:
    failed = _failure(instance, view)
    if failed:
        yield _condemn(instance, now, failed)
        return
    moved = _follow_report(instance, view.reports.get(instance.bootstrap_row or ""), now)
    match moved.state.traits.set_up:
        case SetUp.COMPLETE:
            yield from _begin_replacement(moved, view, now)
        case SetUp.TO_BE_PROVEN:
            yield from _replace_or_prove(moved, view, now)
        case SetUp.TO_BE_PROVEN_AGAIN:
            yield from _prove_again(moved, view, now)
        case SetUp.AWAITED | SetUp.UNDER_WAY:
            if moved is not instance:
                yield WriteRecords(
                    (Save(moved),), f"host {moved.instance_id} reports {moved.state}"
                )
        case SetUp.NONE:
            pass
        case _:
            assert_never(moved.state.traits.set_up)


def _failure(instance: Instance, view: SandboxView) -> str:
    """Why the host reports a failure; empty when it reports none."""
    for row in instance.reporting_rows:
        report = view.reports.get(row)
        if instance.proven:
            report = of_this_boot(instance, report)
        if report is not None and report.phase is Phase.FAILED:
            return report.reason or "the host gave up without a reason"
    return ""


def _follow_report(instance: Instance, report: Report | None, now: datetime) -> Instance:
    """The instance in the state that its bootstrap row reports, which may skip a state.

    A report of an earlier phase moves nothing back.
    """
    reached = _REACHED.get(report.phase, 0) if report is not None else 0
    if instance.state.traits.set_up is SetUp.AWAITED and reached >= 1:
        instance = move_instance(instance, InstanceState.BOOTING, now, "the supervisor runs")
    if instance.state.traits.set_up is SetUp.UNDER_WAY and reached >= 2:
        instance = move_instance(instance, InstanceState.BOOTSTRAPPED, now, "set-up is done")
    return instance


def _begin_replacement(
    instance: Instance, view: SandboxView, now: datetime
) -> Iterator[SandboxAction]:
    """Save that the profile is about to be replaced, then replace it: record before effect."""
    swapping = move_instance(instance, InstanceState.SWAPPING, now, "the profile is being replaced")
    record = (Save(swapping),)
    rest = list(_replace_or_prove(saved(swapping), view, now))
    match rest:
        case [ReplaceProfile() as effect]:
            yield replace(effect, first=record)
        case _:
            yield WriteRecords(record, "set-up is done: the profile is to be replaced")
            yield from rest


def _replace_or_prove(
    instance: Instance, view: SandboxView, now: datetime
) -> Iterator[SandboxAction]:
    """Replace a bootstrap profile, accept a proven sandbox profile, condemn a foreign profile.

    Yields nothing while EC2 shows no association, several, or one that is not `associated`.
    """
    shown = view.associations.get(instance.instance_id or "")
    if not shown:
        return
    pinned = instance.pinned
    foreign = [
        a for a in shown if a.profile not in {pinned.bootstrap_profile, pinned.sandbox_profile}
    ]
    if foreign:
        yield _condemn(instance, now, f"EC2 shows a foreign profile: {foreign[0].profile}")
        return
    if len(shown) > 1:
        # Replace shows the old association as disassociating beside the new one for a moment.
        return
    only = shown[0]
    if only.profile == pinned.bootstrap_profile:
        if only.state == "associated":
            yield ReplaceProfile(instance, only.id, "EC2 still shows the bootstrap profile")
        return
    report = view.reports.get(instance.sandbox_row or "")
    if only.state == "associated" and report is not None and _is_proof(report):
        yield _ready(instance, report, view, now, "the host has proven its sandbox")


def _prove_again(instance: Instance, view: SandboxView, now: datetime) -> Iterator[SandboxAction]:
    """Accept the proof of a commanded boot, or condemn an instance with another profile.

    Yields nothing while EC2 shows no association or several, or while the proof is to come.
    """
    shown = view.associations.get(instance.instance_id or "")
    if not shown:
        return
    if foreign := foreign_profile(instance, shown):
        yield _condemn(instance, now, f"the instance was started, and EC2 shows {foreign}")
        return
    report = view.reports.get(instance.sandbox_row or "")
    if report is not None and is_proof(instance, report) and is_sandboxed(instance, shown):
        yield _ready(instance, report, view, now, "the host has proven its sandbox again")


def _ready(
    instance: Instance, report: Report, view: SandboxView, now: datetime, reason: str
) -> WriteRecords:
    ready = move_instance(instance, InstanceState.READY, now, reason)
    ready = replace(ready, boot=report.boot, proven=True)
    notes = proven_boot(ready, view.ledgers.get(ready.queue))
    return WriteRecords(
        (Save(ready), *notes), f"instance {instance.instance_id} is ready: proof and EC2 agree"
    )


def _is_proof(report: Report) -> bool:
    return report.phase is Phase.SANDBOXED and bool(report.boot)


def _condemns(action: SandboxAction) -> bool:
    return _moves(action, InstanceState.CONDEMNED)


def _moves(action: SandboxAction, state: InstanceState) -> bool:
    """Whether an action writes an instance in this state."""
    return isinstance(action, WriteRecords) and any(
        isinstance(change, Save)
        and isinstance(change.record, Instance)
        and change.record.state is state
        for change in action.changes
    )


def _condemn(instance: Instance, now: datetime, reason: str) -> WriteRecords:
    condemned = move_instance(instance, InstanceState.CONDEMNED, now, reason)
    notes = failed_boot(instance, condemned)
    return condemnation(condemned, reason, *notes)

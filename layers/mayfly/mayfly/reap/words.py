"""Decides of which hosts to keep last words, and which consoles a reason needs. Pure.

An instance is closed first and its words are kept later, because a console or a log that hangs
must not keep slots and claims. Until then its record says that it owes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from mayfly.reap.actions import ClearMailbox, KeepLastWords, Steps
from mayfly.reap.view import ReapView
from mayfly.records.changes import Save
from mayfly.records.model import Instance
from mayfly.records.states import Ending, InstanceState, Reaping
from mayfly.tick.actions import WriteRecords
from mayfly_protocol.phases import Phase

GOING = frozenset({"shutting-down", "terminated"})
"""EC2's states of an instance that is ending."""
_OVER = (InstanceState.CONDEMNED, InstanceState.TERMINATED)
SAMPLE = 8
"""Silent ends in one tick that wait for their console; further ones are closed without it."""
CONSOLE_TRIES = timedelta(minutes=10)
"""How long words wait for a console that EC2 does not give; afterwards they go without it."""
WORDS_LIFE = timedelta(hours=1)
"""How long a closed instance may owe words: EC2 drops consoles an hour after the end."""


def split_silent(view: ReapView) -> tuple[ReapView, ReapView]:
    """The view without, and the view with only, a sample of the instances that ended in silence.

    Only the reasons of the sample wait for consoles. Many silent ends at once have one cause.
    """
    silent = [each for each in view.instances if wants_console(each, view)][:SAMPLE]
    keys = {each.key for each in silent}
    others = tuple(each for each in view.instances if each.key not in keys)
    sample = replace(
        view,
        instances=tuple(silent),
        ended={},
        strays={},
        unknown=frozenset(),
        unreadable=frozenset(),
        owing=(),
    )
    return replace(view, instances=others), sample


def wants_console(instance: Instance, view: ReapView) -> bool:
    """Whether an instance is ending unexpectedly and no report says why, so read its console."""
    seen = view.seen.get(instance.instance_id or "")
    if seen is None or seen.state not in GOING or end_is_expected(instance):
        return False
    rows = (instance.sandbox_row, instance.bootstrap_row)
    said = {view.reports[row].phase for row in rows if row and row in view.reports}
    return not said & {Phase.FAILED, Phase.DONE}


def end_is_expected(instance: Instance) -> bool:
    """Whether the record's own reason explains the end of the instance."""
    return instance.state.traits.ending is Ending.EXPECTED


def owed(view: ReapView, now: datetime) -> Iterator[Steps]:
    """Keep the words that closed instances owe, oldest first; give them up after an hour."""
    for instance in sorted(view.owing, key=lambda each: (each.since, each.key)):
        if now - instance.since > WORDS_LIFE:
            reason = f"the last words of {instance.instance_id} could not be kept for an hour"
            forgiven = WriteRecords((Save(replace(instance, owes_words=False)),), reason)
            yield Steps((ClearMailbox(instance, reason), forgiven))
        else:
            yield Steps((), words=words_of_closed(instance, view))


def words_of_closed(gone: Instance, view: ReapView) -> KeepLastWords:
    """Keep the words of a closed instance, then clear its mailbox rows and its debt."""
    paid = replace(gone, words_kept=True, owes_words=False)
    return KeepLastWords(gone, _words(gone, view), gone.reason, (Save(paid),), clears=True)


def words_of_ending(instance: Instance, view: ReapView) -> KeepLastWords | None:
    """Keep the words of a failed host that is ending; None when they are kept or not needed."""
    if not owes(instance, view):
        return None
    then = (Save(replace(instance, words_kept=True)),)
    return KeepLastWords(instance, _words(instance, view), instance.reason, then)


def owes(instance: Instance, view: ReapView) -> bool:
    """Whether words are still to be kept. A host that ended in order has none."""
    return not instance.words_kept and _failed(instance, view)


def _failed(instance: Instance, view: ReapView) -> bool:
    report = view.reports.get(instance.sandbox_row or "")
    in_order = instance.state.traits.reaping is Reaping.AWAIT_POWER_OFF
    if in_order or instance.retired or (report is not None and report.phase is Phase.DONE):
        return False
    gave_up = report is not None and report.phase is Phase.FAILED
    # A boot from the stopped state that failed is as silent as a first one.
    steps = [step.state for step in instance.history if step.state not in _OVER]
    started = steps[-1:] == [InstanceState.STARTING]
    return gave_up or started or not instance.proven or instance.job is not None


def _words(instance: Instance, view: ReapView) -> str:
    rows = (instance.bootstrap_row, instance.sandbox_row)
    reports = [view.reports[row] for row in rows if row and row in view.reports]
    return "\n".join(r.words for r in reports if r.words)

"""Brakes: a shape whose boots fail is launched one at a time, ever more rarely. Pure.

A boot that fails is noted in the queue's ledger by the very write that takes its instance out of
supply, without a version, so that many ends at once do not race. `provision` counts the notes into
brakes in its next tick.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from mayfly.records.bounds import LONGEST_CAUSE, MOST_NOTES, cut, highest
from mayfly.records.changes import NoteBoot
from mayfly.records.idle_ends import IDLE, idle_end, with_idle_ends
from mayfly.records.ledger import Boot, Brake, Ledger
from mayfly.records.losses import LOST, with_losses
from mayfly.records.model import Instance, Shape
from mayfly.records.states import Supply

TRIP = 3
"""Boots of a shape that fail in a row until the brake is on."""
FIRST_TRIAL = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(minutes=30)
"""The pause between trials doubles up to this."""
KEEP = timedelta(hours=2)
"""How long failures count. Longer than the longest pause and the slowest boot together."""
ROUNDS = 10
"""As many rounds are kept as `job/attempts` may ask for."""
COUNT_AT_ONCE = 100
"""Notes that one save counts: an update's expression has at most 4 KB."""


def set_up(spec: str, boot_minutes: int) -> str:
    """Everything besides its shape that a boot depends on. A brake is for boots of equal set-up."""
    return f"{spec}/{boot_minutes}"


def failed_boot(before: Instance, after: Instance, *, lost: bool = False) -> tuple[NoteBoot, ...]:
    """The note for the write of `after`, where this write ends a boot; empty for other writes.

    A ready instance that ends soon, and a stopped instance that fails, get a note of `idle_ends`,
    which no brake counts. `lost`: EC2 took the instance back for lack of capacity, so the image is
    not to blame. Slots that EC2 did not fill had no boot. An instance that is retired because no
    job needs it gets no note.
    """
    traits = before.state.traits
    # A proven instance that Mayfly started again: its set-up is in order, so no brake counts it.
    ends = traits.supply is Supply.COMING and not traits.awaits_launch and not before.proven
    cause = cut(f"instance {after.instance_id}: {after.reason}", LONGEST_CAUSE)
    if not ends or after.state.traits.supply is not Supply.NONE:
        return () if lost else idle_end(before, after, cause)
    note = _boot(after, after.since, cause)
    return (NoteBoot(after.queue, replace(note, set_up=LOST) if lost else note),)


def proven_boot(ready: Instance, ledger: Ledger | None) -> tuple[NoteBoot, ...]:
    """The note for the write of a ready instance, which clears the failures of its shape.

    Empty where there are no failures, so that a boot in order costs no second row.
    """
    note = _boot(ready, ready.since, "")
    if ledger is None:
        return ()
    is_news = brake_of(ledger, ready.shape, note.set_up) or note.shape in ledger.losses
    return (NoteBoot(ready.queue, note),) if is_news else ()


def counted(ledger: Ledger, now: datetime) -> Ledger:
    """The ledger with its notes counted into its brakes, and without brakes that are outdated.

    The ledger itself where there is nothing to count. Of more than `MOST_SHAPES` brakes the ones
    with the latest failures are kept.
    """
    notes = ledger.boots[:COUNT_AT_ONCE]
    brakes = _counted(ledger.brakes, notes)
    fresh = {shape: brake for shape, brake in brakes.items() if now - brake.at < KEEP}
    brakes = highest(fresh, lambda shape: fresh[shape].at)
    if not notes and brakes == ledger.brakes:
        return ledger
    return replace(
        with_idle_ends(with_losses(ledger, notes, now), notes, now),
        brakes=brakes,
        boots=ledger.boots[len(notes) :],
        counted=ledger.counted + len(notes),
    )


def fewer_notes(notes: Iterable[Boot]) -> tuple[Boot, ...]:
    """At most half of `MOST_NOTES` notes that count into the same brakes as these notes.

    Failures of equal shape and set-up become one note with their number and the newest cause; a
    proven boot removes the notes before it. Failures that wait to be counted are of one round,
    because `provision` alone counts notes, and launches. Beyond the limit the notes of the shapes
    with the oldest ends are left out.
    """
    found: dict[tuple[str, str, bool], Boot] = {}
    for note in notes:
        failed = (note.shape, note.set_up, True)
        before = [found.pop(failed, None)]
        if not note.cause:
            before.append(found.pop((note.shape, note.set_up, False), None))
        found[note.shape, note.set_up, bool(note.cause)] = _joined(note, before)
    return tuple(found.values())[-(MOST_NOTES // 2) :]


def brake_of(ledger: Ledger, shape: Shape, set_up: str) -> Brake | None:
    """Failures in a row of a shape, uncounted notes included; None when there are none.

    Failures of another set-up are omitted: the operator has changed the cause since.
    """
    brake = _counted(ledger.brakes, ledger.boots).get(str(shape))
    return brake if brake is not None and brake.set_up == set_up else None


def is_on(brake: Brake | None) -> bool:
    """Whether a shape is braked: only trials are launched."""
    return brake is not None and brake.next_trial is not None


def rounds_since(brake: Brake | None, since: datetime) -> tuple[datetime, ...]:
    """Rounds of failed boots since this time: each was launched after the one before had failed."""
    return tuple(at for at in brake.rounds if at > since) if brake is not None else ()


def brakes_on(ledger: Ledger) -> Iterator[tuple[Shape, Brake]]:
    """Every shape that is braked, whatever its set-up."""
    for shape, brake in _counted(ledger.brakes, ledger.boots).items():
        if is_on(brake):
            yield Shape.parse(shape), brake


def _boot(instance: Instance, at: datetime, cause: str) -> Boot:
    return Boot(
        shape=str(instance.shape),
        set_up=set_up(instance.spec, instance.boot_minutes),
        launched=instance.created,
        at=at,
        cause=cause,
    )


def _joined(note: Boot, before: Iterable[Boot | None]) -> Boot:
    """A note that also stands for the notes before it."""
    older = [each for each in before if each is not None]
    return replace(
        note,
        at=max(each.at for each in (note, *older)),
        launched=max(each.launched for each in (note, *older)),
        times=note.times + sum(each.times for each in older if each.cause and note.cause),
    )


def _counted(brakes: Mapping[str, Brake], notes: tuple[Boot, ...]) -> Mapping[str, Brake]:
    after = dict(brakes)
    for note in notes:
        if note.set_up in {LOST, IDLE}:
            continue
        brake = after.get(note.shape)
        if brake is not None and brake.set_up != note.set_up:
            if note.launched <= brake.launched:
                continue  # an older set-up made this instance
            brake = None
        if note.cause:
            after[note.shape] = _failed(brake, note)
        else:
            after.pop(note.shape, None)
    return after


def _failed(brake: Brake | None, note: Boot) -> Brake:
    """The brake after one more note of failures.

    Many instances of one launch fail together: that is one round, and lengthens no pause.
    """
    if brake is None:
        brake = Brake(set_up=note.set_up, at=note.at, launched=note.launched)
    is_new_round = not brake.rounds or note.launched > brake.rounds[-1]
    after = replace(
        brake,
        failures=brake.failures + note.times,
        cause=note.cause,
        at=max(brake.at, note.at),
        launched=max(brake.launched, note.launched),
        rounds=(*brake.rounds, note.at)[-ROUNDS:] if is_new_round else brake.rounds,
    )
    if after.failures < TRIP or (brake.next_trial is not None and not is_new_round):
        return after
    pause = min(FIRST_TRIAL * 2 ** min(brake.trials, 10), LONGEST_PAUSE)
    return replace(after, trials=brake.trials + 1, next_trial=note.at + pause)

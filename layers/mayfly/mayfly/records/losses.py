"""Losses: EC2 takes instances back, for lack of capacity, before they are ready. Pure.

CreateFleet launched the instance, so a loss is no refusal of a launch; the image is not to blame,
so a loss is no failed boot either. Without a wait of its own, a shape would be launched and lost
without end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from mayfly.records.bounds import highest
from mayfly.records.ledger import Boot, Ledger, Losses
from mayfly.records.model import Shape

LOST = "taken back"
"""In place of a note's set-up: a loss depends on none."""
WAITS = (0, 5, 10, 20, 40, 60)
"""Seconds until the next launch of a shape, by rounds of losses in a row."""
SPOT_DRY = timedelta(minutes=3)
"""How long `spot-then-on-demand` buys on demand after spot had, or left, too few instances."""
_KEEP = timedelta(hours=2)
"""How long losses count."""
_SPOT = "Server.Spot"


def with_losses(ledger: Ledger, notes: Iterable[Boot], now: datetime) -> Ledger:
    """The ledger with the losses of these notes, without outdated ones and ones of proven shapes.

    Instances of one launch that are lost together are one round. After a loss of spot,
    `spot-then-on-demand` buys on demand at once; any other purchase waits ever longer.
    """
    losses = dict(ledger.losses)
    retry_at, dry = dict(ledger.retry_at), dict(ledger.spot_dry_until)
    for note in notes:
        if note.set_up == LOST:
            losses[note.shape] = lost = after_one_more(losses.get(note.shape), note)
            wait = timedelta(seconds=WAITS[min(lost.rounds, len(WAITS)) - 1])
            by_spot = _SPOT in note.cause
            if by_spot:
                dry[note.shape] = max(note.at + SPOT_DRY, dry.get(note.shape, note.at))
            if not by_spot or "spot-then" not in Shape.parse(note.shape).purchase:
                retry_at[note.shape] = max(note.at + wait, retry_at.get(note.shape, note.at))
        elif not note.cause:
            losses.pop(note.shape, None)
    return replace(
        ledger,
        losses=fresh(losses, now),
        retry_at=highest(retry_at, retry_at.__getitem__),
        spot_dry_until=highest(dry, dry.__getitem__),
    )


def after_one_more(losses: Losses | None, note: Boot) -> Losses:
    """The losses of a shape with one more, which this note is about."""
    if losses is None:
        return Losses(1, note.at, note.cause)
    rounds = losses.rounds + (note.launched > losses.at)
    return Losses(rounds, max(note.at, losses.at), note.cause)


def fresh(losses: Mapping[str, Losses], now: datetime) -> dict[str, Losses]:
    """The losses of the last two hours, of the shapes with the latest ones."""
    recent = {shape: lost for shape, lost in losses.items() if now - lost.at < _KEEP}
    return highest(recent, lambda shape: recent[shape].at)

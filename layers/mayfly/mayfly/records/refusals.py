"""EC2's refusals of launches, and for how long one tells of the present. Pure.

A full or braked queue launches nothing, so nothing renews what it knows of EC2's capacity.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from mayfly.records.ledger import Ledger, Losses
from mayfly.records.model import Shape

OLD_REFUSAL = timedelta(minutes=5)
"""How long after the end of its wait a refusal counts. A wanted launch comes at that end."""
OLD_LOSS = timedelta(minutes=10)
"""How long a loss counts: its wait, at most a minute, and the next boot until it is lost too."""


def misses_of(ledger: Ledger, shape: Shape | str, now: datetime) -> int:
    """Launches of a shape in a row for which EC2 had no instance; 0 when the last is long ago."""
    due = ledger.retry_at.get(str(shape))
    is_old = due is None or now - due >= OLD_REFUSAL
    return 0 if is_old else ledger.misses.get(str(shape), 0)


def losses_of(ledger: Ledger, shape: Shape, now: datetime) -> Losses | None:
    """Instances of a shape that EC2 took back in a row; None when the last is long ago."""
    lost = ledger.losses.get(str(shape))
    return lost if lost is not None and now - lost.at <= OLD_LOSS else None

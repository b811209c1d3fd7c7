"""What happens by chance in a run: a function of its seed alone, and so the same in each replay."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import blake2b
from struct import unpack

_WHOLE = float(1 << 64)
_QUARTER = float(1 << 32)


class Chance:
    """Draws by name. Equal seeds and names give equal draws, whatever else is drawn.

    So a run that leaves out one event meets all others as before, as far as it comes to them.
    """

    def __init__(
        self, seed: int, rates: Mapping[str, float], kept: Collection[str] | None = None
    ) -> None:
        """`rates` are probabilities by fault. With `kept`, only events of these names happen."""
        self._seed = seed
        self._rates = rates
        self._kept = None if kept is None else frozenset(kept)
        self.is_calm = False
        """Whether no fault happens any more."""
        self.happened: dict[str, None] = {}
        """The names of the events that happened, in order: what a shorter run may leave out."""

    def draw(self, name: str) -> float:
        """A number from 0 up to, but without, 1."""
        digest = blake2b(f"{self._seed}/{name}".encode(), digest_size=8).digest()
        return int.from_bytes(digest) / _WHOLE

    def draws(self, name: str) -> tuple[float, ...]:
        """Eight numbers from 0 up to, but without, 1: cheaper than eight names."""
        digest = blake2b(f"{self._seed}/{name}".encode(), digest_size=32).digest()
        return tuple(each / _QUARTER for each in unpack(">8I", digest))

    def strikes(self, fault: str, drawn: float, name: str) -> bool:
        """Whether the fault happens at the place of this name, by a number that was drawn."""
        if self.is_calm or drawn >= self._rates[fault]:
            return False
        return self.takes(f"{name}: {fault}")

    def between(self, low: float, high: float, name: str) -> float:
        """A number from `low` up to `high`."""
        return low + (high - low) * self.draw(name)

    def number(self, low: int, high: int, name: str) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + int(self.draw(name) * (high - low + 1))

    def one_of(self, values: Collection[str], name: str) -> str:
        """One of the values, which are not empty."""
        found = list(values)
        return found[int(self.draw(name) * len(found))]

    def happens(self, fault: str, name: str) -> bool:
        """Whether the fault happens at the place of this name."""
        if self.is_calm or not self._rates[fault]:
            return False
        return self.strikes(fault, self.draw(f"{fault} {name}"), name)

    def takes(self, event: str) -> bool:
        """Note an event that is to happen. False where a shorter run leaves it out."""
        if self._kept is not None and event not in self._kept:
            return False
        self.happened[event] = None
        return True

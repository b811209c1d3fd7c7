"""Stated network delays of calls to Buildkite and AWS; loopback has none."""

from __future__ import annotations

from dataclasses import dataclass, fields

from mayfly_lab.faults import FaultSyntaxError, parse_seconds

LONGEST = 60.0


class LatencySyntaxError(ValueError):
    """The text of a latency cannot be read; the message says what is allowed."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds of a round trip, added to every call."""

    buildkite: float = 0.0
    """Calls to Buildkite's APIs. Git has no added delay: its server is not Buildkite's."""
    aws: float = 0.0
    """Calls to AWS through the front door. IMDS has no added delay: the service is on the host."""

    @classmethod
    def parse(cls, text: str) -> Latency:
        """Parse delays such as `buildkite=100ms,aws=15ms`; a missing name means no delay.

        Raises:
            LatencySyntaxError: an unknown or repeated name, a number without its unit, or not a
                duration up to a minute.
        """
        known = [field.name for field in fields(cls)]
        given: dict[str, float] = {}
        for part in text.split(","):
            name, equals, value = part.strip().partition("=")
            if not equals or name not in known:
                raise LatencySyntaxError(f"{part.strip()!r} is not {' or '.join(known)}=DURATION")
            if name in given:
                raise LatencySyntaxError(f"{name} is given twice")
            if value[-1:].isdigit():
                raise LatencySyntaxError(f"{name}: {value} has no unit (try {value}ms)")
            try:
                given[name] = parse_seconds(value)
            except FaultSyntaxError as error:
                raise LatencySyntaxError(f"{name}: {error}") from None
            if given[name] > LONGEST:
                raise LatencySyntaxError(f"{name}: {value} is more than {LONGEST:.0f} s")
        return cls(**given)

    def __str__(self) -> str:
        """The text that `parse` reads, such as `buildkite=100ms,aws=15ms`."""
        return f"buildkite={self.buildkite * 1000:g}ms,aws={self.aws * 1000:g}ms"

"""Stated delays: what the way to Buildkite and to AWS takes, which loopback does not."""

from __future__ import annotations

from dataclasses import dataclass, fields

from mayfly_lab.faults import FaultSyntaxError, parse_seconds

LONGEST = 60.0


class LatencySyntaxError(ValueError):
    """Delays that cannot be read; the message says what is allowed."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds that every call takes on its way there and back, besides what the answer takes."""

    buildkite: float = 0.0
    """Calls to Buildkite's APIs; git is not Buildkite, and has none."""
    aws: float = 0.0
    """Calls to AWS through the front door. IMDS is on the host, and has none."""

    @classmethod
    def parse(cls, text: str) -> Latency:
        """The delays that are written `buildkite=100ms,aws=15ms`; one may be left out.

        Raises:
            LatencySyntaxError: another name, one that comes twice, or no duration up to a minute.
        """
        known = [field.name for field in fields(cls)]
        given: dict[str, float] = {}
        for part in text.split(","):
            name, equals, value = part.strip().partition("=")
            if not equals or name not in known:
                raise LatencySyntaxError(f"{part.strip()!r} is not {' or '.join(known)}=DURATION")
            if name in given:
                raise LatencySyntaxError(f"{name} is given twice")
            try:
                given[name] = parse_seconds(value)
            except FaultSyntaxError as error:
                raise LatencySyntaxError(f"{name}: {error}") from None
            if given[name] > LONGEST:
                raise LatencySyntaxError(f"{name}: {value} is more than {LONGEST:.0f} s")
        return cls(**given)

    def __str__(self) -> str:
        """As it is written, `buildkite=100ms,aws=15ms`."""
        return f"buildkite={self.buildkite * 1000:g}ms,aws={self.aws * 1000:g}ms"

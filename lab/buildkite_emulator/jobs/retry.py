"""`retry` and `soft_fail` of a command step, applied to the end of a job.

Source: buildkite/docs pages/pipelines/configure/retry.md and soft_fail.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

DEFAULT_LIMIT = 2
MAX_LIMIT = 10
NONE = "none"
"""The word in a rule for a job without a signal or signal reason."""


@dataclass(frozen=True, slots=True)
class RetryRule:
    """One rule of `retry.automatic`; None stands for `*`."""

    exit_statuses: frozenset[int] | None = None
    signals: frozenset[str] | None = None
    signal_reasons: frozenset[str] | None = None
    limit: int = DEFAULT_LIMIT

    def matches(self, exit_status: int, signal: str | None, signal_reason: str | None) -> bool:
        """True if all conditions of the rule match."""
        return (
            _status_matches(self.exit_statuses, exit_status)
            and (self.signals is None or plain_signal(signal or NONE) in self.signals)
            and (self.signal_reasons is None or (signal_reason or NONE) in self.signal_reasons)
        )


@dataclass(frozen=True, slots=True)
class ManualRetry:
    """`retry.manual` of a step."""

    allowed: bool = True
    permit_on_passed: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SoftFail:
    """`soft_fail` of a step; `exit_statuses` None stands for every status except 0."""

    given: bool = False
    exit_statuses: frozenset[int] | None = None

    def forgives(self, exit_status: int) -> bool:
        """True if a job with this exit status does not fail its build."""
        if not self.given or exit_status == 0:
            return False
        return self.exit_statuses is None or exit_status in self.exit_statuses


def plain_signal(name: str) -> str:
    """The signal's name for comparison with rules: lower case, without the SIG prefix."""
    return name.lower().removeprefix("sig")


def rule_to_apply(
    rules: Sequence[RetryRule],
    used: Mapping[int, int],
    exit_status: int,
    signal: str | None,
    signal_reason: str | None,
) -> int | None:
    """The index of the rule that retries this end of a job; None without one.

    The first matching rule decides, even after its limit is used up. Each rule has its own count.
    """
    for index, rule in enumerate(rules):
        if rule.matches(exit_status, signal, signal_reason):
            return index if used.get(index, 0) < rule.limit else None
    return None


def _status_matches(wanted: frozenset[int] | None, exit_status: int) -> bool:
    # "*" is documented as any value from 1 to 255: it excludes 0 and a lost agent's -1.
    return 1 <= exit_status <= 255 if wanted is None else exit_status in wanted

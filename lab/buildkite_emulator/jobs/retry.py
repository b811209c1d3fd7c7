"""Which ends of a job are forgiven or tried again: `retry` and `soft_fail` of a command step.

Source: buildkite/docs pages/pipelines/configure/retry.md and soft_fail.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

DEFAULT_LIMIT = 2
HIGHEST_LIMIT = 10
NONE = "none"
"""The word in a rule that matches a job without a signal or signal reason."""


@dataclass(frozen=True, slots=True)
class RetryRule:
    """One condition of `retry.automatic`; None stands for `*`."""

    exit_statuses: frozenset[int] | None = None
    signals: frozenset[str] | None = None
    signal_reasons: frozenset[str] | None = None
    limit: int = DEFAULT_LIMIT

    def matches(self, exit_status: int, signal: str | None, signal_reason: str | None) -> bool:
        """Whether all conditions of the rule hold."""
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
    """`soft_fail` of a step; `exit_statuses` None stands for every status but 0."""

    given: bool = False
    exit_statuses: frozenset[int] | None = None

    def forgives(self, exit_status: int) -> bool:
        """Whether a job that ended so does not fail its build."""
        if not self.given or exit_status == 0:
            return False
        return self.exit_statuses is None or exit_status in self.exit_statuses


def plain_signal(name: str) -> str:
    """A signal's name as rules compare it: case and the SIG prefix do not count."""
    return name.lower().removeprefix("sig")


def rule_to_apply(
    rules: Sequence[RetryRule],
    used: Mapping[int, int],
    exit_status: int,
    signal: str | None,
    signal_reason: str | None,
) -> int | None:
    """The index of the rule that retries this end of a job, or None.

    The first rule that matches decides, even when its limit is used up; each has its own count.
    """
    for index, rule in enumerate(rules):
        if rule.matches(exit_status, signal, signal_reason):
            return index if used.get(index, 0) < rule.limit else None
    return None


def _status_matches(wanted: frozenset[int] | None, exit_status: int) -> bool:
    # "*" is documented as any value between 1 and 255: neither 0, nor the -1 of a lost agent.
    return 1 <= exit_status <= 255 if wanted is None else exit_status in wanted

"""`retry` and `soft_fail` of a step.

Source: buildkite/docs pages/pipelines/configure/retry.md and soft_fail.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildkite_emulator.jobs.retry import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    ManualRetry,
    RetryRule,
    SoftFail,
    plain_signal,
)

from .reader import Reader
from .sections import Section

_EXIT_STATUSES = range(-1, 256)


def automatic(reader: Reader) -> tuple[RetryRule, ...]:
    """The rules of `retry.automatic`, in order."""
    retry = _retry(reader).get("automatic")
    if retry is None or retry is False:
        return ()
    entries = retry if isinstance(retry, list) else [Section() if retry is True else retry]
    return tuple(_rule(reader, entry) for entry in entries)


def _retry(reader: Reader) -> Mapping[str, Any]:
    retry = reader.raw("retry")
    if retry is None:
        return {}
    if not isinstance(retry, Section):
        raise reader.error("retry takes `automatic` and `manual`")
    reader.nested("retry", retry).refuse_unknown({"automatic", "manual"})
    return retry


def _rule(reader: Reader, entry: object) -> RetryRule:
    if not isinstance(entry, Section):
        raise reader.error("a rule of retry.automatic is a mapping")
    rule = reader.nested("retry.automatic", entry)
    rule.refuse_unknown({"exit_status", "signal", "signal_reason", "limit"})
    limit = rule.integer("limit", minimum=0)
    if limit is not None and limit > MAX_LIMIT:
        raise rule.error(f"limit must be at most {MAX_LIMIT}")
    signals = _words(rule, "signal")
    return RetryRule(
        exit_statuses=_statuses(rule, entry.get("exit_status", "*")),
        signals=None if signals is None else frozenset(map(plain_signal, signals)),
        signal_reasons=_words(rule, "signal_reason"),
        limit=DEFAULT_LIMIT if limit is None else limit,
    )


def _statuses(reader: Reader, value: object) -> frozenset[int] | None:
    if value == "*":
        return None
    numbers = value if isinstance(value, list) else [value]
    if not all(type(n) is int and n in _EXIT_STATUSES for n in numbers):
        raise reader.error('exit_status must be "*" or numbers from -1 to 255')
    return frozenset(numbers)


def _words(reader: Reader, name: str) -> frozenset[str] | None:
    value = reader.raw(name)
    if value is None or value == "*":
        return None
    words = value if isinstance(value, list) else [value]
    if not all(isinstance(word, str) for word in words):
        raise reader.error(f"{name} must be text or a list of texts")
    return frozenset(words)


def manual(reader: Reader) -> ManualRetry:
    """The step's rule for manual retries; allowed by default."""
    manual = _retry(reader).get("manual")
    if manual is None or isinstance(manual, bool):
        return ManualRetry(allowed=manual is not False)
    if not isinstance(manual, Section):
        raise reader.error("retry.manual must be true, false or a mapping")
    inner = reader.nested("retry.manual", manual)
    inner.refuse_unknown({"allowed", "permit_on_passed", "reason"})
    allowed = inner.flag("allowed") if inner.has("allowed") else True
    return ManualRetry(allowed, inner.flag("permit_on_passed"), inner.text("reason") or "")


def soft_fail(reader: Reader) -> SoftFail:
    """The exit statuses that do not fail the build."""
    value = reader.raw("soft_fail")
    if value is None or isinstance(value, bool):
        return SoftFail(given=bool(value))
    if not isinstance(value, list) or not all(isinstance(entry, Section) for entry in value):
        raise reader.error("soft_fail must be true, false or a list of `exit_status`")
    statuses = [_statuses(reader, entry.get("exit_status", "*")) for entry in value]
    if any(group is None for group in statuses):
        return SoftFail(given=True)
    return SoftFail(True, frozenset().union(*(group for group in statuses if group is not None)))

"""The attributes of a step that may be written in more than one way.

Source: buildkite/docs pages/pipelines/configure/{depends_on,retry,soft_fail}.md and
step_types/command_step.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .records import Dependency
from .retry import DEFAULT_LIMIT, HIGHEST_LIMIT, ManualRetry, RetryRule, SoftFail, plain_signal
from .yaml_source import Reader, Section

_EXIT_STATUSES = range(-1, 256)


def commands(reader: Reader) -> str:
    """The command, or the lines of several."""
    value = reader.raw("command", "commands")
    lines = value if isinstance(value, list) else [value]
    if not lines or not all(isinstance(line, str) for line in lines):
        raise reader.error("a command step needs `command` or `commands`")
    return "\n".join(lines)


def rules(reader: Reader, agents: object) -> tuple[str, ...]:
    """Agent query rules, `tag=value` each, from a mapping or a list."""
    if agents is None:
        return ()
    if isinstance(agents, Mapping):
        return tuple(f"{key}={_tag(reader, value)}" for key, value in agents.items())
    if isinstance(agents, list) and all(isinstance(rule, str) for rule in agents):
        return tuple(agents)
    raise reader.error("agents must be a mapping of tags to values, or a list of `tag=value`")


def _tag(reader: Reader, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise reader.error("the value of an agent tag must be text")


def skip(reader: Reader) -> bool:
    """Whether the step is left out; a reason counts as yes."""
    value = reader.raw("skip")
    if isinstance(value, str) and value not in {"true", "false"}:
        return bool(value)
    return reader.flag("skip")


def depends_on(reader: Reader) -> tuple[Dependency, ...] | None:
    """What the step waits for by name; None when the attribute is absent.

    Given but empty, it frees the step from the waits before it.
    """
    if not reader.has("depends_on"):
        return None
    value = reader.raw("depends_on")
    entries = value if isinstance(value, list) else [] if value is None else [value]
    return tuple(_dependency(reader, entry) for entry in entries)


def _dependency(reader: Reader, entry: object) -> Dependency:
    if isinstance(entry, str):
        return Dependency(entry)
    if isinstance(entry, Section):
        inner = Reader(entry, "depends_on")
        inner.only({"step", "allow_failure"})
        key = inner.text("step")
        if key:
            return Dependency(key, inner.flag("allow_failure"))
    raise reader.error("depends_on takes the keys of steps")


def automatic(reader: Reader) -> tuple[RetryRule, ...]:
    """The rules of `retry.automatic`, in their order."""
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
    Reader(retry, "retry").only({"automatic", "manual"})
    return retry


def _rule(reader: Reader, entry: object) -> RetryRule:
    if not isinstance(entry, Section):
        raise reader.error("a rule of retry.automatic is a mapping")
    rule = Reader(entry, "retry.automatic")
    rule.only({"exit_status", "signal", "signal_reason", "limit"})
    limit = rule.integer("limit", least=0)
    if limit is not None and limit > HIGHEST_LIMIT:
        raise rule.error(f"limit must be at most {HIGHEST_LIMIT}")
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
    if not all(isinstance(n, int) and n in _EXIT_STATUSES for n in numbers):
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
    """Whether people may retry the job."""
    manual = _retry(reader).get("manual")
    if manual is None or isinstance(manual, bool):
        return ManualRetry(allowed=manual is not False)
    if not isinstance(manual, Section):
        raise reader.error("retry.manual must be true, false or a mapping")
    inner = Reader(manual, "retry.manual")
    inner.only({"allowed", "permit_on_passed", "reason"})
    allowed = inner.flag("allowed") if inner.has("allowed") else True
    return ManualRetry(allowed, inner.flag("permit_on_passed"), inner.text("reason") or "")


def soft_fail(reader: Reader) -> SoftFail:
    """Which exit statuses do not fail the build."""
    value = reader.raw("soft_fail")
    if value is None or isinstance(value, bool):
        return SoftFail(given=bool(value))
    if not isinstance(value, list) or not all(isinstance(entry, Section) for entry in value):
        raise reader.error("soft_fail must be true, false or a list of `exit_status`")
    statuses = [_statuses(reader, entry.get("exit_status", "*")) for entry in value]
    if any(group is None for group in statuses):
        return SoftFail(given=True)
    return SoftFail(True, frozenset().union(*(group for group in statuses if group is not None)))

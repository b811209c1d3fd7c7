"""What each function is told by its environment: read once, all problems reported together."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar
from urllib.parse import urlsplit

from mayfly.errors import Misconfigured

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def _given(value: str) -> str:
    return "" if value else "is missing"


def _level(value: str) -> str:
    levels = ("DEBUG", "INFO", "WARNING", "ERROR")
    return "" if value in levels else f"must be one of {', '.join(levels)}"


def _account(value: str) -> str:
    return "" if re.fullmatch("[0-9]{12}", value) else "must be the 12 digits of an AWS account"


def _endpoint(value: str) -> str:
    """The agent token goes there with every call: never in the clear, but within one machine."""
    url = urlsplit(value)
    if url.scheme == "https" and url.hostname:
        return ""
    if url.scheme == "http" and url.hostname in _LOOPBACK:
        return ""
    return "must be an https URL, as https://agent.buildkite.com/v3"


def variable(name: str, problem: Callable[[str], str] = _given) -> Any:
    """A field that is read from this variable; `problem` says what is wrong with a value."""
    return field(metadata={"variable": name, "problem": problem})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What every function is told, and all that `provision` needs."""

    stack: str = variable("MAYFLY_STACK")
    fleet_table: str = variable("MAYFLY_FLEET_TABLE")
    region: str = variable("AWS_REGION")
    service: str = variable("POWERTOOLS_SERVICE_NAME")
    metrics_namespace: str = variable("POWERTOOLS_METRICS_NAMESPACE")
    log_level: str = variable("POWERTOOLS_LOG_LEVEL", _level)


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSettings(Settings):
    """What `sandbox` needs."""

    mailbox_table: str = variable("MAYFLY_MAILBOX_TABLE")
    nudge_queue_url: str = variable("MAYFLY_NUDGE_QUEUE_URL")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReapSettings(SandboxSettings):
    """What `reap` needs."""

    last_words_group: str = variable("MAYFLY_LAST_WORDS_GROUP")


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchSettings(SandboxSettings):
    """What `dispatch` needs."""

    account: str = variable("MAYFLY_ACCOUNT", _account)
    token_parameter: str = variable("MAYFLY_TOKEN_PARAMETER")
    buildkite_endpoint: str = variable("MAYFLY_BUILDKITE_ENDPOINT", _endpoint)


AnySettings = TypeVar("AnySettings", bound=Settings)


def read_settings(kind: type[AnySettings], environment: Mapping[str, str]) -> AnySettings:
    """The settings that an environment gives. Raises Misconfigured, naming every bad variable."""
    values = {
        each.name: environment.get(each.metadata["variable"], "").strip() for each in fields(kind)
    }
    problems = [
        f"{each.metadata['variable']} {problem}"
        for each in fields(kind)
        if (problem := each.metadata["problem"](values[each.name]))
    ]
    if problems:
        raise Misconfigured("environment: " + "; ".join(problems))
    return kind(**values)

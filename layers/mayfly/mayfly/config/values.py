"""Parsers for the text of each parameter; every parser raises ValueError for refused text.

The error has a message only where the parameter's own description does not explain the refusal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TypeVar

from mayfly.config.rules import Rule, parse_rules
from mayfly.config.schedule import Schedule
from mayfly.config.schedule_text import parse_schedule
from mayfly.config.tags import RESERVED_TAGS
from mayfly_protocol.parameters import ScriptPlace, keep_failed_minutes, script_place

Read = TypeVar("Read")

_TAG = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.:-]*)=([A-Za-z0-9][A-Za-z0-9_.:/@+-]*)")
_TYPE = re.compile(
    r"(?P<family>[a-z]+)(?P<generation>[0-9]+)(?P<options>[a-z]*)(-[a-z0-9]+)*"
    r"\.(nano|micro|small|medium|large|[0-9]*xlarge|metal(-[0-9]+xl)?)"
)
_LONGEST_TYPE = 40
"""Characters; EC2's longest name has 20. Names of shapes are in many records."""
_PATH = re.compile(r"(?:/[A-Za-z0-9_.-]+)*/\{pipeline\}(?:/[A-Za-z0-9_.-]+)*/repository")


def architecture_of(instance_type: str) -> str | None:
    """The architecture of an instance type, by its name; None for an unknown form and for Macs.

    A `g` among the letters after the generation stands for Graviton (EC2's page on the naming of
    instance types); `a1` is older than this rule. Macs cannot run these images.
    """
    found = _TYPE.fullmatch(instance_type)
    if found is None or found["family"] == "mac":
        return None
    graviton = "g" in found["options"] or found["family"] + found["generation"] == "a1"
    return "arm64" if graviton else "x86_64"


def count(low: int, high: int) -> Callable[[str], int]:
    """A parser of whole numbers from `low` to `high`, in plain digits."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,6}", text) or not low <= int(text) <= high:
            raise ValueError
        return int(text)

    return parse


def schedule(low: int, high: int) -> Callable[[str], Schedule]:
    """A parser of schedules with counts from `low` to `high`."""

    def parse(text: str) -> Schedule:
        return parse_schedule(text, low, high)

    return parse


def one_of(*words: str) -> Callable[[str], str]:
    """A parser of exactly these words."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError
        return text

    return parse


def hours(text: str) -> timedelta:
    """Hours, with up to two decimals."""
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,2})?", text) or not 0.1 <= float(text) <= 168:
        raise ValueError
    return timedelta(hours=float(text))


def stopped_hours(text: str) -> timedelta:
    """Whole hours, up to 90 days."""
    return timedelta(hours=count(1, 2160)(text))


def minutes(text: str) -> timedelta:
    """Whole minutes, up to a day."""
    return timedelta(minutes=_read(keep_failed_minutes, text))


def grace_minutes(text: str) -> timedelta:
    """Whole minutes, up to an hour."""
    return timedelta(minutes=count(0, 60)(text))


def boolean(text: str) -> bool:
    """The boolean value of `true` or `false`; other words, such as `yes` or `1`, are refused."""
    return one_of("true", "false")(text) == "true"


def word(text: str) -> str:
    """A word of letters, digits and `.:_-`, at most 64 of them."""
    if not re.fullmatch(r"[A-Za-z0-9.:_-]{1,64}", text):
        raise ValueError
    return text


def instance_types(text: str) -> tuple[str, ...]:
    """Names of instance types, in order and without duplicates; at most 20."""
    words = tuple(dict.fromkeys(re.split(r"[\s,]+", text)))
    for word in words:
        if architecture_of(word) is None or len(word) > _LONGEST_TYPE:
            raise ValueError(f"{word!r} is not the name of an instance type that Mayfly can use")
    if len(words) > 20:
        raise ValueError(f"{len(words)} names are given")
    return words


def agent_tags(text: str) -> Mapping[str, str]:
    """Agent tags by key. Tags that describe the instance are refused: Mayfly sets them."""
    tags: dict[str, str] = {}
    for word in re.split(r"[\s,]+", text):
        found = _TAG.fullmatch(word)
        if found is None:
            raise ValueError(f"{word!r} is not key=value")
        key, value = found.groups()
        if key in RESERVED_TAGS or key.startswith("aws:"):
            raise ValueError(f"{key} describes the instance, and Mayfly sets this tag itself")
        if key in tags:
            raise ValueError(f"{key} is given twice")
        tags[key] = value
    return tags


def script(text: str) -> ScriptPlace:
    """The bootstrap script's object, its time limit, and what pins it."""
    return _read(script_place, text)


def repository_path(text: str) -> str:
    """The path of the parameters that hold each pipeline's repository.

    The path must end in `/repository`, so the right to read these parameters opens no others.
    """
    if not _PATH.fullmatch(text):
        raise ValueError
    return text


def rules(named: tuple[str, str]) -> tuple[Rule, ...]:
    """Policy rules from a pair: the rule's name and the text of its parameter."""
    return parse_rules(*named)


def _read(parse: Callable[[str], Read], text: str) -> Read:
    """The value that the host's own parser reads. Raises ValueError without the parser's message.

    The parser's message is for the host's console; here the parameter's description explains.
    """
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError from error

"""YAML with line numbers, and typed reading of its attributes; errors name line and reason."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import yaml

_LONGEST_PLAIN = 6
"""Power of ten from which numbers are written with an exponent."""


class PipelineError(Exception):
    """The pipeline is invalid; the message says where and why."""

    def __init__(self, words: str, line: int | None = None, place: str = "") -> None:
        self.words = words
        """The reason in Buildkite's words."""
        self.reason = f"{place}: {words}" if place else words
        self.line = line
        super().__init__(self.reason if line is None else f"line {line}: {self.reason}")


class Section(dict[str, Any]):
    """A mapping of the file, with its first line; None for JSON, which has no lines."""

    line: int | None = None


class _Loader(yaml.SafeLoader):
    """A safe loader that constructs Sections for mappings."""


def _section(loader: _Loader, node: yaml.MappingNode) -> Section:
    _refuse_doubled_keys(node)
    content = loader.construct_mapping(node, deep=True)
    section = Section((str(key), value) for key, value in content.items())
    section.line = node.start_mark.line + 1
    return section


def _refuse_doubled_keys(node: yaml.MappingNode) -> None:
    # Go's yaml.v3 refuses duplicate keys; PyYAML would keep the last one.
    seen: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
            if key.value in seen:
                first = seen[key.value]
                raise PipelineError(
                    f'mapping key "{key.value}" already defined at line {first}', line
                )
            seen[key.value] = line


# Buildkite reads YAML with Go's yaml.v3, where `yes`, `no`, `on`, `off` and times of day stay text,
# and a date becomes a timestamp (observed with buildkite-agent 3.83.1).
_BOOL, _INT, _FLOAT = (f"tag:yaml.org,2002:{name}" for name in ("bool", "int", "float"))
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in {_BOOL, _INT, _FLOAT}]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag, _pattern, _first in (
    (_BOOL, r"true|True|TRUE|false|False|FALSE", "tTfF"),
    (_INT, r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]+|0|[1-9][0-9_]*)", "-+0123456789"),
    (
        _FLOAT,
        (
            r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9_]+)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
        ),
        "-+0123456789.",
    ),
):
    _Loader.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), list(_first))


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node)).replace("_", "")
    octal = re.fullmatch(r"([-+]?)0([0-7]+)", text)
    return int(f"{octal[1]}0o{octal[2]}" if octal else text, 0)


def _moment(loader: _Loader, node: yaml.ScalarNode) -> str:
    moment = loader.construct_yaml_timestamp(node)
    if not isinstance(moment, datetime):
        return f"{moment}T00:00:00Z"
    return moment.replace(tzinfo=moment.tzinfo or UTC).isoformat().replace("+00:00", "Z")


_Loader.add_constructor(_INT, _integer)
_Loader.add_constructor(_TIMESTAMP, _moment)
_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _section)


def read(text: str) -> object:
    """The content of a YAML text, with Sections for its mappings.

    Raises:
        PipelineError: the text is not valid YAML.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506  # a subclass of SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise PipelineError(str(error.problem), mark.line + 1 if mark else None) from None
    except yaml.YAMLError as error:
        raise PipelineError(str(error)) from None


def sections(content: Any) -> Any:
    """JSON content with Sections, without lines, for its mappings."""
    if isinstance(content, Mapping):
        return Section((str(key), sections(value)) for key, value in content.items())
    return [sections(entry) for entry in content] if isinstance(content, list) else content


class Reader:
    """Typed access to the attributes of one Section; names the section in errors."""

    def __init__(self, section: Section, what: str, line: int | None = None) -> None:
        self._section = section
        self._what = what
        self._line = section.line if section.line is not None else line

    @property
    def line(self) -> int | None:
        """The first line of the section; None for JSON."""
        return self._line

    def nested(self, what: str, section: Section) -> Reader:
        """A reader of a nested section."""
        return Reader(section, f"{self._what}: {what}", self._line)

    def error(self, reason: str) -> PipelineError:
        """An error about this section."""
        return PipelineError(reason, self.line, self._what)

    def refuse_unknown(self, known: Iterable[str], kind: str | None = None) -> None:
        """Refuse unknown attributes: ignoring them would look like support.

        Words of Buildkite, from saymedia/jobsworth pull request 7 and sourcegraph/
        sourcegraph-public-snapshot pull request 52275.

        Raises:
            PipelineError: the section has an attribute that is not in `known`.
        """
        for name in sorted(set(self._section) - set(known)):
            owner = f"on the `{kind}` step" if kind else f"of `{self._what.rsplit(': ', 1)[-1]}`"
            alike = difflib.get_close_matches(name, list(known), n=1, cutoff=0.8)
            hint = (
                f", perhaps you meant `{alike[0]}`?"
                if alike
                else ". Please check the documentation to get a full list of supported properties."
            )
            raise self.error(f"`{name}` is not a valid property {owner}{hint}")

    def has(self, name: str) -> bool:
        """True if the attribute is given, even as null."""
        return name in self._section

    def raw(self, *names: str) -> Any:
        """The value of the first given name; None if no name is given."""
        return next((self._section[name] for name in names if name in self._section), None)

    def text(self, *names: str) -> str | None:
        """The attribute as text, numbers included; None without it.

        Raises:
            PipelineError: the value is neither text nor a number.
        """
        value = self.raw(*names)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        raise self.error(f"{names[0]} must be text")

    def integer(self, name: str, *, minimum: int) -> int | None:
        """The attribute as an integer, also from a string of digits; None without it.

        Raises:
            PipelineError: the value is not an integer, or is below `minimum`.
        """
        value = self.raw(name)
        if value is None:
            return None
        if isinstance(value, str) and value.lstrip("-").isdigit():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise self.error(f"{name} must be a whole number, at least {minimum}")
        return value

    def flag(self, name: str) -> bool:
        """The attribute as a boolean; False without it.

        Raises:
            PipelineError: the value is not true or false.
        """
        value = self.raw(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        if value in ("true", "false"):
            return str(value) == "true"
        raise self.error(f"{name} must be true or false")

    def variables(self, name: str) -> dict[str, str]:
        """The attribute as environment variables; empty without it.

        Raises:
            PipelineError: the value is not a mapping, or one of its values is not a scalar.
        """
        value = self.raw(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise self.error(f"{name} must be a mapping of names to values")
        return {key: self._variable(name, key, content) for key, content in value.items()}

    def _variable(self, name: str, key: str, content: object) -> str:
        text = scalar_text(content)
        if text is None:
            raise self.error(f"{name}: the value of {key} must be text, a number or true/false")
        return text


def scalar_text(value: object) -> str | None:
    """A scalar as text in the agent's notation; None for lists and mappings.

    Observed with buildkite-agent 3.83.1: null is empty, and numbers are Go's: 1.10 is `1.1`, 1.0 is
    `1`, 1.5e10 is `1.5e+10`.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _decimal(value)
    return str(value) if isinstance(value, str | int) else None


def _decimal(value: float) -> str:
    if not math.isfinite(value):
        return {"inf": "+Inf", "-inf": "-Inf"}.get(str(value), "NaN")
    shortest = Decimal(repr(value)).normalize()
    if -4 <= shortest.adjusted() < _LONGEST_PLAIN:
        return f"{shortest:f}"
    mantissa, _, exponent = f"{shortest:e}".partition("e")
    return f"{mantissa}e{exponent[0]}{exponent[1:]:0>2}"

"""YAML that remembers its lines, and typed reading of it: an error names line and reason."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml


class PipelineError(Exception):
    """The pipeline cannot be read; says where and why."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason if line is None else f"line {line}: {reason}")
        self.reason = reason
        self.line = line


class Section(dict[str, Any]):
    """A mapping of the file, with the line it begins on."""

    line: int = 0


class _Loader(yaml.SafeLoader):
    """A safe loader whose mappings are Sections."""


def _section(loader: _Loader, node: yaml.MappingNode) -> Section:
    content = loader.construct_mapping(node, deep=True)
    section = Section((str(key), value) for key, value in content.items())
    section.line = node.start_mark.line + 1
    return section


# Buildkite reads YAML with Go's yaml.v3, where `yes`, `no`, `on`, `off` and dates stay text.
_BOOL, _TIMESTAMP = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in {_BOOL, _TIMESTAMP}]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    _BOOL, re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _section)


def read(text: str) -> object:
    """The file's content, with Sections for its mappings.

    Raises:
        PipelineError: it is not YAML.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506  # a subclass of SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise PipelineError(str(error.problem), mark.line + 1 if mark else None) from None
    except yaml.YAMLError as error:
        raise PipelineError(str(error)) from None


class Reader:
    """Typed access to the attributes of one Section."""

    def __init__(self, section: Section, what: str) -> None:
        self._section = section
        self._what = what

    @property
    def line(self) -> int:
        """Where the section begins."""
        return self._section.line

    def error(self, reason: str) -> PipelineError:
        """An error that is about this section."""
        return PipelineError(f"{self._what}: {reason}", self.line)

    def only(self, known: Iterable[str]) -> None:
        """Refuse attributes that nobody would read: silence would pass for support."""
        unknown = sorted(set(self._section) - set(known))
        if unknown:
            raise self.error(f"the lab does not support {', '.join(map(repr, unknown))}")

    def has(self, name: str) -> bool:
        """Whether the attribute is there at all, if only as null."""
        return name in self._section

    def raw(self, *names: str) -> Any:
        """The value under the first of these names that is given; None without one."""
        return next((self._section[name] for name in names if name in self._section), None)

    def text(self, *names: str) -> str | None:
        """A string; numbers are taken as they are written."""
        value = self.raw(*names)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        raise self.error(f"{names[0]} must be text")

    def integer(self, name: str, *, least: int) -> int | None:
        """A whole number, at least `least`."""
        value = self.raw(name)
        if value is None:
            return None
        if isinstance(value, str) and value.lstrip("-").isdigit():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise self.error(f"{name} must be a whole number, at least {least}")
        return value

    def flag(self, name: str) -> bool:
        """True or false; absent means false."""
        value = self.raw(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        if value in ("true", "false"):
            return str(value) == "true"
        raise self.error(f"{name} must be true or false")

    def variables(self, name: str) -> dict[str, str]:
        """A mapping of environment variables."""
        value = self.raw(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise self.error(f"{name} must be a mapping of names to values")
        return {key: self._variable(name, key, content) for key, content in value.items()}

    def _variable(self, name: str, key: str, content: object) -> str:
        if isinstance(content, bool):
            return "true" if content else "false"
        if isinstance(content, str | int | float):
            return str(content)
        raise self.error(f"{name}: the value of {key} must be text, a number or true/false")

"""Buildkite's YAML as sections with line numbers; every invalid text is a PipelineError."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import yaml

from .sections import MAX_DEPTH, PipelineError, Section, scalar_text, valid_text

MAX_NODES = 100_000
"""Values of a file with every alias written out: few anchors can stand for billions of values."""


class _Loader(yaml.SafeLoader):
    """A safe loader that constructs Sections, and bounds depth and size of what aliases unfold."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._open: list[int] = []
        self._sizes: dict[int, tuple[int, int]] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The next node, or an alias's node.

        Raises:
            PipelineError: a value contains itself, or the file is too deep or too large.
        """
        event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            target = self.anchors.get(event.anchor)
            if target is not None and id(target) not in self._sizes:
                raise PipelineError(f"anchor '{event.anchor}' value contains itself", line)
            return super().compose_node(parent, index)
        if len(self._open) >= MAX_DEPTH:
            raise PipelineError(f"the pipeline is nested deeper than {MAX_DEPTH} levels", line)
        self._open.append(line)
        node = super().compose_node(parent, index)
        self._open.pop()
        if node is not None:
            self._sizes[id(node)] = self._measured(node, line)
        return node

    def _measured(self, node: yaml.Node, line: int) -> tuple[int, int]:
        inner: list[yaml.Node] = []
        if isinstance(node, yaml.SequenceNode):
            inner = node.value
        elif isinstance(node, yaml.MappingNode):
            inner = [one for pair in node.value for one in pair]
        sizes = [self._sizes[id(one)] for one in inner]
        number = 1 + sum(number for number, _ in sizes)
        depth = 1 + max((depth for _, depth in sizes), default=0)
        if number > MAX_NODES or depth > MAX_DEPTH:
            raise PipelineError("document contains excessive aliasing", line)
        return number, depth

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """The node's value.

        Raises:
            PipelineError: the node's text does not fit its type, such as the date 2026-13-40.
        """
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, TypeError, OverflowError, AttributeError):
            kind = node.tag.rpartition(":")[2]
            shown = node.value if isinstance(node.value, str) else "a value"
            words = f"cannot read {shown[:40]!a} as {kind}"
            raise PipelineError(words, node.start_mark.line + 1) from None

    def construct_scalar(self, node: yaml.Node) -> Any:
        """The scalar's text."""
        text = super().construct_scalar(node)  # type: ignore[arg-type]
        return valid_text(text, node.start_mark.line + 1) if isinstance(text, str) else text


def _section(loader: _Loader, node: yaml.MappingNode) -> Section:
    _refuse_doubled_keys(node)
    content = loader.construct_mapping(node, deep=True)
    # After the construction: only then are the pairs of merge keys among the node's pairs.
    lines = [key.start_mark.line + 1 for key, _ in node.value]
    section = Section(line=node.start_mark.line + 1)
    keys = (loader.construct_object(key, deep=True) for key, _ in node.value)
    for key, line in zip(keys, lines, strict=True):
        name = scalar_text(key)
        if name is None:
            raise PipelineError("the key of a mapping must be text", line)
        section.put(name, content[key], line)
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


# Without `!!set`, `!!binary` and their like: no part of a pipeline has such a type.
_TYPES = {*(f"tag:yaml.org,2002:{name}" for name in ("null", "str", "seq")), _BOOL, _FLOAT, None}
_Loader.yaml_constructors = {
    tag: constructor
    for tag, constructor in yaml.SafeLoader.yaml_constructors.items()
    if tag in _TYPES
}
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
        raise PipelineError(" ".join(str(error).split())) from None

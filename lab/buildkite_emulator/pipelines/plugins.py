"""The plugins of a step, with full sources as Buildkite sends them to agents.

Source: buildkite/go-pipeline plugin.go for the sources; observed uploads of buildkite-agent 3.83.1.
Assumed: steps saved at Buildkite have the same form.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from .reader import Reader


def plugins(reader: Reader) -> tuple[Mapping[str, Any], ...]:
    """One mapping of source to configuration for each plugin, in order."""
    value = reader.raw("plugins", "plugin")
    if value is None:
        return ()
    if isinstance(value, Mapping):
        value = [{source: configuration} for source, configuration in value.items()]
    entries = value if isinstance(value, list) else [value]
    return tuple(_plugin(reader, entry) for entry in entries)


def full_source(source: str) -> str:
    """The full source: `github.com/buildkite-plugins/docker-buildkite-plugin#v1` for `docker#v1`.

    Paths, URLs and sources with more than two parts stay as they are.
    """
    if source.startswith(("/", ".", "\\")):
        return source
    try:
        url = urlsplit(source)
    except ValueError:  # a bracket as of an IPv6 address: no short name has any
        return source
    if url.scheme or "@" in source:
        return source
    parts = url.path.lstrip("/").split("/")
    owner = {1: "buildkite-plugins", 2: parts[0]}.get(len(parts))
    if owner is None:
        return source
    name = f"{parts[-1]}-buildkite-plugin" + (f"#{url.fragment}" if url.fragment else "")
    return posixpath.join("github.com", owner, name)


def _plugin(reader: Reader, entry: object) -> Mapping[str, Any]:
    if isinstance(entry, str):
        return {full_source(entry): None}
    if isinstance(entry, Mapping) and len(entry) == 1:
        [(source, configuration)] = entry.items()
        _check_json(reader, str(source), configuration)
        return {full_source(str(source)): configuration or None}
    raise reader.error("a plugin is its source, or a mapping of its source to its configuration")


def _check_json(reader: Reader, source: str, configuration: object) -> None:
    # Agents get the configuration as JSON, which has neither infinity nor `.nan`.
    try:
        json.dumps(configuration, allow_nan=False)
    except ValueError:
        raise reader.error(
            f"the configuration of plugin {source} has a number beyond JSON"
        ) from None

"""Agent tags that describe the instance: Mayfly sets these tags, and jobs ask for them."""

from __future__ import annotations

from collections.abc import Mapping

ARCHITECTURE_NAMES: Mapping[str, str] = {
    "x86_64": "x86_64",
    "amd64": "x86_64",
    "arm64": "arm64",
    "aarch64": "arm64",
}
"""Mayfly's name of an architecture, by every name that pipelines use."""

ARCHITECTURE_KEYS = frozenset({"arch", "architecture"})
TYPE_KEYS = frozenset({"instance-type", "aws:instance-type"})
RESERVED_TAGS = frozenset({"queue"}) | ARCHITECTURE_KEYS | TYPE_KEYS
"""Tags that operators cannot set."""

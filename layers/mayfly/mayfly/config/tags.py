"""Agent tags that say what an instance is: Mayfly gives them itself, and jobs ask for them."""

from __future__ import annotations

from collections.abc import Mapping

ARCHITECTURE_NAMES: Mapping[str, str] = {
    "x86_64": "x86_64",
    "amd64": "x86_64",
    "arm64": "arm64",
    "aarch64": "arm64",
}
"""Every name that pipelines use for an architecture, and ours."""

ARCHITECTURE_KEYS = frozenset({"arch", "architecture"})
TYPE_KEYS = frozenset({"instance-type", "aws:instance-type"})
RESERVED_TAGS = frozenset({"queue"}) | ARCHITECTURE_KEYS | TYPE_KEYS
"""Tags that an operator cannot set."""

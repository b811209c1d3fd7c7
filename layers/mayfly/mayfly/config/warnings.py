"""What an operator should change in a configuration that is in force."""

from __future__ import annotations

from collections.abc import Iterator

from mayfly.config.parameters import DESCRIPTIONS
from mayfly.config.problem import Problem, printable
from mayfly.config.queue import QueueConfig

UNPINNED = (
    "names no version= and no sha256=, so whoever can write this object runs code as root with the "
    'bootstrap role at the next boot; see "Pin the script" in docs/operating.md'
)


def warnings(config: QueueConfig) -> Iterator[Problem]:
    """Every warning, each as a problem of the parameter that should change."""
    if config.script is not None and not config.script.pinned:
        yield Problem(DESCRIPTIONS["script"].name, printable(config.script.url), UNPINNED)

"""Generates docs/tool.md's block: the help of each command for every day."""

from __future__ import annotations

import contextlib
import io

from mayfly_cli.main import DAILY, run_command


def helps() -> str:
    """The help text of each command, under a heading of its own."""
    parts = []
    for command in DAILY:
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            run_command([str(command.name), "--help"])
        parts.append(f"### {command.name}\n\n```\n{shown.getvalue().strip()}\n```")
    return "\n\n".join(parts)

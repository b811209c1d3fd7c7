"""The end of a help text: examples, and exit statuses."""

from __future__ import annotations

import textwrap


def examples(*lines: str, ends: str) -> str:
    """Examples to paste, and what the exit status says."""
    shown = "\n".join(f"  {line}" for line in lines)
    said = textwrap.fill(f"Exit status: {ends}, 2 the command could not ask.", 78)
    return f"Examples:\n{shown}\n\n{said}"

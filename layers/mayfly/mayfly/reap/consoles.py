"""Reads why a host ended from its console, for hosts that could not write a report.

Examples: the mailbox refuses the host, or its bundle is not the published one. The text is shown
to people and decides nothing, because a job that runs as root can write to the console.
"""

from __future__ import annotations

import re

_SUPERVISOR = re.compile(r"^mayfly \S+ FAILED(?: at)?: (.+)$", re.MULTILINE)
_USER_DATA = re.compile(r"^mayfly: user data: (?!fetching )(.+)$", re.MULTILINE)
_LONGEST = 400


def failure(console: str) -> str:
    """Why the host switched itself off, at most 400 characters; empty when the console is silent.

    The supervisor's last FAILED line, else all lines of user data but those about fetching.
    """
    console = console.replace("\r\n", "\n")
    supervisor = _SUPERVISOR.findall(console)
    said = supervisor[-1] if supervisor else "; ".join(_USER_DATA.findall(console))
    return str(said)[:_LONGEST]

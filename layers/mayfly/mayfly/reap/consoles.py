"""What the console of a host says of its end, where the host could not report it.

A host whose mailbox refuses it, or whose bundle is not the published one, has no other voice. What
is read here is shown to people and decides nothing: a job that is root can write to its console.
"""

from __future__ import annotations

import re

_SUPERVISOR = re.compile(r"^mayfly \S+ FAILED(?: at)?: (.+)$", re.MULTILINE)
_USER_DATA = re.compile(r"^mayfly: user data: (?!fetching )(.+)$", re.MULTILINE)
_LONGEST = 400


def failure(console: str) -> str:
    """Why the host switched itself off, in its own words; empty when it does not say."""
    console = console.replace("\r\n", "\n")
    supervisor = _SUPERVISOR.findall(console)
    said = supervisor[-1] if supervisor else "; ".join(_USER_DATA.findall(console))
    return str(said)[:_LONGEST]

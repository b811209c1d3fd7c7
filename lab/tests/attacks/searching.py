"""Searches of machines for secrets, and the secrets that machines were given."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from mayfly_lab.aws.front.call import Kind
from mayfly_lab.contracts import Keys
from stories.stage import Stage

ANY_KEY = "ASIA[A-Z0-9]{16}"
"""The id of an access key of a role."""
_PROGRAMS = Path(__file__).parent / "programs"


def program(name: str) -> str:
    """Bash that runs one of the programs for machines."""
    return f"python3 -c {shlex.quote((_PROGRAMS / f'{name}.py').read_text('utf-8'))}"


def search(place: str, pattern: str = "") -> str:
    """Bash that searches the machine; without a pattern for the lines of standard input."""
    return f"{program('search')} {place} {shlex.quote(pattern) if pattern else ''}"


def found(output: str) -> set[str]:
    """The digests of what a search has found."""
    assert re.search(r"^searched [1-9]", output, re.MULTILINE), output
    return set(re.findall(r"^found ([0-9a-f]{64})", output, re.MULTILINE))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def keys_of(stage: Stage, instance_id: str, kind: Kind) -> Sequence[Keys]:
    """All credentials of a role that an instance has ever been given."""
    holders = stage.lab.aws.credentials._holders.values()
    return [
        each.keys
        for each in holders
        if each.principal.kind is kind and each.principal.name == instance_id
    ]

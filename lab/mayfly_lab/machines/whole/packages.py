"""The programs that whole machines need of this system, and Debian's packages of them."""

from __future__ import annotations

from collections.abc import Mapping

from mayfly_lab.machines.whole.commands import Commands


def missing(programs: Mapping[str, str], commands: Commands) -> str:
    """Those of the programs that are missing, with their packages, in words; empty if none is."""
    lacking = commands.lacking(tuple(programs))
    if not lacking:
        return ""
    return "missing: " + ", ".join(f"{each} (package {programs[each]})" for each in lacking)

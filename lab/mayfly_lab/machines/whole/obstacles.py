"""What of this system stands against whole machines, in words for a person."""

from __future__ import annotations

from collections.abc import Mapping

from mayfly_lab.machines.whole.commands import Commands


def missing(programs: Mapping[str, str], commands: Commands) -> str:
    """Those of the programs that are missing, with their packages; empty if none is."""
    lacking = commands.lacking(tuple(programs))
    if not lacking:
        return ""
    return "missing: " + ", ".join(f"{each} (package {programs[each]})" for each in lacking)


def no_rights(commands: Commands) -> str:
    """Why this user may not make what machines are made of; empty if the user may."""
    if not commands.is_root():
        return "whole machines need root"
    if reason := missing({"setpriv": "util-linux", "unshare": "util-linux"}, commands):
        return reason
    if not commands.may_build():
        return "root may not make namespaces, mounts and device files here, as in most containers"
    return ""

"""Links to Mayfly's own hooks: a hook costs each job a part of a second, so most jobs have none."""

from __future__ import annotations

from mayfly_instance.machine import Machine


def link(machine: Machine, name: str, script: str) -> None:
    """Let the agent run `script`, a file beside this name, as its hook of this name.

    An operator's hook in Mayfly's hooks path gets the name under which the script runs it
    afterwards; agents with `additional-hooks-paths` find it by themselves. Raises OSError.
    """
    hook = machine.places.hooks / name
    own = machine.places.hooks / script
    if hook.is_symlink() and hook.readlink() != own:
        machine.link(hook.with_name(f"{name}.operator"), hook.readlink())
    machine.link(hook, own)

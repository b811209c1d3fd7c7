"""Commands on a running machine from outside: as root and as the job's user."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from mayfly_lab.machines.ground import Ground
from mayfly_lab.machines.whole.leader import leader
from mayfly_lab.machines.whole.plan import PATH
from stories.stage import Stage

JOB_USER = "mayfly-job"
_PATIENCE = 180.0
"""Seconds: a search of a whole disk takes a few, and many where all cores are busy."""


@dataclass(frozen=True, slots=True)
class Done:
    """A command's exit status and output, standard error included."""

    exit: int
    output: str


def run(
    stage: Stage, instance_id: str, command: str, *, stdin: str = "", seconds: float = _PATIENCE
) -> Done:
    """Run a command in Bash as root, in all namespaces of a machine; not in its scopes."""
    done = subprocess.run(
        (*enter(stage, instance_id), "bash", "-c", command),
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=seconds,
        check=False,
    )
    return Done(done.returncode, done.stdout.strip())


def let_go(stage: Stage, instance_id: str) -> None:
    """Let a job's command that waits for `/tmp/go` go on; `whole.steps.HOLD` is such a command."""
    assert run(stage, instance_id, "touch /tmp/go").exit == 0


def enter(stage: Stage, instance_id: str) -> tuple[str, ...]:
    """The words in front of a command that runs as root on a machine, with an empty environment."""
    init = stage.lab.room.init(instance_id)
    assert init is not None, f"{instance_id} is off"
    first = init if isinstance(stage.lab.ground, Ground) else leader(init)
    inside = ("nsenter", f"--target={first}", "--all", "--wdns=/", "--")
    # nsenter takes the caller's ids along, which are nobody's in a machine's user namespace.
    as_root = ("setpriv", "--reuid=0", "--regid=0", "--clear-groups", "--")
    return (*inside, *as_root, "env", "-i", f"PATH={PATH}", "LANG=C.UTF-8", "HOME=/root")

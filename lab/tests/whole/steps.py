"""A job's command that goes on when the scenario says so."""

from __future__ import annotations

from whole.machines import WholeStage

HOLD = "echo up; until [ -e /tmp/go ]; do sleep 0.1; done"
"""Writes output, then waits for `let_go`."""


def let_go(stage: WholeStage, instance_id: str) -> None:
    """Let the command behind `HOLD` go on, on a running machine in a container."""
    done = stage.shell(instance_id, "touch /tmp/go")
    assert done.returncode == 0, done.stderr

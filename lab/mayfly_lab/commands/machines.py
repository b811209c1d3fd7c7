"""Chooses what a lab's machines run in."""

from __future__ import annotations

from mayfly.errors import Misconfigured, Transient
from mayfly_cli.ends import BrokenError, UsageError
from mayfly_lab.machines.ground import Ground
from mayfly_lab.machines.survey import survey
from mayfly_lab.machines.whole.ground import WholeGround, whole_ground
from mayfly_lab.machines.whole.kinds import Kind


def chosen_ground(machines: tuple[Kind, str] | None) -> tuple[Ground | WholeGround, str]:
    """The ground of the option `--machines`, and why its machines have no namespaces, if so.

    Raises:
        UsageError: this host cannot run whole machines.
        BrokenError: the image of whole machines could not be made.
    """
    if machines is None:
        found = survey()
        return found.ground, found.reason
    try:
        return whole_ground(*machines), ""
    except Misconfigured as error:
        raise UsageError(f"--machines: {error}") from error
    except Transient as error:
        raise BrokenError(f"--machines: {error}") from error

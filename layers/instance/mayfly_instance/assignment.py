"""The assignment, with HostFailure for one that this host must refuse."""

from __future__ import annotations

from mayfly_instance.failure import HostFailure
from mayfly_protocol import assignment
from mayfly_protocol.assignment import Assignment


def parse(found: object, boot: str, queue: str) -> Assignment:
    """The assignment for this boot and queue. Raises HostFailure, without secrets."""
    try:
        return assignment.parse(found, boot, queue)
    except ValueError as error:
        raise HostFailure(str(error)) from error

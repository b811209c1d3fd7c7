"""Builds: creation, the effects of a job's end on other jobs, and the build's own state."""

from .blocks import unblock
from .cancelling import cancel, cancel_job
from .conclusion import state
from .creation import BuildRequest, create, rebuild
from .progress import advance, conclude, retry_by_hand
from .uploads import upload

__all__ = [
    "BuildRequest",
    "advance",
    "cancel",
    "cancel_job",
    "conclude",
    "create",
    "rebuild",
    "retry_by_hand",
    "state",
    "unblock",
    "upload",
]

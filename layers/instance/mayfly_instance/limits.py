"""Time limits and intervals of the host, in seconds."""

from __future__ import annotations

from dataclasses import dataclass

from mayfly_protocol.grace import DELIVERY
from mayfly_protocol.parameters import SCRIPT_MINUTES


@dataclass(frozen=True)
class Limits:
    """Deadlines, a little before the control plane's: the host can still report the reason."""

    set_up: float = 9 * 60
    """Set-up without the operator's script, which has its own limit."""
    script: float = SCRIPT_MINUTES * 60
    """The operator's script, if its parameter names no minutes."""
    daemons: float = 10
    """Time for daemons of the image to end after user data killed them."""
    stragglers: float = 5
    """Time for the script's processes to end after its scope was killed."""
    gate: float = 5 * 60
    """From `bootstrapped` until IMDS serves the sandbox profile alone."""
    gate_interval: float = 0.1
    gate_streak: int = 3
    """Number of proofs in a row, each over fresh connections."""
    gate_again: float = 10
    """Limit of the second gate, after the assignment; one proof is enough there."""
    poll: float = 0.1
    """Between two reads of the mailbox without a job: a job waits half of this on average."""
    silence: float = 5 * 60
    """Limit for an unreachable or refused mailbox while there is no job."""
    idle: float = 7 * 24 * 3600
    """A backstop: the control plane enforces pool/max-idle-hours."""
    notices: float = 5
    """Between two checks for a spot interruption notice, as AWS recommends, and of the metadata
    rules."""
    uncertain: float = 60
    """Limit for a machine on which the metadata rules cannot be checked."""
    spot_delivery: float = DELIVERY
    """Time before a spot interruption to deliver log and report, after the job's grace period."""
    delivery: float = 25 * 60
    """Time for an agent to deliver the log after its command's end, through an outage."""
    throttled: float = 30
    """Limit for one call to AWS for a job's secrets. Hosts share 40 reads of parameters a second
    with their whole account and region (AWS general reference, Systems Manager quotas)."""
    secrets: float = 90
    """Limit for all reads of a job's secrets together."""
    role: float = 10
    """Limit for the last answer of STS about the job's role, after `throttled`."""
    ssh: float = 10
    """From the start of an ssh agent until it takes connections, and for each key."""
    docker: float = 60
    """From the start of a Docker daemon until it takes connections."""
    watch: float = 0.05
    """Between two checks of a running program."""
    shutdown: float = 5
    """Time for an agent to end, after the job's grace period, when the machine is shutting down.

    TimeoutStopSec of the job's scope must be longer than both; that of the supervisor's unit must
    leave `last_report` and the console's last words besides.
    """
    last_report: float = 15
    """Limit for the last report; the host powers off with or without it."""

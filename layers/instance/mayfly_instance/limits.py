"""How long the host lets anything take. All in seconds."""

from __future__ import annotations

from dataclasses import dataclass

from mayfly_protocol.parameters import SCRIPT_MINUTES


@dataclass(frozen=True)
class Limits:
    """The host's own deadlines, a little before the control plane's, so that it hears why."""

    set_up: float = 9 * 60
    """Set-up without the operator's script, which has a limit of its own."""
    script: float = SCRIPT_MINUTES * 60
    """The operator's script, unless its parameter says otherwise."""
    stragglers: float = 5
    """How long what the script started may take to end once its scope is killed."""
    gate: float = 5 * 60
    """From `bootstrapped` until IMDS serves the sandbox profile alone."""
    gate_interval: float = 0.1
    gate_streak: int = 3
    """Proofs in a row, each over fresh connections."""
    gate_again: float = 10
    """The gate's time after an assignment was read; one proof is enough then."""
    poll: float = 0.1
    """Between two looks into the mailbox while there is no job: a job waits for half of it."""
    silence: float = 5 * 60
    """Without a job: how long the mailbox may be gone or refused."""
    idle: float = 7 * 24 * 3600
    """A backstop: pool/max-idle-hours is the control plane's to keep."""
    notices: float = 5
    """Between two looks for a spot interruption notice, as AWS advises."""
    spot_margin: float = 30
    """How long before a spot interruption the job is stopped, so that its end is still told."""
    delivery: float = 25 * 60
    """What an agent may need after its command's end to deliver the log through an outage."""
    watch: float = 0.05
    """Between two looks at a running program."""
    shutdown: float = 20
    """What an agent gets after SIGQUIT when the machine itself goes down."""
    last_report: float = 15
    """For the last report of a host that powers off in any case."""

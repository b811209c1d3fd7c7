"""Turns a command's options into the choices of a lab."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mayfly.answers import Parameter
from mayfly.config.infra import Infra
from mayfly.config.read import read_queue
from mayfly_cli.ends import UsageError
from mayfly_lab.aws.config import Delays
from mayfly_lab.commands import options
from mayfly_lab.commands.chosen import World
from mayfly_lab.commands.fault_options import check_queues
from mayfly_lab.lab import SCRIPTS, LabChoices

DELAYS = Delays(imds_linger=1.0, spot_warning=30.0)
"""Shorter than the defaults: a spot warning of two minutes is a long wait on a laptop."""
_ROLE_ID = "AROA" + "A" * 17


def choices(chosen: World, queues: Sequence[str]) -> LabChoices:
    """Choices of the lab that `chosen` describes, with these queues.

    Raises:
        UsageError: the agent is not a program; a parameter or a fault names an unknown queue; a
            parameter's value is not allowed.
    """
    check_queues(chosen.faults, queues)
    return LabChoices(
        queues=queues,
        agent=options.agent(chosen.agent),
        delays=DELAYS,
        parameters=parameters(chosen, queues),
        latency=chosen.latency,
        faults=chosen.faults,
    )


def parameters(chosen: World, queues: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
    """Parameters to write before the first tick: queue to name to value.

    Raises:
        UsageError: a parameter names an unknown queue, or Mayfly would refuse its value.
    """
    found: dict[str, dict[str, str]] = {
        queue: {"pool/hot": str(chosen.hot)} if chosen.hot else {} for queue in queues
    }
    for queue, name, value in chosen.parameters:
        if queue not in found:
            raise UsageError(
                f"--parameter: unknown queue {queue!r}; the lab has {', '.join(queues)}, and"
                " --queue adds another"
            )
        found[queue][name] = value
    for queue, given in found.items():
        written = {name: Parameter(value, version=1) for name, value in given.items()}
        _, problems = read_queue(queue, _infra(queue), written)
        if problems:
            raise UsageError(f"--parameter: {queue}/{problems[0]}")
    return found


def _infra(queue: str) -> Infra:
    """A stand-in for the facts that a queue's stack publishes, enough to check parameters."""
    template = {"id": "lt-0", "version": "1"}
    return Infra.model_validate(
        {
            "protocol": 1,
            "queue": queue,
            "templates": {"x86_64": template, "arm64": template},
            "bootstrap_profile": "",
            "sandbox_profile": "",
            "bootstrap_role": "",
            "sandbox_role": "",
            "bootstrap_role_id": _ROLE_ID,
            "sandbox_role_id": _ROLE_ID,
            "subnets": ["subnet-0"],
            "script_prefix": f"{SCRIPTS}/{queue}/",
        }
    )

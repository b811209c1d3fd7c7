"""Turns a command's options into the choices of a lab."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mayfly.answers import Parameter
from mayfly.config.infra import Infra
from mayfly.config.read import read_queue
from mayfly_cli.ends import UsageError
from mayfly_cli.templates.reading import TemplateError, check_parameters, read
from mayfly_lab.aws.config import Delays
from mayfly_lab.commands import options
from mayfly_lab.commands.chosen import World
from mayfly_lab.commands.fault_options import check_queues
from mayfly_lab.lab import ROOT, SCRIPTS, LabChoices

DELAYS = Delays(imds_linger=1.0, spot_warning=30.0)
"""Shorter than the defaults: a spot warning of two minutes is a long wait on a laptop."""
_LABS_OWN = frozenset({"ControlStack", "QueueKey", "VpcId", "Subnets"})
_ROLE_ID = "AROA" + "A" * 17


def choices(chosen: World, queues: Sequence[str]) -> LabChoices:
    """Choices of the lab that `chosen` describes, with these queues.

    Raises:
        UsageError: the agent is not a program; a parameter or a fault names an unknown queue; a
            parameter's value is not allowed.
    """
    check_queues(chosen.faults, queues)
    own = stacks(chosen, queues)
    return LabChoices(
        queues=queues,
        agent=options.agent(chosen.agent),
        delays=DELAYS,
        parameters=parameters(chosen, queues, own),
        stacks=own,
        secrets=dict(chosen.secrets),
        roles=roles(chosen, queues),
        latency=chosen.latency,
        faults=chosen.faults,
    )


def parameters(
    chosen: World, queues: Sequence[str], own: Mapping[str, Mapping[str, str]]
) -> Mapping[str, Mapping[str, str]]:
    """Parameters to write before the first tick: queue to name to value.

    `own` are the parameters of the queues' stacks, as `stacks` returns them.

    Raises:
        UsageError: a parameter names an unknown queue, or Mayfly would refuse its value.
    """
    found: dict[str, dict[str, str]] = {
        queue: {"pool/hot": str(chosen.hot)} if chosen.hot else {} for queue in queues
    }
    for queue, name, value in chosen.parameters:
        _check_queue("--parameter", queue, queues)
        found[queue][name] = value
    for queue, given in found.items():
        written = {name: Parameter(value, version=1) for name, value in given.items()}
        _, problems = read_queue(queue, _infra(queue, own.get(queue, {})), written)
        if problems:
            raise UsageError(f"--parameter: {queue}/{problems[0]}")
    return found


def stacks(chosen: World, queues: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
    """Parameters of the queues' stacks: queue to name to value.

    Raises:
        UsageError: an unknown queue or parameter, or a value that the template does not allow.
    """
    if not chosen.stacks:
        return {}
    slots = read(ROOT / "stacks" / "queue.yaml")["Parameters"]
    found: dict[str, dict[str, str]] = {}
    for queue, name, value in chosen.stacks:
        _check_queue("--stack", queue, queues)
        if name not in slots or name in _LABS_OWN:
            raise UsageError(f"--stack: stacks/queue.yaml has no parameter {name} to set here")
        try:
            check_parameters({"Parameters": {name: slots[name]}}, {name: value})
        except TemplateError as error:
            raise UsageError(f"--stack: {queue}/{error}") from error
        found.setdefault(queue, {})[name] = value
    return found


def roles(chosen: World, queues: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Roles to make, by queue. Raises UsageError for an unknown queue, or a name that is twice."""
    found: dict[str, list[str]] = {}
    for queue, role in chosen.roles:
        _check_queue("--role", queue, queues)
        found.setdefault(queue, []).append(role)
    names = [role.rpartition("/")[2] for _, role in chosen.roles]
    if again := {name for name in names if names.count(name) > 1}:
        raise UsageError(f"--role: an account has one role of a name: {', '.join(sorted(again))}")
    return found


def _check_queue(option: str, queue: str, queues: Sequence[str]) -> None:
    if queue not in queues:
        raise UsageError(
            f"{option}: unknown queue {queue!r}; the lab has {', '.join(queues)}, and"
            " --queue adds another"
        )


def _infra(queue: str, stack: Mapping[str, str]) -> Infra:
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
            "secrets_path": stack.get("SecretsPath", ""),
            "job_role_path": stack.get("JobRolePath", ""),
        }
    )

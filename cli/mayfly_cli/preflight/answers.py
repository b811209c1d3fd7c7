"""The parameter values of a deployment, checked against the templates and the queue's model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mayfly.answers import Parameter
from mayfly.config.infra import Infra, Template
from mayfly.config.queue import QueueConfig
from mayfly.config.read import read_queue
from mayfly_cli.checkout import ROOT
from mayfly_cli.ends import UsageError
from mayfly_cli.templates.reading import TemplateError, check_parameters, read

ARCHITECTURES = {"x86_64": "amd64", "arm64": "arm64"}
"""By EC2's name of an architecture: its name in the agent's releases."""
_IMAGES = {
    "x86_64": ("OwnImageX8664", "AmazonLinuxX8664"),
    "arm64": ("OwnImageArm64", "AmazonLinuxArm64"),
}


@dataclass(frozen=True, slots=True)
class Answers:
    """The parameters of both templates, with defaults filled in, and the queue's configuration."""

    stack: str
    """Name of the control plane's stack."""
    control: Mapping[str, str]
    """Parameters of template.yaml."""
    queue_stack: Mapping[str, str]
    """Parameters of stacks/queue.yaml."""
    config: QueueConfig

    @property
    def queue(self) -> str:
        """Key of the first queue; empty for a control plane without a queue."""
        return self.control["QueueKey"]

    @property
    def subnets(self) -> tuple[str, ...]:
        """Ids of the subnets."""
        return _split(self.control["Subnets"])

    @property
    def sizes(self) -> tuple[str, ...]:
        """Instance sizes that the control plane may launch, such as `large`; `*` for all."""
        return _split(self.control["InstanceSizes"])

    @property
    def public(self) -> bool:
        """Whether instances get a public address."""
        return self.control["AssignPublicIp"] == "true"

    @property
    def sandbox_role(self) -> str:
        """Name of the sandbox role, as stacks/queue.yaml forms it."""
        return self.queue_stack["SandboxRoleName"] or f"{self.stack}-{self.queue}-sandbox"

    @property
    def makes_key(self) -> bool:
        """Whether the queue's stack makes a KMS key for secrets of jobs."""
        return bool(self.queue) and self.queue_stack["SecretsKey"] == "own"

    @property
    def own_image(self) -> str:
        """Id of the operator's own image; empty for Amazon Linux."""
        return self.queue_stack[_IMAGES[self.config.architecture][0]]

    @property
    def image_parameter(self) -> str:
        """Name of the public SSM parameter that holds the id of the Amazon Linux image."""
        return self.queue_stack[_IMAGES[self.config.architecture][1]]

    def archive(self) -> tuple[str, str]:
        """URL of the agent's archive, and its SHA-256 in hex."""
        name = ARCHITECTURES[self.config.architecture]
        url = self.queue_stack["AgentArchiveUrl"].format(
            version=self.queue_stack["AgentVersion"], arch=name
        )
        return url, self.queue_stack[f"AgentSha256{name.capitalize()}"]


def read_file(path: Path) -> list[str]:
    """The `Name=value` lines of a file of answers, without blank lines and `#` comments.

    Raises:
        UsageError: the file cannot be read.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"--answers: {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--answers: {path} is not text in UTF-8: {error.reason}") from error
    return [text for line in lines if (text := line.strip()) and not text.startswith("#")]


def read_answers(stack: str, words: Iterable[str]) -> Answers:
    """The answers in `Name=value` words; the last value of a name counts.

    A name that is in neither template is a parameter of the queue, such as `launch/purchase`.

    Raises:
        UsageError: a word has no `=`, or an answer is unknown, missing or not allowed.
    """
    try:
        control = read(ROOT / "template.yaml")["Parameters"]
        queue_stack = read(ROOT / "stacks" / "queue.yaml")["Parameters"]
    except TemplateError as error:
        raise UsageError(str(error)) from error
    if not re.fullmatch(queue_stack["ControlStack"]["AllowedPattern"], stack):
        raise UsageError(f"--stack {stack}: letters, digits and -, a letter first, at most 51")
    given: dict[str, dict[str, str]] = {"control": {}, "queue": {}, "config": {}}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"{word!r} is not Name=value, such as QueueKey=default")
        places = [("control", control), ("queue", queue_stack)]
        homes = [place for place, slots in places if name in slots] or ["config"]
        for home in homes:
            given[home][name] = value
    if unknown := [name for name in given["config"] if name[:1].isupper()]:
        raise UsageError(_unknown(unknown[0], control, queue_stack))
    filled = _with_defaults(control, given["control"])
    _check({"Parameters": control}, given["control"])
    told = {"ControlStack": stack, **_released(filled["AgentRelease"]), **given["queue"]}
    _require_network(given["control"])
    _require_agent(filled["QueueKey"], told)
    if filled["QueueKey"]:
        _check({"Parameters": queue_stack}, told)
    config = _config(filled["QueueKey"], given["config"], told.get("ScriptPrefix", ""))
    return Answers(stack, filled, _with_defaults(queue_stack, told), config)


def _config(queue: str, given: Mapping[str, str], script_prefix: str) -> QueueConfig:
    # The values that the queue's stack would publish, as far as parameters can contradict them.
    infra = Infra(
        protocol=1,
        queue=queue,
        templates={each: Template(id="lt-0", version="1") for each in ARCHITECTURES},
        bootstrap_profile="",
        sandbox_profile="",
        bootstrap_role="",
        sandbox_role="",
        bootstrap_role_id="AROA000000000000",
        sandbox_role_id="AROA000000000001",
        subnets=("subnet-0",),
        script_prefix=script_prefix,
    )
    parameters = {name: Parameter(value, 1) for name, value in given.items()}
    config, problems = read_queue(queue, infra, parameters)
    if problems or config is None:
        raise UsageError(str(problems[0]))
    return config


def _require_network(given: Mapping[str, str]) -> None:
    if not given.get("QueueKey"):
        return
    for name, example in (("VpcId", "vpc-0123"), ("Subnets", "subnet-0123,subnet-4567")):
        if not given.get(name):
            raise UsageError(f"a queue needs {name}: give {name}={example}")


def _released(release: str) -> dict[str, str]:
    """The parameters of the queue's stack that template.yaml makes of `AgentRelease`."""
    names = ("AgentVersion", "AgentSha256Amd64", "AgentSha256Arm64")
    return dict(zip(names, release.split(","), strict=True)) if release else {}


def _require_agent(queue: str, told: Mapping[str, str]) -> None:
    if queue and "AgentVersion" not in told:
        raise UsageError(
            "a queue needs AgentRelease: give the line that this command prints: "
            "mayfly agent-release"
        )


def _check(template: Mapping[str, Any], given: Mapping[str, str]) -> None:
    try:
        check_parameters(template, given)
    except TemplateError as error:
        raise UsageError(str(error)) from error


def _with_defaults(slots: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    return {name: given.get(name, str(slot.get("Default", ""))) for name, slot in slots.items()}


def _split(text: str) -> tuple[str, ...]:
    return tuple(word for part in text.split(",") if (word := part.strip()))


def _unknown(name: str, control: Mapping[str, Any], queue_stack: Mapping[str, Any]) -> str:
    """Error text for a name that neither template has, with the name that was meant, if any."""
    by_case = {each.lower(): each for each in (*queue_stack, *control)}
    near = get_close_matches(name.lower(), by_case, n=1)
    if near:
        return f"no template has a parameter {name}; did you mean {by_case[near[0]]}?"
    return f"no template has a parameter {name}; template.yaml has {', '.join(control)}"

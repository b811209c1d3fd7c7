"""The independent evaluator: @cloud-copilot/iam-simulate in a process of Node.js that stays up."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from iam.cases import Case
from mayfly.iam.evaluation import Statement

ACCOUNT = "123456789012"
"""The account of resources in cases whose caller, a service of AWS, has none."""
ROOT = Path(__file__).resolve().parents[3]
FETCHED = ROOT / ".tools" / "iam"
SERVER = Path(__file__).with_name("simulator") / "server.mjs"
_BATCH = 500
"""Cases of one line, so that neither side holds much of the other's text."""


class SimulatorError(Exception):
    """The evaluator is not there, or cannot answer; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the independent evaluator says about a case."""

    result: str
    """`Allowed`, `ImplicitlyDenied`, `ExplicitlyDenied`, or empty when it refuses the case."""
    error: str = ""
    """Why it refuses the case: no such action, a resource that the action does not have."""
    ignored: tuple[str, ...] = ()
    """Keys of the context that neither the action nor the type of the resource has."""
    denied_by: tuple[str, ...] | None = ()
    """Sids of all statements that deny; None when it does not tell."""
    allowed_by: tuple[str, ...] | None = ()


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A type of resource that an action has."""

    name: str
    arn: str
    """Form of the ARN, with variables such as `${Region}`."""
    keys: tuple[str, ...]
    """Condition keys of the action for this type, such as `aws:ResourceTag/${TagKey}`; the keys of
    the type itself for an action for which the reference lists none."""


@dataclass(frozen=True, slots=True)
class Action:
    """An action in the service authorization data."""

    name: str
    keys: tuple[str, ...]
    """Condition keys that the action has whatever the resource."""
    types: tuple[ResourceType, ...]
    """None for an action that IAM checks only with the resource `*`."""


@dataclass(slots=True)
class Simulator:
    """Asks the process. One question at a time; not for several threads."""

    process: subprocess.Popen[str]
    _names: dict[str, str] = field(default_factory=dict)
    _actions: dict[str, Action | None] = field(default_factory=dict)
    _listed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _kinds: dict[str, str | None] = field(default_factory=dict)
    _resources: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _globals: tuple[str, ...] = ()

    def judge(self, cases: Sequence[Case]) -> list[Told]:
        """A verdict for each case, in order.

        Raises:
            SimulatorError: the process fails at a question.
        """
        found: list[Told] = []
        for start in range(0, len(cases), _BATCH):
            asked = [self._asked(case) for case in cases[start : start + _BATCH]]
            found += [_told(each) for each in self._ask({"cases": asked})]
        return found

    def describe(self, names: Iterable[str]) -> dict[str, Action | None]:
        """By name as asked: each action of the authorization data; None for no such action."""
        names = list(names)
        if unknown := sorted({name for name in names if name not in self._actions}):
            answers = self._ask({"describe": unknown})
            self._actions |= dict(zip(unknown, map(_action, answers), strict=True))
        return {name: self._actions[name] for name in names}

    def actions(self, service: str) -> tuple[str, ...]:
        """The names of a service's actions, such as `GetItem`; none for an unknown service."""
        if service not in self._listed:
            [names] = self._ask({"actions": [service]})
            self._listed[service] = tuple(names)
        return self._listed[service]

    def resources(self, service: str) -> tuple[str, ...]:
        """The forms of the ARNs of a service's resources; none for an unknown service."""
        if service not in self._resources:
            [forms] = self._ask({"resources": [service]})
            self._resources[service] = tuple(forms)
        return self._resources[service]

    def global_keys(self) -> tuple[str, ...]:
        """The condition keys that requests of every action may have."""
        if not self._globals:
            self._globals = tuple(self._ask({"globals": True}))
        return self._globals

    def kind(self, key: str) -> str | None:
        """The type of a condition key, such as `String` or `ArrayOfString`; None for no key."""
        if key not in self._kinds:
            [self._kinds[key]] = self._ask({"kinds": [key]})
        return self._kinds[key]

    def _asked(self, case: Case) -> dict[str, Any]:
        request, policies = case.request, case.policies
        asked = {
            "principal": case.caller.service or case.caller.arn,
            "account": policies.resource_account or case.caller.account or ACCOUNT,
            "action": request.action,
            "resource": _one_resource(request.resource),
            "context": {key: _texts(value) for key, value in request.context.items()},
            "identity": [self._kept(each) for each in policies.identity if each],
        }
        if policies.resource:
            asked["of_resource"] = self._kept(policies.resource)
        if policies.boundary is not None:
            asked["boundary"] = self._kept(policies.boundary)
        if policies.session is not None:
            asked["session"] = self._kept(policies.session)
        return asked

    def _kept(self, statements: Sequence[Statement]) -> str:
        """The name by which the process knows a policy; it gets each policy once."""
        document = {"Version": "2012-10-17", "Statement": list(statements)}
        text = json.dumps(document)
        if text not in self._names:
            name = str(len(self._names))
            self._ask({"policies": {name: document}})
            self._names[text] = name
        return self._names[text]

    def _ask(self, question: Mapping[str, Any]) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SimulatorError(f"node ended with status {self.process.wait()}")
        told = json.loads(line)
        if "failure" in told:
            raise SimulatorError(told["failure"])
        return told["answer"]


@contextmanager
def a_simulator() -> Iterator[Simulator]:
    """A running evaluator, stopped at the end.

    Raises:
        SimulatorError: Node.js or the packages are not there.
    """
    node = shutil.which("node")
    if node is None or not (FETCHED / "node_modules").is_dir():
        raise SimulatorError("the independent evaluator is not there: `make iam` fetches it")
    with subprocess.Popen(
        [node, str(SERVER), str(FETCHED)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            yield Simulator(process)
        finally:
            process.kill()


def _one_resource(resource: str) -> str:
    """The resource without wildcards.

    A new instance has the resource `instance/*`: that text, and not every instance. The evaluator
    would compare patterns, so it gets a letter that no pattern of a policy names.
    """
    return resource if resource == "*" else resource.replace("*", "~")


def _texts(value: Any) -> str | list[str]:
    return value if isinstance(value, str) else [str(each) for each in value]


def _told(answer: Mapping[str, Any]) -> Told:
    if "error" in answer:
        return Told("", error=str(answer["error"]))
    denied, allowed = answer["denied_by"], answer["allowed_by"]
    return Told(
        result=answer["result"],
        ignored=tuple(answer["ignored"]),
        denied_by=None if denied is None else tuple(denied),
        allowed_by=None if allowed is None else tuple(allowed),
    )


def _action(told: Mapping[str, Any] | None) -> Action | None:
    if told is None:
        return None
    types = (
        ResourceType(t["name"], t["arn"], tuple(t["keys"] or t["keys_of_type"]))
        for t in told["types"]
    )
    return Action(told["name"], tuple(told["keys"]), tuple(types))

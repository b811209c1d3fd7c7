"""An account with Mayfly deployed, whose IAM simulates policies by our own evaluator.

The deployment has other names than the sample of the table of permissions: what the command asks
must come from the deployment.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import botocore.session
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from mayfly.iam.evaluation import Caller, Policies, Request, evaluate
from mayfly_cli.account import Account
from mayfly_cli.one_instance import Clock
from mayfly_cli.templates.resolution import ACCOUNT, REGION
from tests.security import deployed
from tests.security.principals import managed

HERE, THERE = "210987654321", "us-east-2"
STACK, QUEUE = "try-out", "builds"
TOKEN_PARAMETER, TOKEN_KEY = "/ci/token", f"arn:aws:kms:{THERE}:{HERE}:key/0123"
SCRIPTS = f"{STACK}-{QUEUE}-ci/bootstrap/"
ROLES = f"arn:aws:iam::{HERE}:role/mayfly/{STACK}"


def here(sample: Any) -> Any:
    """Templates' values with this account's names in place of the samples'."""
    text = json.dumps(sample).replace(deployed.TOKEN_KEY, TOKEN_KEY).replace(ACCOUNT, HERE)
    text = text.replace(REGION, THERE).replace("/buildkite/mayfly/agent-token", TOKEN_PARAMETER)
    return json.loads(text)


@cache
def _roles() -> Mapping[str, list[Any]]:
    """By ARN: the statements of each deployed role."""
    control, queue = deployed.control(STACK), deployed.queue(QUEUE, STACK)
    found = {
        f"{ROLES}/functions/{physical(f'{name}FunctionRole')}": control[f"{name}FunctionRole"]
        for name in ("Dispatch", "Provision", "Sandbox", "Reap")
    }
    found[f"{ROLES}/bootstrap/{QUEUE}/set-up"] = queue["BootstrapRole"]
    found[f"{ROLES}/sandbox/{QUEUE}/jobs"] = queue["SandboxRole"]
    return {arn: here(deployed.role_statements(role)) for arn, role in found.items()}


def physical(logical: str) -> str:
    """The name that CloudFormation gives a resource here."""
    return deployed.physical_name(STACK, logical)


def refusal(code: str, operation: str = "SimulatePrincipalPolicy", text: str = "") -> ClientError:
    """An error of IAM."""
    return ClientError({"Error": {"Code": code, "Message": text or code}}, operation)


@dataclass
class Iam:
    """IAM's simulator. Its requests must have the shape of the API."""

    changed: dict[str, list[Any]] = field(default_factory=dict)
    """By ARN of a role: statements that its policies have beyond the template's."""
    unknown: Sequence[str] = ()
    """Actions that the simulator does not know."""
    dropped: Sequence[str] = ()
    """Condition keys that the simulator does not take."""
    throttles: int = 0
    """Calls that are throttled before one is answered."""
    error: str = ""
    page: int = 1000
    calls: list[Mapping[str, Any]] = field(default_factory=list)
    """Requests to the simulator."""
    reads: list[Mapping[str, Any]] = field(default_factory=list)
    """Requests for managed policies."""

    def simulate_principal_policy(self, **asked: Any) -> Any:
        own = _roles().get(asked["PolicySourceArn"])
        if own is None:
            raise refusal("NoSuchEntity")
        own = own + self.changed.get(asked["PolicySourceArn"], [])
        return self._simulated("SimulatePrincipalPolicy", asked, own)

    def simulate_custom_policy(self, **asked: Any) -> Any:
        return self._simulated("SimulateCustomPolicy", asked, [])

    def get_policy(self, **asked: Any) -> Any:
        _validate("GetPolicy", asked)
        self.reads.append(asked)
        return {"Policy": {"DefaultVersionId": "v3"}}

    def get_policy_version(self, **asked: Any) -> Any:
        _validate("GetPolicyVersion", asked)
        self.reads.append(asked)
        name = asked["PolicyArn"].rpartition("/")[2]
        people = ("ViewersPolicy", "OperatorsPolicy", "SecurityOwnersPolicy")
        of_stack = {physical(each): each for each in people}
        if name in of_stack:
            policy = deployed.control(STACK)[of_stack[name]]
            statements: Any = here(deployed.managed_statements(policy))
        else:
            statements = managed(name)
        return {"PolicyVersion": {"Document": {"Statement": list(statements)}}}

    def _simulated(self, operation: str, asked: Mapping[str, Any], own: list[Any]) -> Any:
        _validate(operation, asked)
        self.calls.append(asked)
        if self.throttles:
            self.throttles -= 1
            raise refusal("Throttling", operation)
        if self.error:
            raise refusal(self.error, operation)
        if bad := set(asked["ActionNames"]) & set(self.unknown):
            raise refusal("InvalidInput", operation, f"Invalid action: {', '.join(bad)}")
        results = [self._result(each, asked, own) for each in asked["ActionNames"]]
        start = int(asked.get("Marker", 0))
        end = start + min(asked["MaxItems"], self.page)
        more = end < len(results)
        return {
            "EvaluationResults": results[start:end],
            "IsTruncated": more,
            **({"Marker": str(end)} if more else {}),
        }

    def _result(self, action: str, asked: Mapping[str, Any], own: list[Any]) -> dict[str, Any]:
        (resource,) = asked["ResourceArns"]
        context = {
            each["ContextKeyName"]: each["ContextKeyValues"]
            if each["ContextKeyType"].endswith("List")
            else each["ContextKeyValues"][0]
            for each in asked["ContextEntries"]
            if each["ContextKeyName"] not in self.dropped
        }
        documents = [json.loads(each)["Statement"] for each in asked.get("PolicyInputList", ())]
        boundary = [
            statement
            for each in asked.get("PermissionsBoundaryPolicyInputList", ())
            for statement in json.loads(each)["Statement"]
        ]
        policies = Policies([own, *documents], boundary=boundary or None)
        found = evaluate(Request(action, resource, context), Caller(""), policies)
        denied = "explicitDeny" if found.explicit else "implicitDeny"
        word = "allowed" if found.allowed else denied
        matched = [{"SourcePolicyId": f"policy-of-{found.sid}"}] if found.explicit else []
        specific = {
            "EvalResourceName": resource,
            "EvalResourceDecision": word,
            "MatchedStatements": matched,
            "MissingContextValues": [each.lower() for each in self.dropped],
        }
        about = {"EvalActionName": action, "EvalResourceName": "arn:${Partition}:…"}
        if resource == "*":
            return {**about, "EvalDecision": word, "MatchedStatements": matched}
        return {**about, "EvalDecision": word, "ResourceSpecificResults": [specific]}


@dataclass
class Reads:
    """CloudFormation and SSM of the account."""

    parameters: Mapping[str, str] = field(
        default_factory=lambda: {"TokenParameter": TOKEN_PARAMETER, "TokenKmsKey": TOKEN_KEY}
    )
    scripts: str = SCRIPTS
    value: str = ""

    def can_paginate(self, _: str) -> bool:
        return False

    def list_stack_resources(self, StackName: str) -> Any:  # noqa: N803
        if StackName != STACK:
            raise refusal("ValidationError", "ListStackResources")
        return {"StackResourceSummaries": list(_summaries(deployed.control(STACK)))}

    def describe_stacks(self, StackName: str) -> Any:  # noqa: N803
        pairs = self.parameters.items()
        told = [{"ParameterKey": key, "ParameterValue": value} for key, value in pairs]
        return {"Stacks": [{"Parameters": told}]}

    def get_parameter(self, Name: str) -> Any:  # noqa: N803
        if Name != f"/mayfly-infra/{STACK}/queues/{QUEUE}":
            raise refusal("ParameterNotFound", "GetParameter")
        profiles = f"arn:aws:iam::{HERE}:instance-profile/mayfly/{STACK}"
        told = {
            "bootstrap_role": f"{ROLES}/bootstrap/{QUEUE}/set-up",
            "bootstrap_role_id": "AROASETUP",
            "bootstrap_profile": f"{profiles}/bootstrap/{QUEUE}/set-up-profile",
            "sandbox_role": f"{ROLES}/sandbox/{QUEUE}/jobs",
            "sandbox_role_id": "AROAJOBS",
            "sandbox_profile": f"{profiles}/sandbox/{QUEUE}/jobs-profile",
            "script_prefix": self.scripts,
            "secrets_path": deployed.secrets_path(QUEUE, STACK),
            "secrets_key": here(deployed.secrets_key(QUEUE, STACK)),
            "job_role_path": deployed.job_role_path(QUEUE, STACK),
        }
        return {"Parameter": {"Value": self.value or json.dumps(told)}}


def _summaries(resources: deployed.Resources) -> Iterable[dict[str, str]]:
    """Resources with what CloudFormation says is their physical id: a name, an address, an ARN."""
    forms = {
        "AWS::SQS::Queue": f"https://sqs.{THERE}.amazonaws.com/{HERE}/{{}}",
        "AWS::SNS::Topic": f"arn:aws:sns:{THERE}:{HERE}:{{}}",
        "AWS::IAM::ManagedPolicy": f"arn:aws:iam::{HERE}:policy/mayfly/{STACK}/people/{{}}",
    }
    for logical, resource in resources.items():
        name = forms.get(resource["Type"], "{}").format(physical(logical))
        yield {"LogicalResourceId": logical, "PhysicalResourceId": name}


def account(iam: Iam, reads: Reads | None = None) -> Account:
    """The account with this IAM."""
    other = reads or Reads()
    clients = {"iam": iam, "cloudformation": other, "ssm": other}
    return Account(HERE, f"arn:aws:iam::{HERE}:user/ann", THERE, None, clients)


@dataclass
class Time:
    """A clock whose sleep is free."""

    now: float = 0.0

    def clock(self) -> Clock:
        return Clock(lambda: self.now, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@cache
def _model() -> Any:
    return botocore.session.get_session().get_service_model("iam")


def _validate(operation: str, asked: Mapping[str, Any]) -> None:
    shape = _model().operation_model(operation).input_shape
    report = ParamValidator().validate(asked, shape)
    assert not report.has_errors(), report.generate_report()

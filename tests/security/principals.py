"""Who asks: the principals of two stacks and three queues, and policies that may be attached.

Each principal has the condition keys that AWS adds to all its requests. Sources: IAM user guide,
"AWS global condition context keys" and "Where you can use policy variables" (aws:userid of a
session is `<role id>:<session name>`, and the session name of EC2 credentials is the instance's
id); EC2 user guide, "ec2:SourceInstanceARN"; Lambda developer guide, "lambda:SourceFunctionArn".
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from moto.iam.aws_managed_policies import aws_managed_policies_data

from mayfly.iam.evaluation import Caller, Statement, Values
from mayfly_cli.templates.resolution import ACCOUNT, REGION
from tests.security import deployed

Policy = tuple[Statement, ...]

IAM = f"arn:aws:iam::{ACCOUNT}"
OWN_INSTANCE = "i-0000000000000000a"
NOTHING = "nothing"
ATTACHMENTS = (
    "PowerUserAccess",
    "AmazonEC2FullAccess",
    "AmazonS3FullAccess",
    "AmazonDynamoDBFullAccess",
    "AmazonSSMFullAccess",
    "AdministratorAccess",
)
"""Policies of AWS that are attached in turn. All but one are subsets of AdministratorAccess."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A principal with its own policies."""

    name: str
    title: str
    """As a sentence begins: "A job"."""
    caller: Caller
    own: Policy
    context: Mapping[str, Values]
    """Condition keys that AWS adds to every request."""

    def attached(self, policy: str) -> tuple[Policy, ...]:
        """The policies in force with one of AWS's policies attached; `nothing` for none."""
        return (self.own,) if policy == NOTHING else (self.own, managed(policy))


@cache
def managed(name: str) -> Policy:
    """The statements of a policy of AWS."""
    return tuple(_documents()[name]["Document"]["Statement"])


@cache
def _documents() -> Mapping[str, Mapping[str, Mapping[str, list[Statement]]]]:
    found: dict[str, Mapping[str, Mapping[str, list[Statement]]]] = json.loads(
        aws_managed_policies_data
    )
    return {name: found[name] for name in ATTACHMENTS}


@cache
def principals() -> Mapping[str, Principal]:
    """Every principal by its name."""
    found = [
        *(_function(name) for name in ("dispatch", "provision", "sandbox", "reap")),
        _host("bootstrap", "Set-up", "linux", deployed.STACK),
        _host("job", "A job", "linux", deployed.STACK),
        _host("bootstrap-of-queue-2", "Set-up of another queue", "linux2", deployed.STACK),
        _host("job-of-queue-2", "A job of another queue", "linux2", deployed.STACK),
        _host("bootstrap-of-stack-2", "Set-up of another stack", "linux", deployed.OTHER_STACK),
        _host("job-of-stack-2", "A job of another stack", "linux", deployed.OTHER_STACK),
        _without_denies(),
        _person("viewer", "A viewer", "ViewersPolicy"),
        _person("operator", "An operator", "OperatorsPolicy"),
        _person("security-owner", "A security owner", "SecurityOwnersPolicy"),
        _owner("secrets-owner", "A secrets owner of the queue", deployed.queue()),
        _owner(
            "repository-owner", "A secrets owner of one repository", deployed.owners_of_a_folder()
        ),
        _principal(("foreign", "A foreign role"), f"{IAM}:role/teams/shop", ("AROASHOP", "ci"), ()),
    ]
    return {each.name: each for each in found}


@cache
def chained() -> Principal:
    """A role that a job assumes with the credentials of its sandbox role.

    The job chooses the session's name, so it takes its instance's id. The session has the unique id
    of the assumed role, and no key of EC2's credentials.
    """
    return _principal(
        ("chained", "A role that a job assumes"),
        f"{IAM}:role/teams/deploy",
        ("AROADEPLOY", OWN_INSTANCE),
        (),
    )


def role_arn(kind: str, key: str = "linux", stack: str = deployed.STACK) -> str:
    """ARN of a queue's role, `bootstrap` or `sandbox`."""
    name = f"{stack}-{key}-sandbox" if kind == "sandbox" else f"{stack}-{key}-BootstrapRole-1A2B"
    return f"{IAM}:role/mayfly/{stack}/{kind}/{key}/{name}"


def profile_arn(kind: str, key: str = "linux", stack: str = deployed.STACK) -> str:
    """ARN of a queue's instance profile, `bootstrap` or `sandbox`."""
    name = f"{stack}-{key}-{kind.capitalize()}Profile-1A2B"
    return f"{IAM}:instance-profile/mayfly/{stack}/{kind}/{key}/{name}"


def function_role_arn(name: str, stack: str = deployed.STACK) -> str:
    """ARN of a function's role."""
    role = deployed.physical_name(stack, f"{name.capitalize()}FunctionRole")
    return f"{IAM}:role/mayfly/{stack}/functions/{role}"


def role_id(kind: str, key: str = "linux", stack: str = deployed.STACK) -> str:
    """The unique id of a queue's role; the first part of its rows' keys."""
    return f"AROA{kind}{key}{stack}".upper().replace("-", "")


def _host(name: str, title: str, key: str, stack: str) -> Principal:
    kind = name.split("-", maxsplit=1)[0].replace("job", "sandbox")
    role = deployed.queue(key, stack)[f"{kind.capitalize()}Role"]
    own = tuple(deployed.role_statements(role))
    session = (role_id(kind, key, stack), OWN_INSTANCE)
    here = {
        "ec2:SourceInstanceARN": f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{OWN_INSTANCE}",
        "ec2:RoleDelivery": "2.0",
        "aws:EC2InstanceSourceVPC": "vpc-1",
    }
    return _principal((name, title), role_arn(kind, key, stack), session, own, here)


def _without_denies() -> Principal:
    """The sandbox role of a queue whose owner took the Denies out of the template."""
    whole = _host("job-of-queue-2", "", "linux2", deployed.STACK)
    allows = tuple(each for each in whole.own if each["Effect"] == "Allow")
    return dataclasses.replace(
        whole, name="job-without-denies", title="A job of a queue without Denies", own=allows
    )


def _function(name: str) -> Principal:
    role = deployed.control()[f"{name.capitalize()}FunctionRole"]
    code = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{deployed.STACK}-{name}"
    session = (f"AROA{name}".upper(), f"{deployed.STACK}-{name}")
    return _principal(
        (name, f"The function {name}"),
        function_role_arn(name),
        session,
        tuple(deployed.role_statements(role)),
        {"lambda:SourceFunctionArn": code},
    )


def _person(name: str, title: str, policy: str) -> Principal:
    own = tuple(deployed.managed_statements(deployed.control()[policy]))
    return _principal((name, title), f"{IAM}:role/people/{name}", ("AROAPEOPLE", "ann"), own)


def _owner(name: str, title: str, resources: deployed.Resources) -> Principal:
    own = tuple(deployed.managed_statements(resources["SecretsOwnersPolicy"]))
    role = f"{IAM}:role/people/{name}-of-{deployed.STACK}-linux"
    return _principal((name, title), role, (f"AROA{name}".upper(), "ann"), own)


@cache
def impostor() -> Principal:
    """The sandbox role's session of somebody who changed whom the role trusts.

    The session's name may be an instance's id, but the session has no key of EC2's credentials.
    """
    job = principals()["job"]
    named = ("impostor", "A session of the sandbox role that somebody opened by its trust policy")
    return _principal(named, job.caller.role, (job.caller.unique_id, OWN_INSTANCE), job.own)


@cache
def administrator() -> Principal:
    """An administrator of the account that the queue's stack names for its key."""
    named = ("administrator", "An administrator of the queue's key")
    return _principal(named, f"{IAM}:role/people/administrator", ("AROAADMIN", "ann"), ())


def _principal(
    named: tuple[str, str],
    role: str,
    session: tuple[str, str],
    own: Policy,
    further: Mapping[str, Values] = {},
) -> Principal:
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.rpartition('/')[2]}/{session[1]}"
    context: dict[str, Values] = {
        "aws:PrincipalAccount": ACCOUNT,
        "aws:PrincipalArn": role,
        "aws:PrincipalType": "AssumedRole",
        "aws:RequestedRegion": REGION,
        "aws:ResourceAccount": ACCOUNT,
        "aws:SecureTransport": "true",
        "aws:ViaAWSService": "false",
        "aws:userid": ":".join(session),
    }
    caller = Caller(arn, role, session[0])
    return Principal(*named, caller, own, {**context, **further})

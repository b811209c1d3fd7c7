"""The policies that are in force now: of principals, and of resources.

Everything is read from moto at each decision, so that a policy that is changed at run time counts
at once. Statements are parsed once for each text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mayfly.iam.documents import statements_of
from mayfly.iam.evaluation import Caller, Policies, Statement, Values
from mayfly_lab.aws.cloud import Cloud
from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.aws.front.call import Kind, Principal
from mayfly_lab.aws.front.iam.need import Need

ADMINISTRATOR_POLICY = json.dumps(
    {"Statement": [{"Sid": "Everything", "Effect": "Allow", "Action": "*", "Resource": "*"}]}
)
"""The policy of administrators, as AWS's AdministratorAccess."""
_OF_TRUST = frozenset({"sts:AssumeRole", "sts:TagSession"})
"""Actions that a role's trust policy must allow."""
_EC2_KINDS = frozenset({Kind.BOOTSTRAP, Kind.SANDBOX, Kind.INSTANCE})


@dataclass(frozen=True, slots=True)
class Identity:
    """What IAM knows of a principal: names, condition keys and policies as JSON."""

    caller: Caller
    context: Mapping[str, Values]
    policies: tuple[str, ...] = ()
    boundary: str | None = None
    session: tuple[str, ...] = ()
    """The policies that the caller of sts:AssumeRole gave."""


@dataclass(frozen=True, slots=True)
class DeployedPolicies:
    """Finds policies in moto. `policy_of` returns a person's deployed policy by name, or none."""

    cloud: Cloud
    policy_of: Callable[[str], str]

    def identity(self, principal: Principal) -> Identity:
        """The principal's policies; none for a role that does not exist."""
        if principal.kind is Kind.ADMINISTRATOR:
            return self._user(principal, (ADMINISTRATOR_POLICY,))
        if principal.kind is Kind.PERSON:
            found = self.policy_of(principal.name)
            return self._user(principal, (found,) if found else ())
        return self._session(principal)

    def policies(self, need: Need, identity: Identity, resource: str) -> Policies:
        """All policies for a need: the identity's, and the resource's own as JSON."""
        session = [each for policy in identity.session for each in statements(policy)]
        return Policies(
            identity=[statements(each) for each in identity.policies],
            boundary=None if identity.boundary is None else statements(identity.boundary),
            session=session if identity.session else None,
            resource=statements(resource),
            resource_must_allow=need.action.startswith("kms:") or need.action in _OF_TRUST,
        )

    def resource_policy(self, need: Need) -> str:
        """The policy of a need's resource as JSON; empty for none."""
        reader = _READERS.get(need.action.partition(":")[0])
        return "" if reader is None else reader(self.cloud, need)

    def _user(self, principal: Principal, policies: tuple[str, ...]) -> Identity:
        caller = Caller(principal.arn, unique_id=principal.userid)
        return Identity(
            caller,
            {
                "aws:userid": principal.userid,
                "aws:username": principal.name,
                "aws:PrincipalArn": principal.arn,
                "aws:PrincipalAccount": principal.account,
                "aws:PrincipalType": "User",
            },
            policies,
        )

    def _session(self, principal: Principal) -> Identity:
        name, _, session = principal.arn.partition(":assumed-role/")[2].partition("/")
        role = self.cloud.role(name)
        arn = str(role.arn) if role else f"arn:aws:iam::{ACCOUNT}:role/{name}"
        caller = Caller(principal.arn, role=arn, unique_id=principal.userid.partition(":")[0])
        context: dict[str, Values] = {
            "aws:userid": principal.userid,
            "aws:PrincipalArn": arn,
            "aws:PrincipalAccount": principal.account,
            "aws:PrincipalType": "AssumedRole",
        }
        if principal.kind in _EC2_KINDS:
            own = f"arn:aws:ec2:{self.cloud.region}:{ACCOUNT}:instance/{session}"
            context |= {"ec2:SourceInstanceARN": own, "ec2:RoleDelivery": "2.0"}
        if principal.kind is Kind.FUNCTION:
            own = f"arn:aws:lambda:{self.cloud.region}:{ACCOUNT}:function:{session}"
            context["lambda:SourceFunctionArn"] = own
        # Another role of the same name, made after the first was deleted, has another unique id.
        if role is None or role.id != caller.unique_id:
            return Identity(caller, context, session=principal.session_policies)
        for tag in role.tags or ():
            context[f"aws:PrincipalTag/{tag['Key']}"] = tag["Value"]
        for key, value in principal.tags:
            context[f"aws:PrincipalTag/{key}"] = value
        boundary = role.permissions_boundary_arn
        return Identity(
            caller,
            context,
            tuple(self.cloud.policies_of_role(role)),
            self.cloud.policy(_name_of(boundary)) if boundary else None,
            principal.session_policies,
        )


def _name_of(boundary: Any) -> str:
    return str(boundary.get("PermissionsBoundaryArn") if isinstance(boundary, dict) else boundary)


@lru_cache(maxsize=1024)
def statements(policy: str) -> tuple[Statement, ...]:
    """The statements of a policy in JSON; none of an empty text.

    Raises:
        TypeError, ValueError: the text is not a policy.
    """
    if not policy:
        return ()
    return statements_of(json.loads(policy))


def _text(document: Any) -> str:
    """A policy document of moto as JSON: text, bytes or data."""
    if document is None:
        return ""
    if isinstance(document, bytes):
        return document.decode()
    return document if isinstance(document, str) else json.dumps(document)


def _of_table(cloud: Cloud, need: Need) -> str:
    """A table's policy covers its indexes; a stream has a policy of its own.

    Source: DynamoDB developer guide, "Using resource-based policies for DynamoDB".
    """
    table, *below = need.resource.partition("/index/")
    found = cloud.backend("dynamodb").resource_policies.get(table if below else need.resource)
    return "" if found is None else _text(found.policy_doc)


def _of_queue(cloud: Cloud, need: Need) -> str:
    queue = cloud.backend("sqs").queues.get(need.resource.rpartition(":")[2])
    return "" if queue is None else _text(queue.policy)


def _of_bucket(cloud: Cloud, need: Need) -> str:
    bucket = cloud.backend("s3").buckets.get(need.resource.rpartition(":")[2].partition("/")[0])
    return "" if bucket is None else _text(bucket.policy)


def _of_key(cloud: Cloud, need: Need) -> str:
    """A key's policy; keys of AWS allow their service's callers of the account to use them."""
    key = cloud.backend("kms").keys.get(need.resource.rpartition("/")[2])
    if key is not None:
        return _text(key.policy)
    used = {"kms:ViaService": f"ssm.{cloud.region}.amazonaws.com"}
    return json.dumps(
        {
            "Statement": [
                {
                    "Sid": "KeyOfAws",
                    "Effect": "Allow",
                    "Principal": "*",
                    "Action": ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*"],
                    "Resource": "*",
                    "Condition": {"StringEquals": used},
                }
            ]
        }
    )


def _of_function(cloud: Cloud, need: Need) -> str:
    for function in cloud.backend("lambda").list_functions():
        if function.function_arn == need.resource:
            return json.dumps({"Statement": list(function.policy.statements)})
    return ""


def _of_topic(cloud: Cloud, need: Need) -> str:
    topic = cloud.backend("sns").topics.get(need.resource)
    return "" if topic is None else _text(topic.policy)


def _of_role(cloud: Cloud, need: Need) -> str:
    """A role's trust policy, for what it decides about."""
    if need.action not in _OF_TRUST:
        return ""
    role = cloud.role_of_arn(need.resource)
    return "" if role is None else _text(role.assume_role_policy_document)


_READERS: Mapping[str, Callable[[Cloud, Need], str]] = {
    "dynamodb": _of_table,
    "kms": _of_key,
    "lambda": _of_function,
    "s3": _of_bucket,
    "sns": _of_topic,
    "sqs": _of_queue,
    "sts": _of_role,
}

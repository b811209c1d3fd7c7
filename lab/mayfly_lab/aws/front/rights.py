"""The rights of Mayfly's functions and instances, by docs/security.md.

The lab states these rights apart from the templates, so a policy that allows more than the page
shows as a difference. People have the rights of the deployed policies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mayfly_lab.aws.front.authoriser import (
    ALLOWED,
    Authoriser,
    ByPrincipal,
    Everything,
    Verdict,
    denied,
)
from mayfly_lab.aws.front.call import Call, Kind, Principal
from mayfly_lab.aws.front.dynamo import ItemRequest, item_requests
from mayfly_protocol.rows import notice_row

_NUDGE = frozenset({"sqs:SendMessage"})
_ROWS = frozenset({"GetItem", "PutItem", "Query"})
_NOTICE = frozenset({"key", "notice", "expires"})
_REPORT = frozenset({"key", "report"})


@dataclass(frozen=True, slots=True)
class Row:
    """The rights of one function."""

    actions: frozenset[str]
    """Allowed operations of other services than DynamoDB."""
    fleet: frozenset[str]
    """Allowed operations on rows of the fleet table."""
    mailbox: Mapping[str, frozenset[str]]
    """Allowed operations on rows of the mailbox, each with the attributes that it may name."""


_FUNCTIONS: dict[str, Row] = {
    "dispatch": Row(
        _NUDGE | {"ssm:GetParameter", "ssm:GetParameters", "kms:Decrypt"},
        _ROWS | {"BatchGetItem", "ConditionCheckItem"},
        {"UpdateItem": frozenset({"key", "assignment", "expires"})},
    ),
    "provision": Row(
        _NUDGE
        | frozenset(
            {
                "ec2:CreateFleet",
                "ec2:DescribeInstances",
                "ec2:DescribeSubnets",
                "ec2:RunInstances",
                "iam:GetPolicy",
                "iam:GetPolicyVersion",
                "iam:GetRole",
                "iam:GetRolePolicy",
                "iam:ListAttachedRolePolicies",
                "iam:ListRolePolicies",
                "ssm:GetParametersByPath",
            }
        ),
        _ROWS | {"BatchGetItem", "DeleteItem", "UpdateItem"},
        {},
    ),
    "sandbox": Row(
        _NUDGE
        | {
            "ec2:DescribeIamInstanceProfileAssociations",
            "ec2:ReplaceIamInstanceProfileAssociation",
        },
        _ROWS | {"UpdateItem"},
        {"BatchGetItem": _REPORT},
    ),
    "reap": Row(
        _NUDGE
        | {
            "ec2:DescribeInstances",
            "ec2:GetConsoleOutput",
            "ec2:TerminateInstances",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
        },
        _ROWS | {"BatchGetItem", "DeleteItem", "UpdateItem"},
        {
            "BatchGetItem": _REPORT,
            # With the key as the only attribute, a request can only delete.
            "BatchWriteItem": frozenset({"key"}),
            "UpdateItem": _NOTICE,
        },
    ),
}
_NOTHING = Row(frozenset(), frozenset(), {})


@dataclass(frozen=True, slots=True)
class FunctionRights:
    """Authoriser of the four functions, by `_FUNCTIONS`."""

    def decide(self, principal: Principal, call: Call) -> Verdict:
        """Allow a call that the function's row of rights contains."""
        row = _FUNCTIONS.get(principal.name, _NOTHING)
        if call.service != "dynamodb":
            allowed = call.action in row.actions
            return ALLOWED if allowed else denied(f"{principal.name} may not {call.action}")
        requests = item_requests(call)
        if not requests:
            return denied(f"{principal.name} may not {call.action}")
        for request in requests:
            if refused := self._row(principal.stack, row, request):
                return denied(f"{principal.name} {refused}")
        return ALLOWED

    def _row(self, stack: str, row: Row, request: ItemRequest) -> str:
        if request.table == f"{stack}-fleet":
            allowed = request.operation in row.fleet
            return "" if allowed else f"may not {request.operation} in the fleet"
        if request.table != f"{stack}-mailbox":
            return f"has no right on table {request.table}"
        attributes = row.mailbox.get(request.operation)
        if attributes is None:
            return f"may not {request.operation} in the mailbox"
        notice = (request.key or "").startswith("notice/")
        if request.operation == "UpdateItem" and attributes == _NOTICE and not notice:
            return "may write no row but notices"
        if request.returns != "NONE":
            return "may not have a mailbox row returned by a write"
        if not request.attributes or not request.attributes <= attributes:
            return f"may not name {sorted(request.attributes - attributes)} of a mailbox row"
        return ""


@dataclass(frozen=True, slots=True)
class InstanceRights:
    """Authoriser of instances: own mailbox row, and for bootstrap roles the reads of a boot."""

    scripts: Mapping[str, str]
    """By queue: `bucket/prefix/` of its readable bootstrap scripts; empty for none."""

    def decide(self, principal: Principal, call: Call) -> Verdict:
        """Allow a call by the kind of the instance's profile."""
        if call.service == "dynamodb":
            return self._mailbox(principal, call)
        if principal.kind is Kind.BOOTSTRAP and self._reads_for_boot(principal, call):
            return ALLOWED
        return denied(f"an instance with a {principal.kind} profile may not {call.action}")

    def _mailbox(self, principal: Principal, call: Call) -> Verdict:
        allowed = {"UpdateItem"} | ({"GetItem"} if principal.kind is Kind.SANDBOX else set())
        if call.operation not in allowed:
            return denied(f"a {principal.kind} role may not {call.action}")
        for request in item_requests(call):
            if request.table != f"{principal.stack}-mailbox":
                return denied(f"an instance has no right on table {request.table}")
            own = {principal.userid}
            if call.operation == "GetItem":
                own.add(notice_row(principal.userid))
            if request.key not in own:
                return denied("the leading key is not the caller's userid")
            if call.operation == "UpdateItem":
                if not request.attributes or not request.attributes <= {"key", "report"}:
                    return denied("only the attributes key and report may be written")
                if request.returns != "NONE":
                    return denied("an update may return no values")
        return ALLOWED

    def _reads_for_boot(self, principal: Principal, call: Call) -> bool:
        match call.action:
            case "ssm:GetParameter":
                queue = f"/mayfly/{principal.stack}/queues/{principal.queue}"
                return str(call.parameters.get("Name", "")) in {
                    f"/mayfly-infra/{principal.stack}/bundle",
                    f"{queue}/bootstrap/script",
                    f"{queue}/debug/keep-failed-minutes",
                    f"{queue}/agent/config",
                    f"{queue}/job/root",
                }
            case "lambda:GetLayerVersion" | "lambda:GetLayerVersionByArn":
                return True
            case "s3:GetObject":
                prefix = self.scripts.get(principal.queue, "")
                path = f"{call.parameters.get('Bucket')}/{call.parameters.get('Key')}"
                return bool(prefix) and path.startswith(prefix)
            case _:
                return False


def mayfly_rights(scripts: Mapping[str, str], people: Authoriser) -> ByPrincipal:
    """The authoriser for all principals; `scripts` as in `InstanceRights`."""
    instances = InstanceRights(scripts)
    return ByPrincipal(
        (
            (Kind.ADMINISTRATOR, Everything()),
            (Kind.PERSON, people),
            (Kind.FUNCTION, FunctionRights()),
            (Kind.BOOTSTRAP, instances),
            (Kind.SANDBOX, instances),
        )
    )

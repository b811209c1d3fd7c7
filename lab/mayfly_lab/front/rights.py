"""The rights of Mayfly's own principals, by what the design gives each of them.

This is the lab's own reading of who may do what: it is written apart from the templates, so
that a policy which is wider than the design shows as a difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from mayfly_lab.front.authoriser import ALLOWED, ByPrincipal, Everything, Verdict, denied
from mayfly_lab.front.call import Call, Kind, Principal
from mayfly_lab.front.dynamo import ItemRequest, item_requests

_CONFIGURATION = frozenset({"ssm:GetParametersByPath"})
_LOOK = frozenset({"ec2:DescribeInstances", "ec2:DescribeIamInstanceProfileAssociations"})
_NUDGE = frozenset({"sqs:SendMessage"})

# What each function may call besides rows of the tables (design, section 4: "alone holds").
_FUNCTIONS: dict[str, frozenset[str]] = {
    "dispatch": _CONFIGURATION | _NUDGE | {"ssm:GetParameter", "kms:Decrypt"},
    "provision": _CONFIGURATION
    | {
        "ec2:CreateFleet",
        "ec2:DescribeInstances",
        "ec2:RunInstances",
        "ec2:StartInstances",
        "ec2:StopInstances",
        "iam:ListAttachedRolePolicies",
        "iam:ListRolePolicies",
    },
    "sandbox": _NUDGE | _LOOK | {"ec2:ReplaceIamInstanceProfileAssociation"} | _CONFIGURATION,
    "reap": _CONFIGURATION
    | _NUDGE
    | _LOOK
    | {
        "ec2:GetConsoleOutput",
        "ec2:TerminateInstances",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    },
}
_READ = frozenset({"BatchGetItem", "ConditionCheckItem", "GetItem"})
_FLEET = _READ | {"PutItem", "Query", "UpdateItem"}
_MAILBOX: dict[str, frozenset[str]] = {
    "dispatch": _READ | {"UpdateItem"},
    "sandbox": _READ,
    "reap": _READ | {"DeleteItem", "UpdateItem"},
}
# The attributes of a mailbox row that reap may touch: never an assignment.
_REAP_TOUCHES = frozenset({"key", "notice", "expires"})
# Several rows in one call: each row is judged as if it were called alone.
_ENVELOPES = frozenset({"BatchGetItem", "TransactWriteItems", "TransactGetItems"})


@dataclass(frozen=True, slots=True)
class FunctionRights:
    """The four functions, each by the table of its operations."""

    def decide(self, principal: Principal, call: Call) -> Verdict:
        """Whether the function's row of rights holds the call."""
        if call.service == "dynamodb":
            return self._rows(principal, call)
        if call.action in _FUNCTIONS.get(principal.name, frozenset()):
            return ALLOWED
        return denied(f"{principal.name} may not {call.action}")

    def _rows(self, principal: Principal, call: Call) -> Verdict:
        if call.operation not in _ENVELOPES | _FLEET | {"DeleteItem"}:
            return denied(f"{principal.name} may not {call.action}")
        for request in item_requests(call):
            refused = self._row(principal, request)
            if refused:
                return denied(f"{principal.name} {refused}")
        return ALLOWED

    def _row(self, principal: Principal, request: ItemRequest) -> str:
        if request.table == f"{principal.stack}-fleet":
            allowed = request.operation in _FLEET
            return "" if allowed else f"may not {request.operation} in the fleet"
        if request.table != f"{principal.stack}-mailbox":
            return f"has no right on table {request.table}"
        if request.operation not in _MAILBOX.get(principal.name, frozenset()):
            return f"may not {request.operation} in the mailbox"
        if principal.name == "reap" and request.operation == "UpdateItem":
            extra = request.attributes - _REAP_TOUCHES
            return f"may not touch {sorted(extra)} of a mailbox row" if extra else ""
        return ""


@dataclass(frozen=True, slots=True)
class InstanceRights:
    """Instances: their own mailbox row, and with the bootstrap role what a boot needs to read."""

    script_prefix: str = ""
    """`bucket/prefix/` under which bootstrap scripts may be read; empty for none."""

    def decide(self, principal: Principal, call: Call) -> Verdict:
        """Whether an instance of this kind may make the call."""
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
            if request.key != principal.userid:
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
                name = str(call.parameters.get("Name", ""))
                return name in {
                    f"/mayfly-infra/{principal.stack}/bundle",
                    f"/mayfly/{principal.stack}/queues/{principal.queue}/bootstrap/script",
                }
            case "lambda:GetLayerVersion" | "lambda:GetLayerVersionByArn":
                return True
            case "s3:GetObject":
                path = f"{call.parameters.get('Bucket')}/{call.parameters.get('Key')}"
                return bool(self.script_prefix) and fnmatchcase(path, f"{self.script_prefix}*")
            case _:
                return False


def mayfly_rights(script_prefix: str = "") -> ByPrincipal:
    """The authoriser of a lab that runs Mayfly."""
    instances = InstanceRights(script_prefix)
    return ByPrincipal(
        (
            (Kind.OPERATOR, Everything()),
            (Kind.FUNCTION, FunctionRights()),
            (Kind.BOOTSTRAP, instances),
            (Kind.SANDBOX, instances),
        )
    )

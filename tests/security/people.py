"""Who may what, for people: each row of the table, and the requests that it is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.security import deployed
from tests.security.case import Case
from tests.security.principals import principals
from tests.security.things_of_data import VIA_SSM, parameter_arn

PEOPLE: Mapping[str, str] = {
    "viewer": "viewers",
    "operator": "operators",
    "security-owner": "security owners",
    "secrets-owner": "secrets owners of a queue",
    "repository-owner": "secrets owners of a repository",
}
"""By principal: the people, as a heading of the table names them."""
Asked = tuple[str, str]
"""An action, and the name of a thing or the ARN of another resource."""
_PUBLIC = parameter_arn(f"{deployed.secrets_path()}/{deployed.FOLDER}/ssh/key.pub")
_OF_QUEUE = parameter_arn(f"/mayfly/{deployed.STACK}/queues/linux")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: what is done, by which requests, and who may."""

    what: str
    requests: tuple[Asked, ...]
    may: frozenset[str] = field(default_factory=frozenset)

    def allowed(self, who: str) -> set[bool]:
        """IAM's verdicts on the row's requests of one person; one verdict if they agree."""
        return {_case(who, action, thing).verdict.allowed for action, thing in self.requests}


def _case(who: str, action: str, thing: str) -> Case:
    via = VIA_SSM if thing.startswith("secret-key/") else {}
    return Case(f"{principals()[who].title} can", who, action, thing, via)


def _row(what: str, requests: str, *may: str) -> Row:
    pairs = (each.split(" on ") for each in requests.split(", "))
    return Row(what, tuple((action, thing) for action, thing in pairs), frozenset(may))


ROWS = (
    _row(
        "read the queues' parameters",
        "ssm:GetParametersByPath on parameter/tree, ssm:GetParameter on parameter/policy",
        *("viewer", "operator", "security-owner"),
    ),
    _row(
        "read records",
        "dynamodb:Query on fleet/index",
        *("viewer", "operator", "security-owner"),
    ),
    _row(
        "read logs",
        "logs:FilterLogEvents on log/dispatch",
        *("viewer", "operator"),
    ),
    _row(
        "read consoles of instances",
        "ec2:GetConsoleOutput on instance/ready",
        *("viewer", "operator"),
    ),
    _row(
        "tune pools, limits, launches",
        "ssm:PutParameter on parameter/pool, ssm:DeleteParameter on parameter/pool",
        "operator",
    ),
    _row("end an instance", "ec2:TerminateInstances on instance/ready", "operator"),
    _row(
        "say what may run, and with which rights",
        "ssm:PutParameter on parameter/policy, ssm:PutParameter on parameter/root",
        "security-owner",
    ),
    _row(
        "say where secrets lie, and which roles jobs get",
        f"ssm:PutParameter on {_OF_QUEUE}/secrets/path, ssm:PutParameter on {_OF_QUEUE}/role/live",
        "security-owner",
    ),
    _row(
        "read which key encrypts secrets, and their public halves",
        f"ssm:GetParameters on parameter/published, ssm:GetParameters on {_PUBLIC}",
        *("secrets-owner", "repository-owner"),
    ),
    _row(
        "see names and dates of secrets",
        "ssm:DescribeParameters on *",
        *PEOPLE,
    ),
    _row(
        "write secrets of the whole queue",
        "ssm:PutParameter on secret/global, kms:Encrypt on secret-key/global",
        "secrets-owner",
    ),
    _row(
        "write secrets of the repository",
        "ssm:PutParameter on secret/repository, ssm:DeleteParameter on secret/repository,"
        " kms:Encrypt on secret-key/repository, kms:GenerateDataKey on secret-key/repository",
        *("secrets-owner", "repository-owner"),
    ),
    _row(
        "say which pipelines and teams use a folder",
        "ssm:PutParameter on secret/list, ssm:DeleteParameter on secret/list",
        "secrets-owner",
    ),
    _row("write secrets of another queue", "ssm:PutParameter on secret/queue-2"),
    _row(
        "read a secret",
        "ssm:GetParameter on secret/repository, ssm:GetParameterHistory on secret/repository,"
        " ssm:GetParametersByPath on secret-path/repository, kms:Decrypt on secret-key/repository",
    ),
    _row(
        "administer the queue's own key, or grant its use",
        "kms:PutKeyPolicy on secret-key/global, kms:CreateGrant on secret-key/global",
    ),
    _row(
        "read or replace the cluster's agent token",
        "ssm:GetParameter on parameter/token, ssm:PutParameter on parameter/token",
    ),
    _row("change whom a role trusts", "iam:UpdateAssumeRolePolicy on role/sandbox"),
)

"""The tables' own policies: who reaches a table, whatever the policies of its role allow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mayfly.iam.evaluation import Request, Statement, decide
from mayfly_cli.templates.resolution import ACCOUNT, REGION
from tests.template.test_host_rights import ADMINISTRATOR, KINDS, MAILBOX_CASES, ROW, role_context

Resources = dict[str, dict[str, Any]]
Context = dict[str, Any]

TABLES = ("Fleet", "Mailbox")
TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/acme"
FLEET, MAILBOX = f"{TABLE}-fleet", f"{TABLE}-mailbox"
OPEN = f"{FLEET}/index/open"
ROLE = f"arn:aws:iam::{ACCOUNT}:role"
FUNCTIONS = f"{ROLE}/mayfly/acme/functions"
FOREIGN = {
    "bootstrap of another stack": f"{ROLE}/mayfly/other/bootstrap/linux/R",
    "sandbox of another stack": f"{ROLE}/mayfly/other/sandbox/linux/acme-linux-sandbox",
    "function of another stack": f"{ROLE}/mayfly/other/functions/R",
    "stack with a longer name": f"{ROLE}/mayfly/acme-2/functions/R",
    "role that copies the path's end": f"{ROLE}/x/mayfly/acme/functions/R",
    "role without path": f"{ROLE}/administrator",
    "user": f"arn:aws:iam::{ACCOUNT}:user/mayfly/acme/functions/R",
    "root": f"arn:aws:iam::{ACCOUNT}:root",
    "role of another account": "arn:aws:iam::999999999999:role/mayfly/acme/functions/R",
}
MAYFLYS = {name: arn for name, arn in FOREIGN.items() if arn.startswith(f"{ROLE}/mayfly/")}

READS = ("BatchGetItem", "ConditionCheckItem", "GetItem", "PartiQLSelect", "Query", "Scan")
WRITES = (
    *("BatchWriteItem", "DeleteItem", "PartiQLDelete", "PartiQLInsert", "PartiQLUpdate"),
    *("PutItem", "UpdateItem"),
)
COPIES = (
    *("CreateBackup", "CreateTableReplica", "EnableKinesisStreamingDestination"),
    *("ExportTableToPointInTime", "ReadDataForReplication", "RestoreTableToPointInTime"),
    *("StartAwsBackupJob", "UpdateKinesisStreamingDestination"),
)
CONTROL = (
    *("DeleteResourcePolicy", "DeleteTable", "DescribeContinuousBackups"),
    *("DescribeContributorInsights", "DescribeKinesisStreamingDestination", "DescribeTable"),
    *("DescribeTableReplicaAutoScaling", "DescribeTimeToLive"),
    *("DisableKinesisStreamingDestination", "GetResourcePolicy", "ListTagsOfResource"),
    *("PutResourcePolicy", "TagResource", "UntagResource", "UpdateContinuousBackups"),
    *("UpdateContributorInsights", "UpdateTable", "UpdateTimeToLive"),
)
USED: dict[str, dict[str, tuple[str, ...]]] = {
    "dispatch": {
        FLEET: ("BatchGetItem", "ConditionCheckItem", "GetItem", "PutItem", "Query"),
        OPEN: ("Query",),
        MAILBOX: ("UpdateItem",),
    },
    "provision": {FLEET: ("BatchGetItem", "DeleteItem", "GetItem", "PutItem", "UpdateItem")},
    "sandbox": {FLEET: ("GetItem", "PutItem", "UpdateItem"), MAILBOX: ("BatchGetItem",)},
    "reap": {
        FLEET: ("BatchGetItem", "DeleteItem", "GetItem", "PutItem", "UpdateItem"),
        OPEN: ("Query",),
        MAILBOX: ("BatchGetItem", "BatchWriteItem", "UpdateItem"),
    },
}


def statements(control: Resources, table: str) -> list[Statement]:
    policy = control[f"{table}Table"]["Properties"]["ResourcePolicy"]["PolicyDocument"]
    found: list[Statement] = policy["Statement"]
    return found


def may(control: Resources, principal: str, action: str, resource: str, **context: Any) -> bool:
    """Whether a principal with every right may do it, by the table's own policy."""
    table = "Fleet" if "-fleet" in resource else "Mailbox"
    request = Request(f"dynamodb:{action}", resource, {"aws:PrincipalArn": principal} | context)
    return decide(request, statements(control, table), ADMINISTRATOR).allowed


def used() -> Iterator[tuple[str, str, str]]:
    for function, tables in USED.items():
        for resource, actions in tables.items():
            yield from ((function, action, resource) for action in actions)


@pytest.mark.parametrize(("function", "action", "resource"), list(used()))
def test_the_own_functions_are_denied_nothing_that_they_use(
    control: Resources, function: str, action: str, resource: str
) -> None:
    assert may(control, f"{FUNCTIONS}/{function}", action, resource)


@pytest.mark.parametrize("table", TABLES)
def test_the_policies_only_deny(control: Resources, table: str) -> None:
    for statement in statements(control, table):
        assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("holders", "action", "context"), MAILBOX_CASES)
def test_the_mailbox_enforces_the_rights_of_hosts_even_without_their_own_denies(
    control: Resources, kind: str, holders: tuple[str, ...], action: str, context: Context
) -> None:
    request = Request(f"dynamodb:{action}", MAILBOX, role_context(kind) | context)
    decision = decide(request, statements(control, "Mailbox"), ADMINISTRATOR)
    assert decision.allowed is (kind in holders)


NOTICE = {"dynamodb:LeadingKeys": [f"notice/{ROW}"]}
ORDER = {"dynamodb:LeadingKeys": [f"start/{ROW}"]}
REPORT = {"dynamodb:Attributes": ["key", "report"], "dynamodb:ReturnValues": "NONE"}


@pytest.mark.parametrize(
    ("holders", "action", "context"),
    [
        (("Sandbox",), "GetItem", NOTICE),
        ((), "GetItem", {"dynamodb:LeadingKeys": ["notice/AROA1:i-0b"]}),
        ((), "GetItem", {"dynamodb:LeadingKeys": [ROW, "notice/AROA1:i-0b"]}),
        ((), "GetItem", {"dynamodb:LeadingKeys": ["notice/"]}),
        ((), "UpdateItem", NOTICE | REPORT),
        ((), "DeleteItem", NOTICE),
        (("Sandbox",), "GetItem", ORDER),
        ((), "GetItem", {"dynamodb:LeadingKeys": ["start/AROA1:i-0b"]}),
        ((), "GetItem", {"dynamodb:LeadingKeys": [ROW, "start/AROA1:i-0b"]}),
        ((), "UpdateItem", ORDER | REPORT),
        ((), "DeleteItem", ORDER),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_host_reads_its_own_notice_and_its_own_order_and_writes_neither(
    control: Resources, kind: str, holders: tuple[str, ...], action: str, context: Context
) -> None:
    request = Request(f"dynamodb:{action}", MAILBOX, role_context(kind) | context)
    decision = decide(request, statements(control, "Mailbox"), ADMINISTRATOR)
    assert decision.allowed is (kind in holders)


@pytest.mark.parametrize("action", READS + WRITES + COPIES)
@pytest.mark.parametrize("principal", FOREIGN.values(), ids=FOREIGN)
def test_no_other_principal_reads_writes_or_copies_the_mailbox(
    control: Resources, principal: str, action: str
) -> None:
    context = {"aws:userid": ROW, "dynamodb:LeadingKeys": [ROW]} | REPORT
    assert not may(control, principal, action, MAILBOX, **context)


def test_a_request_without_a_role_reaches_neither_rows_nor_records(control: Resources) -> None:
    for action, table, resource in (
        ("GetItem", "Mailbox", MAILBOX),
        ("PutItem", "Fleet", FLEET),
    ):
        request = Request(f"dynamodb:{action}", resource)
        assert not decide(request, statements(control, table), ADMINISTRATOR).allowed


@pytest.mark.parametrize("action", CONTROL)
@pytest.mark.parametrize("resource", [FLEET, MAILBOX])
def test_nobody_is_locked_out_of_a_table(control: Resources, resource: str, action: str) -> None:
    for name in ("role without path", "user", "root"):
        assert may(control, FOREIGN[name], action, resource), name


@pytest.mark.parametrize("action", CONTROL + COPIES)
@pytest.mark.parametrize("function", [*USED, *MAYFLYS])
def test_no_role_of_mayfly_changes_or_copies_the_mailbox(
    control: Resources, function: str, action: str
) -> None:
    """UpdateTable could give the stream another view, with assignments in it."""
    principal = MAYFLYS.get(function, f"{FUNCTIONS}/{function}")
    assert not may(control, principal, action, MAILBOX)


@pytest.mark.parametrize("action", WRITES)
@pytest.mark.parametrize("principal", FOREIGN.values(), ids=FOREIGN)
def test_no_other_principal_writes_records(control: Resources, principal: str, action: str) -> None:
    assert not may(control, principal, action, FLEET)


@pytest.mark.parametrize("action", READS + WRITES + COPIES + CONTROL)
@pytest.mark.parametrize("resource", [FLEET, OPEN])
def test_no_other_role_of_mayfly_reaches_the_fleet(
    control: Resources, resource: str, action: str
) -> None:
    own = [f"{ROLE}/mayfly/acme/{kind}/linux/R" for kind in ("bootstrap", "sandbox")]
    for principal in (*MAYFLYS.values(), *own):
        assert not may(control, principal, action, resource), principal


@pytest.mark.parametrize("action", ["DescribeTable", "GetItem", "Query", "Scan"])
def test_people_may_read_the_fleet_as_their_own_policies_say(
    control: Resources, action: str
) -> None:
    for resource in (FLEET, OPEN):
        assert may(control, FOREIGN["role without path"], action, resource)

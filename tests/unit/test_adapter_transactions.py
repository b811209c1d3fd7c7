"""Refused writes by the caller's duty, writes without transaction, unprocessed keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from botocore.stub import Stubber

from mayfly.adapters.dynamodb.fleet import DynamoFleet
from mayfly.adapters.dynamodb.mailbox import DynamoMailbox
from mayfly.adapters.dynamodb.rows import rows
from mayfly.adapters.dynamodb.transactions import Tables
from mayfly.errors import Conflict, MayflyError, Misconfigured, Transient
from mayfly.records.changes import Assign, Change, Drop, FreeSlots, Save, Unassign
from mayfly.records.model import Lease, SlotKey, Stray
from mayfly.records.states import InstanceState
from tests.unit.builders import NOW, a_claim, a_ledger, an_instance


@cache
def client() -> Any:
    return boto3.client(
        "dynamodb",
        region_name="eu-central-1",
        aws_access_key_id="AKIAFAKE",
        aws_secret_access_key="fake",
    )


@pytest.fixture
def dynamodb() -> Iterator[Stubber]:
    with Stubber(client()) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def fleet(dynamodb: Stubber) -> DynamoFleet:
    return DynamoFleet(client(), Tables("fleet", "mailbox"), clock=lambda: NOW)


@pytest.mark.parametrize(
    ("codes", "error"),
    [
        (["ConditionalCheckFailed", "None"], Conflict),
        (["None", "TransactionConflict"], Conflict),
        (["ThrottlingError", "ConditionalCheckFailed"], Conflict),
        (["None", "ThrottlingError"], Transient),
        (["ProvisionedThroughputExceeded", "None"], Transient),
        (["None", "ValidationError"], Misconfigured),
        (["ItemCollectionSizeLimitExceeded", "None"], Misconfigured),
        ([], Misconfigured),
    ],
)
def test_a_cancelled_transaction_raises_by_its_reasons(
    dynamodb: Stubber, fleet: DynamoFleet, codes: Sequence[str], error: type[MayflyError]
) -> None:
    reasons = [{"Code": code, "Message": "because"} for code in codes]
    dynamodb.add_client_error(
        "transact_write_items",
        "TransactionCanceledException",
        modeled_fields={"CancellationReasons": reasons} if reasons else None,
    )
    with pytest.raises(error) as caught:
        fleet.write([Save(a_claim("a")), Save(a_claim("b"))])
    for row, code in zip(("claim#a", "claim#b"), codes, strict=False):
        assert (f"{row}: {code}" in str(caught.value)) == (code != "None")


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("TransactionInProgressException", 400, Transient),
        ("ProvisionedThroughputExceededException", 400, Transient),
        ("ThrottlingException", 400, Transient),
        ("InternalServerError", 500, Transient),
        ("AccessDeniedException", 400, Misconfigured),
        ("ResourceNotFoundException", 400, Misconfigured),
        ("ValidationException", 400, Misconfigured),
    ],
)
def test_a_refused_transaction_raises_by_its_code(
    dynamodb: Stubber, fleet: DynamoFleet, code: str, status: int, error: type[MayflyError]
) -> None:
    dynamodb.add_client_error("transact_write_items", code, http_status_code=status)
    with pytest.raises(error):
        fleet.write([Save(a_claim("a")), Save(a_claim("b"))])


ASSIGNMENT: dict[str, object] = {"token": "bkjat_secret"}


@pytest.mark.parametrize(
    ("changes", "fence", "operation"),
    [
        ([Save(a_claim())], None, "put_item"),
        ([Save(Lease("me", 2, NOW, version=4))], 2, "put_item"),
        ([Save(a_ledger())], None, "update_item"),
        ([Save(a_ledger()), FreeSlots("deploy", 1)], None, "update_item"),
        ([FreeSlots("deploy", 1)], None, "update_item"),
        ([Drop(Stray("i-1", NOW, version=1))], None, "delete_item"),
        ([Assign("row", ASSIGNMENT, NOW)], None, "transact_write_items"),
        ([Unassign("row")], None, "transact_write_items"),
        ([Save(a_claim())], 2, "transact_write_items"),
        ([Save(a_claim("a")), Save(a_claim("b"))], None, "transact_write_items"),
        ([Save(an_instance(InstanceState.LAUNCHING))], None, "transact_write_items"),
        ([], 2, "transact_write_items"),
    ],
)
def test_only_a_write_of_several_rows_or_of_a_mailbox_row_is_a_transaction(
    dynamodb: Stubber,
    fleet: DynamoFleet,
    changes: Sequence[Change],
    fence: int | None,
    operation: str,
) -> None:
    """The policy of `dispatch` allows no update of the mailbox outside a transaction."""
    dynamodb.add_response(operation, {})
    fleet.write(changes, fence)


@pytest.mark.parametrize("change", [Assign("row", ASSIGNMENT, NOW), Unassign("row")])
def test_a_write_of_a_mailbox_row_names_only_what_dispatch_may_write(change: Change) -> None:
    """A name in a condition counts as well: DynamoDB names it to IAM."""
    sent: list[Any] = []
    fake = SimpleNamespace(transact_write_items=lambda **request: sent.append(request))
    fake.exceptions = client().exceptions
    DynamoFleet(cast("Any", fake), Tables("fleet", "mailbox")).write([change], None)
    update = sent[0]["TransactItems"][0]["Update"]
    assert set(update["ExpressionAttributeNames"].values()) <= {"key", "assignment", "expires"}
    assert "ReturnValuesOnConditionCheckFailure" not in update


@pytest.mark.parametrize(
    "code", ["ConditionalCheckFailedException", "TransactionConflictException"]
)
def test_a_lost_race_for_one_row_is_a_conflict(
    dynamodb: Stubber, fleet: DynamoFleet, code: str
) -> None:
    dynamodb.add_client_error("put_item", code)
    with pytest.raises(Conflict):
        fleet.write([Save(a_claim())])


def test_the_repr_of_a_write_shows_no_token() -> None:
    changes = [Assign("row", ASSIGNMENT, NOW)]
    for shown in (repr(changes), repr(rows(changes, fence=2))):
        assert "row='row'" in shown
        assert "bkjat" not in shown


# -- consistent reads --------------------------------------------------------------------------

SLOT = SlotKey("launch-1", 0)


@pytest.mark.parametrize(
    ("read", "key"),
    [
        (lambda fleet: fleet.claim("job-1"), "claim#job-1"),
        (lambda fleet: fleet.instance(SLOT), "instance#launch-1/0"),
        (lambda fleet: fleet.instance_of("i-1"), "ec2#i-1"),
        (lambda fleet: fleet.ledger("deploy"), "capacity#deploy"),
        (lambda fleet: fleet.queue("deploy"), "queue#deploy"),
        (lambda fleet: fleet.lease(), "lease#dispatch"),
    ],
    ids=["claim", "instance", "instance of an EC2 id", "ledger", "queue", "lease"],
)
def test_a_single_record_is_read_consistently(
    dynamodb: Stubber, fleet: DynamoFleet, read: Callable[[DynamoFleet], object], key: str
) -> None:
    asked = {"TableName": "fleet", "Key": {"pk": {"S": key}}, "ConsistentRead": True}
    dynamodb.add_response("get_item", {}, asked)
    assert read(fleet) is None


def test_an_ec2_ids_record_is_read_consistently_after_its_pointer(
    dynamodb: Stubber, fleet: DynamoFleet
) -> None:
    pointer = {"slot": {"M": {"launch": {"S": "launch-1"}, "number": {"N": "0"}}}}
    for key, item in (("ec2#i-1", pointer), ("instance#launch-1/0", None)):
        asked = {"TableName": "fleet", "Key": {"pk": {"S": key}}, "ConsistentRead": True}
        dynamodb.add_response("get_item", {"Item": item} if item else {}, asked)
    assert fleet.instance_of("i-1") is None


@pytest.mark.parametrize(
    ("read", "key"),
    [
        (lambda fleet: fleet.claims_of(["job-1"]), "claim#job-1"),
        (lambda fleet: fleet.slots([SLOT]), "instance#launch-1/0"),
    ],
    ids=["claims", "slots"],
)
def test_records_by_their_keys_are_read_consistently(
    dynamodb: Stubber, fleet: DynamoFleet, read: Callable[[DynamoFleet], object], key: str
) -> None:
    asked = {"RequestItems": {"fleet": {"Keys": [{"pk": {"S": key}}], "ConsistentRead": True}}}
    dynamodb.add_response("batch_get_item", {"Responses": {}, "UnprocessedKeys": {}}, asked)
    assert read(fleet) == []


# -- unprocessed keys and items ----------------------------------------------------------------


def a_row(key: str) -> dict[str, Any]:
    report = {"protocol": {"N": "1"}, "phase": {"S": "booting"}, "boot": {"S": key}}
    return {"key": {"S": key}, "report": {"M": report}}


def test_unprocessed_keys_are_read_again_without_assignments(dynamodb: Stubber) -> None:
    undone = {"mailbox": {"Keys": [{"key": {"S": "b"}}]}}
    dynamodb.add_response(
        "batch_get_item",
        {"Responses": {"mailbox": [a_row("a")]}, "UnprocessedKeys": undone},
        {
            "RequestItems": {
                "mailbox": {
                    "Keys": [{"key": {"S": "a"}}, {"key": {"S": "b"}}],
                    "ConsistentRead": True,
                    # Never the assignment, which holds a token.
                    "ProjectionExpression": "#key, #report",
                    "ExpressionAttributeNames": {"#key": "key", "#report": "report"},
                }
            }
        },
    )
    dynamodb.add_response(
        "batch_get_item", {"Responses": {"mailbox": [a_row("b")]}, "UnprocessedKeys": {}}
    )
    assert list(DynamoMailbox(client(), "mailbox").reports(["a", "b"])) == ["a", "b"]


def test_keys_unprocessed_three_times_are_transient(dynamodb: Stubber) -> None:
    for _ in range(3):
        undone = {"mailbox": {"Keys": [{"key": {"S": "a"}}]}}
        dynamodb.add_response("batch_get_item", {"Responses": {}, "UnprocessedKeys": undone})
    with pytest.raises(Transient, match="1 rows unprocessed"):
        DynamoMailbox(client(), "mailbox").reports(["a"])


def test_unprocessed_removals_are_repeated(dynamodb: Stubber) -> None:
    def removals(*keys: str) -> dict[str, Any]:
        return {"mailbox": [{"DeleteRequest": {"Key": {"key": {"S": key}}}} for key in keys]}

    dynamodb.add_response(
        "batch_write_item",
        {"UnprocessedItems": removals("b")},
        {"RequestItems": removals("a", "notice/a", "start/a", "b", "notice/b", "start/b")},
    )
    dynamodb.add_response(
        "batch_write_item", {"UnprocessedItems": {}}, {"RequestItems": removals("b")}
    )
    DynamoMailbox(client(), "mailbox").remove(["a", "b"])

"""check-aws against two worlds: transactions that name their attributes to IAM, and that do not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from mayfly.iam.evaluation import Request, decide
from mayfly_cli.account import Account
from mayfly_cli.check_aws import measuring
from mayfly_cli.check_aws.measuring import Measured, measure, report
from mayfly_cli.check_aws.trials import ROW, table_policy
from mayfly_cli.ends import BrokenError

TABLE = "mayfly-check-conditions"
ARN = f"arn:aws:dynamodb:eu-1:123456789012:table/{TABLE}"
ROLE = "arn:aws:iam::123456789012:role/mayfly-check-conditions"
OTHERS = "arn:aws:iam::123456789012:role/mayfly/*"


@dataclass
class World:
    """IAM and DynamoDB, as far as the trials need them."""

    transactions_name_attributes: bool = True
    tables_have_policies: bool = True
    transactions_name_themselves: bool = True
    updates_name_attributes: bool = True
    error: str = "AccessDeniedException"

    def call(self, policy: str, operation: str, **request: Any) -> None:
        action, context = self.translated(operation, request)
        asked = Request(action, ARN, {**context, "aws:PrincipalArn": ROLE})
        of_table = table_policy(ARN, ROLE, OTHERS)["Statement"] if self.tables_have_policies else []
        if not decide(asked, json.loads(policy)["Statement"], of_table).allowed:
            raise ClientError({"Error": {"Code": self.error, "Message": "no"}}, operation)

    def translated(self, operation: str, request: Any) -> tuple[str, dict[str, Any]]:
        match operation:
            case "transact_write_items":
                ((_, update),) = request["TransactItems"][0].items()
                action, context = self.translated("update_item", update)
                if not self.transactions_name_attributes:
                    del context["dynamodb:Attributes"]
                if self.transactions_name_themselves:
                    context["dynamodb:EnclosingOperation"] = "TransactWriteItems"
                return action, context
            case "update_item":
                context = {"dynamodb:LeadingKeys": [request["Key"]["key"]["S"]]}
                if self.updates_name_attributes:
                    names = ["key", *request["ExpressionAttributeNames"].values()]
                    context["dynamodb:Attributes"] = names
                if "ReturnValues" in request:
                    context["dynamodb:ReturnValues"] = request["ReturnValues"]
                return "dynamodb:UpdateItem", context
            case "get_item" | "delete_item":
                assert request["Key"] == ROW
                return {"get_item": "dynamodb:GetItem"}.get(operation, "dynamodb:DeleteItem"), {}
            case "batch_write_item":
                ((kind, item),) = request["RequestItems"][TABLE][0].items()
                names = list(item["Key" if kind == "DeleteRequest" else "Item"])
                return "dynamodb:BatchWriteItem", {"dynamodb:Attributes": names}
        asked = request["RequestItems"][TABLE].get("ProjectionExpression")
        if asked is None:
            return "dynamodb:BatchGetItem", {"dynamodb:Select": "ALL_ATTRIBUTES"}
        context = {"dynamodb:Attributes": [asked], "dynamodb:Select": "SPECIFIC_ATTRIBUTES"}
        return "dynamodb:BatchGetItem", context


def lines(world: World, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    status = report(measure(world, ARN, TABLE))
    return status, capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("names", "answer", "ends"),
    [
        (True, "yes", (0, "17 held, 0 broken, 1 known")),
        (False, "no", (1, "16 held, 1 broken, 1 known")),
    ],
)
def test_mayfly_assigns_jobs_whether_or_not_transactions_name_their_attributes(
    names: bool, answer: str, ends: tuple[int, str], capsys: pytest.CaptureFixture[str]
) -> None:
    status, shown = lines(World(transactions_name_attributes=names), capsys)
    assert (status, shown[-1]) == ends
    told = "known   an update inside a transaction names its attributes to IAM: "
    assert f"{told}{answer} (no policy of Mayfly depends on it)" in shown
    harm = "broken  an update of another attribute inside a transaction is denied: no, dispatch may"
    assert any(each.startswith(harm) for each in shown) is not names


def test_a_transaction_that_does_not_name_itself_is_told_with_its_harm(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, shown = lines(World(transactions_name_themselves=False), capsys)
    assert status == 1
    told = (
        "broken  an update inside a transaction names the transaction to IAM: no, dispatch cannot"
    )
    assert any(each.startswith(told) for each in shown)


def test_a_broken_expectation_is_named_with_its_harm(capsys: pytest.CaptureFixture[str]) -> None:
    status, shown = lines(World(updates_name_attributes=False), capsys)
    assert status == 1
    told = "broken  an update names its attributes to IAM: no, no host can report"
    assert any(each.startswith(told) for each in shown)


def test_a_table_whose_policy_does_not_bind_roles_is_told_with_its_harm(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, shown = lines(World(tables_have_policies=False), capsys)
    assert (status, shown[-1]) == (1, "16 held, 1 broken, 1 known")
    told = "broken  a table's policy denies a role what the role's own policies allow: no, any role"
    assert any(each.startswith(told) for each in shown)


def test_the_table_is_made_with_the_policy_that_the_trials_expect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        session = boto3.Session(region_name="eu-central-1")
        account = Account("123456789012", "arn:aws:iam::1:user/ann", "eu-central-1", session)
        client = account.client("dynamodb")
        sent: list[str] = []  # moto takes the policy, and forgets it
        client.meta.events.register(
            "before-parameter-build.dynamodb.CreateTable",
            lambda params, **_: sent.append(params["ResourcePolicy"]),
        )
        with measuring._table(account) as arn:
            assert [json.loads(each) for each in sent] == [table_policy(arn, ROLE, OTHERS)]
        assert client.list_tables()["TableNames"] == []


def test_another_error_than_a_refusal_ends_the_measuring() -> None:
    world = World(updates_name_attributes=False, error="ProvisionedThroughputExceededException")
    with pytest.raises(BrokenError, match="ProvisionedThroughput"):
        list[Measured](measure(world, ARN, TABLE))

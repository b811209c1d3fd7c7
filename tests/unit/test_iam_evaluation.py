"""The policy evaluator behaves like IAM, also in IAM's surprising cases."""

from __future__ import annotations

from typing import Any

import pytest

from mayfly.iam.evaluation import Request, decide

ALLOW = {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::bucket/*"}
KEYS = {"k:many": ["a", "b"], "k:one": "a", "k:star": "*"}


def allowed(statement: dict[str, Any], action: str = "s3:GetObject", **context: Any) -> bool:
    keys = KEYS | {f"x:{name}": value for name, value in context.items()}
    return decide(Request(action, "arn:aws:s3:::bucket/a/b", keys), [statement]).allowed


@pytest.mark.parametrize("action", ["s3:GetObject", "S3:getobject"])
def test_actions_match_with_wildcards_and_without_case(action: str) -> None:
    assert allowed(ALLOW, action)
    assert not allowed(ALLOW, "s3:PutObject")


def test_a_deny_wins_and_the_decision_names_its_statement() -> None:
    deny = ALLOW | {"Effect": "Deny", "Sid": "No"}
    decision = decide(Request("s3:GetObject", "arn:aws:s3:::bucket/a"), [ALLOW], [deny])
    assert (decision.allowed, decision.sid) == (False, "No")


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"StringEquals": {"k:one": "a"}}, True),
        ({"StringEquals": {"K:ONE": "a"}}, True),
        ({"StringEquals": {"k:one": ["b", "a"]}}, True),
        ({"StringEquals": {"k:absent": "a"}}, False),
        ({"StringEqualsIfExists": {"k:absent": "a"}}, True),
        ({"StringEqualsIfExists": {"k:one": "b"}}, False),
        ({"StringNotEquals": {"k:absent": "a"}}, True),
        ({"StringNotEquals": {"k:one": ["a", "b"]}}, False),
        ({"StringLike": {"k:one": "?"}}, True),
        ({"StringEquals": {"k:one": "?"}}, False),
        ({"StringEquals": {"k:one": "${k:one}"}}, True),
        ({"StringEquals": {"k:one": "${k:absent}"}}, False),
        ({"StringLike": {"k:one": "${k:star}"}}, False),
        ({"ForAllValues:StringEquals": {"k:many": ["a", "b", "c"]}}, True),
        ({"ForAllValues:StringEquals": {"k:many": ["a"]}}, False),
        ({"ForAllValues:StringEquals": {"k:absent": ["a"]}}, True),
        ({"ForAnyValue:StringEquals": {"k:many": ["b"]}}, True),
        ({"ForAnyValue:StringEquals": {"k:absent": ["b"]}}, False),
        ({"ForAnyValue:StringNotEquals": {"k:many": ["a"]}}, True),
        ({"ForAnyValue:StringNotEquals": {"k:many": ["a", "b"]}}, False),
        ({"ForAnyValue:StringNotEquals": {"k:absent": ["a"]}}, False),
        ({"Null": {"k:absent": "true"}}, True),
        ({"Null": {"k:one": "false"}}, True),
        ({"Null": {"k:one": "true"}}, False),
    ],
)
def test_a_condition_holds_as_in_iam(condition: dict[str, Any], holds: bool) -> None:
    assert allowed(ALLOW | {"Condition": condition}) is holds


def test_a_wildcard_in_an_arn_condition_stays_between_colons() -> None:
    near = {"ArnLike": {"x:arn": "arn:aws:iam::*:role/a/*"}}
    assert allowed(ALLOW | {"Condition": near}, arn="arn:aws:iam::1:role/a/b/c")
    assert not allowed(ALLOW | {"Condition": near}, arn="arn:aws:iam:x:1:role/a/b")

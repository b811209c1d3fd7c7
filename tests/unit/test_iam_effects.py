"""What policies could allow is asked where a part of the request is not known."""

from __future__ import annotations

from typing import Any

import pytest

from mayfly.answers import Policy
from mayfly.iam.documents import statements_of
from mayfly.iam.effects import Effect, may_apply, surely_applies
from mayfly.iam.evaluation import Request

REQUEST = Request("s3:PutObject", "arn:aws:s3:::bucket/key", {"k:known": "a"})
STATEMENT = {"Effect": "Allow", "Action": "s3:Put*", "Resource": "arn:aws:s3:::bucket/*"}

CASES: list[tuple[dict[str, Any], bool, bool]] = [
    # changes of the statement · may it apply · does it surely apply
    ({}, True, True),
    ({"Condition": {"StringEquals": {"k:known": "a"}}}, True, True),
    ({"Condition": {"StringEquals": {"K:Known": "b"}}}, False, False),
    ({"Condition": {"StringEquals": {"k:other": "a"}}}, True, False),
    ({"Condition": {"StringNotEquals": {"k:other": "a"}}}, True, False),
    ({"Condition": {"StringEqualsIfExists": {"k:other": "a"}}}, True, False),
    ({"Condition": {"Null": {"k:other": "true"}}}, True, False),
    ({"Condition": {"Null": {"k:known": "true"}}}, False, False),
    ({"Condition": {"NoSuchOperator": {"k:known": "a"}}}, True, False),
    ({"Condition": {"StringEquals": {"k:known": "${k:other}"}}}, True, False),
    ({"Condition": {"StringEquals": {"k:known": "${k:known}"}}}, True, True),
    ({"Condition": {"StringEquals": {"k:known": "b", "k:other": "a"}}}, False, False),
    ({"Resource": "arn:aws:s3:::${k:other}/*"}, True, False),
    ({"Resource": "arn:aws:s3:::${k:other, 'bucket'}/*"}, True, False),
    ({"Resource": "arn:aws:s3:::other-${k:other}/*"}, False, False),
    ({"Resource": ["arn:aws:s3:::${k:other}", "arn:aws:s3:::bucket/*"]}, True, True),
    ({"Action": ["iam:*", "S3:putobject"]}, True, True),
    ({"Action": ["iam:*", "s3:Get*"]}, False, False),
    ({"Action": "*"}, True, True),
    ({"Action": "s?:*"}, True, True),
]


@pytest.mark.parametrize(("changes", "may", "surely"), CASES)
def test_unknown_counts_for_an_allow_and_against_a_deny(
    changes: dict[str, Any], may: bool, surely: bool
) -> None:
    statement = STATEMENT | changes
    assert may_apply(statement, REQUEST) is may
    assert surely_applies(statement, REQUEST) is surely


@pytest.mark.parametrize(
    ("excluded", "may", "surely"),
    [
        ("arn:aws:s3:::bucket/*", False, False),
        ("arn:aws:s3:::${k:other}/*", True, False),
        ("arn:aws:s3:::other-${k:other}/*", True, True),
    ],
)
def test_an_excluded_resource_with_an_unknown_variable_may_exclude(
    excluded: str, may: bool, surely: bool
) -> None:
    statement = {"Effect": "Deny", "NotAction": "iam:*", "NotResource": excluded}
    assert (may_apply(statement, REQUEST), surely_applies(statement, REQUEST)) == (may, surely)


def a_policy(name: str, **changes: Any) -> Policy:
    return Policy(name, (STATEMENT | changes,))


IN_DOUBT = {"StringEquals": {"k:other": "a"}}


@pytest.mark.parametrize(
    ("policies", "boundary", "by"),
    [
        ([a_policy("a")], None, "a"),
        ([a_policy("a", Action="s3:Get*"), a_policy("b", Condition=IN_DOUBT)], None, "b"),
        ([a_policy("a"), a_policy("b", Effect="Deny")], None, None),
        ([a_policy("a"), a_policy("b", Effect="Deny", Condition=IN_DOUBT)], None, "a"),
        ([], a_policy("boundary"), None),
        ([a_policy("a")], a_policy("boundary", Condition=IN_DOUBT), "a"),
        ([a_policy("a")], a_policy("boundary", Action="s3:Get*"), None),
        ([a_policy("a")], a_policy("boundary", Effect="Deny"), None),
    ],
)
def test_the_policy_that_could_allow_is_named(
    policies: list[Policy], boundary: Policy | None, by: str | None
) -> None:
    assert Effect(policies, boundary).granted_by(REQUEST) == by


@pytest.mark.parametrize(
    "document",
    [
        None,
        "{",
        {},
        {"Statement": "x"},
        {"Statement": [STATEMENT, None]},
        {"Statement": STATEMENT | {"Effect": "allow"}},
        {"Statement": STATEMENT | {"NotAction": "s3:*"}},
        {"Statement": {"Effect": "Allow", "Resource": "*"}},
        {"Statement": STATEMENT | {"Action": {"a": 1}}},
        {"Statement": STATEMENT | {"Resource": [1]}},
        {"Statement": STATEMENT | {"Condition": ["x"]}},
        {"Statement": STATEMENT | {"Condition": {"StringEquals": "x"}}},
    ],
)
def test_a_document_that_cannot_be_read_is_read_as_nothing(document: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        statements_of(document)


def test_one_statement_stands_for_a_list() -> None:
    assert statements_of({"Statement": STATEMENT}) == statements_of({"Statement": [STATEMENT]})

"""Every operator of IAM's conditions, policy variables, and the elements that negate."""

from __future__ import annotations

from typing import Any

import pytest

from mayfly.iam.evaluation import Request, decide

KEYS = {
    "k:arn": "arn:aws:iam::1:role/a/b",
    "k:date": "2026-05-01T12:00:00Z",
    "k:empty": [],
    "k:ip": "10.1.2.3",
    "k:many": ["a", "b"],
    "k:number": "10",
    "k:text": "Value",
    "k:true": "true",
}


def holds(operator: str, key: str, wanted: Any) -> bool:
    statement = {
        "Effect": "Allow",
        "Action": "*",
        "Resource": "*",
        "Condition": {operator: {key: wanted}},
    }
    return decide(Request("s3:GetObject", "arn:aws:s3:::b/k", KEYS), [statement]).allowed


@pytest.mark.parametrize(
    ("operator", "key", "wanted", "expected"),
    [
        ("StringEqualsIgnoreCase", "k:text", "vALUE", True),
        ("StringEqualsIgnoreCase", "k:text", "other", False),
        ("StringNotEqualsIgnoreCase", "k:text", "vALUE", False),
        ("StringNotLike", "k:text", "V*", False),
        ("StringNotLike", "k:text", "v*", True),
        ("NumericEquals", "k:number", "10.0", True),
        ("NumericNotEquals", "k:number", 10, False),
        ("NumericLessThan", "k:number", 10, False),
        ("NumericLessThan", "k:number", [5, 11], True),
        ("NumericLessThanEquals", "k:number", "10", True),
        ("NumericGreaterThan", "k:number", 9, True),
        ("NumericGreaterThanEquals", "k:number", "11", False),
        ("NumericLessThan", "k:text", 10, False),
        ("NumericLessThanIfExists", "k:absent", 10, True),
        ("DateEquals", "k:date", "2026-05-01T14:00:00+02:00", True),
        ("DateNotEquals", "k:date", "2026-05-01T12:00:00Z", False),
        ("DateLessThan", "k:date", "2026-05-02", True),
        ("DateLessThanEquals", "k:date", "1777636800", True),
        ("DateGreaterThan", "k:date", "2026-05-02T00:00:00Z", False),
        ("DateGreaterThanEquals", "k:date", "2026-05-01T12:00:00Z", True),
        ("DateLessThan", "k:text", "2026-05-02", False),
        ("Bool", "k:true", True, True),
        ("Bool", "k:true", "False", False),
        ("BoolIfExists", "k:absent", "false", True),
        ("BinaryEquals", "k:text", "Value", True),
        ("BinaryEquals", "k:text", "value", False),
        ("IpAddress", "k:ip", ["192.168.0.0/16", "10.0.0.0/8"], True),
        ("NotIpAddress", "k:ip", "10.1.2.3", False),
        ("IpAddress", "k:ip", "2001:db8::/32", False),
        ("IpAddress", "k:text", "0.0.0.0/0", False),
        ("ArnEquals", "k:arn", "arn:aws:iam::*:role/*", True),
        ("ArnNotLike", "k:arn", "arn:aws:iam::1:role/*", False),
        ("ArnNotEquals", "k:arn", "arn:aws:iam::2:role/*", True),
        ("ArnNotLike", "k:absent", "*", True),
        ("StringNotLikeIfExists", "k:absent", "*", True),
        ("StringNotEquals", "k:many", ["a"], False),
        ("StringNotEquals", "k:many", ["c"], True),
        ("ForAllValues:StringNotLike", "k:many", ["c*"], True),
        ("ForAllValues:StringNotLike", "k:many", ["b*"], False),
        ("ForAllValues:ArnLike", "k:absent", ["arn:*"], True),
        ("ForAnyValue:StringLike", "k:many", ["b*"], True),
        ("ForAnyValue:StringEqualsIfExists", "k:absent", ["b"], True),
        ("Null", "k:empty", "true", True),
        ("Null", "k:empty", True, True),
        ("Null", "k:text", ["true", "false"], True),
        ("StringEquals", "k:empty", "a", False),
        ("StringNotEquals", "k:empty", "a", True),
        ("ForAllValues:StringEquals", "k:empty", "a", True),
        ("ForAnyValue:StringEquals", "k:empty", "a", False),
        ("StringEquals", "k:text", "${k:absent, 'Value'}", True),
        ("StringEquals", "k:text", "${k:text, 'Default'}", True),
        ("StringEquals", "k:text", "${K:TEXT}", True),
        ("StringEqualsIgnoreCase", "k:text", "VAL${k:absent, 'UE'}", True),
        ("StringEquals", "k:text", "${k:many}", False),
        ("StringNotEquals", "k:text", "${k:absent}", True),
        ("StringLike", "k:text", "Valu${?}", False),
        ("StringLike", "k:text", "${*}", False),
        ("ArnLike", "k:arn", "arn:aws:iam::1:role/a/${k:absent, 'b'}", True),
        ("ArnLike", "k:arn", "arn:aws:iam::1:role/${k:text}", False),
    ],
)
def test_a_condition_holds_as_in_iam(operator: str, key: str, wanted: Any, expected: bool) -> None:
    assert holds(operator, key, wanted) is expected


@pytest.mark.parametrize(
    "operator", ["StringEqualz", "stringequals", "ForEachValue:StringEquals", "NullIfExists"]
)
@pytest.mark.parametrize("key", ["k:text", "k:absent"])
def test_an_unknown_operator_raises_even_for_an_absent_key(operator: str, key: str) -> None:
    with pytest.raises(KeyError):
        holds(operator, key, "a")


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"NotAction": "s3:Put*", "Resource": "*"}, True),
        ({"NotAction": ["s3:Put*", "S3:getobject"], "Resource": "*"}, False),
        ({"Action": "*", "NotResource": "arn:aws:s3:::other/*"}, True),
        ({"Action": "*", "NotResource": "arn:aws:s3:::b/*"}, False),
        ({"Action": "s3:Get?bject", "Resource": "arn:aws:s3:::b/*"}, True),
        ({"Action": "*", "Resource": "arn:aws:s3"}, True),
        ({"Action": "*", "Resource": "arn:aws:sqs"}, False),
        ({"Action": "*", "Resource": "arn:aws:s3:::${k:absent}/k"}, False),
        ({"Action": "*", "Resource": "arn:aws:s3:::${k:absent, 'b'}/k"}, True),
    ],
)
def test_an_element_matches_as_in_iam(elements: dict[str, Any], expected: bool) -> None:
    request = Request("s3:GetObject", "arn:aws:s3:::b/k", KEYS)
    assert decide(request, [{"Effect": "Allow", **elements}]).allowed is expected


@pytest.mark.parametrize("element", ["Action", "Resource"])
def test_an_identity_statement_without_an_element_raises(element: str) -> None:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    del statement[element]
    with pytest.raises(KeyError):
        decide(Request("s3:GetObject", "arn:aws:s3:::b/k"), [statement])

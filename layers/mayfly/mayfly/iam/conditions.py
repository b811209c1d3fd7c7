"""Decides whether a statement's conditions hold.

Source: IAM user guide, "IAM JSON policy elements: Condition operators" and "Single-valued vs.
multivalued context keys".
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Any

from mayfly.iam.matching import arn_matches, equals, like, substituted
from mayfly.iam.request import Request, Statement, as_list

Test = Callable[[str, str, Request], bool]


def conditions_hold(statement: Statement, request: Request) -> bool:
    """Whether every condition of a statement holds for a request.

    Raises:
        KeyError: IAM has no such operator. A policy with one must not count as evaluated.
    """
    return all(
        _holds(operator, key, [_text(value) for value in as_list(wanted)], request)
        for operator, keys in statement.get("Condition", {}).items()
        for key, wanted in keys.items()
    )


def _holds(operator: str, key: str, wanted: list[str], request: Request) -> bool:
    found = request.values(key) or []  # a key without a value counts as absent
    if operator == "Null":
        return str(not found).lower() in {value.lower() for value in wanted}
    quantifier, _, name = operator.rpartition(":")
    if quantifier not in {"", "ForAllValues", "ForAnyValue"}:
        raise KeyError(operator)
    test, negated = _OPERATORS[name.removesuffix("IfExists")]
    if not found:
        if name.endswith("IfExists") or quantifier == "ForAllValues":
            return True
        # By IAM's rules an absent key satisfies a negated operator, except with ForAnyValue.
        return negated and quantifier != "ForAnyValue"
    matches = [any(test(want, str(value), request) for want in wanted) for value in found]
    match quantifier:
        case "ForAllValues":
            return all(each != negated for each in matches)
        case "ForAnyValue":
            return any(each != negated for each in matches)
        case _:
            return any(matches) != negated


def _text(value: Any) -> str:
    """A value of a policy as text: JSON allows true and 1 in place of strings."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(compare: Callable[[float, float], bool]) -> Test:
    def test(wanted: str, value: str, _: Request) -> bool:
        try:
            return compare(float(value), float(wanted))
        except ValueError:
            return False  # a value that is no number matches none

    return test


def _date(compare: Callable[[datetime, datetime], bool]) -> Test:
    def test(wanted: str, value: str, _: Request) -> bool:
        try:
            return compare(_moment(value), _moment(wanted))
        except ValueError:
            return False  # a value that is no date matches none

    return test


def _moment(text: str) -> datetime:
    """A date in ISO 8601 or in seconds since the epoch."""
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _address(wanted: str, value: str, _: Request) -> bool:
    try:
        return ip_address(value) in ip_network(wanted, strict=False)
    except ValueError:
        return False  # a value that is no address is in no network


def _same_truth(wanted: str, value: str, _: Request) -> bool:
    return wanted.lower() == value.lower()


def _same_text(wanted: str, value: str, request: Request) -> bool:
    text = substituted(wanted, request)
    return text is not None and text.casefold() == value.casefold()


def _same_bytes(wanted: str, value: str, _: Request) -> bool:
    return wanted == value


_OPERATORS: dict[str, tuple[Test, bool]] = {
    "ArnEquals": (arn_matches, False),
    "ArnLike": (arn_matches, False),
    "ArnNotEquals": (arn_matches, True),
    "ArnNotLike": (arn_matches, True),
    "BinaryEquals": (_same_bytes, False),
    "Bool": (_same_truth, False),
    "DateEquals": (_date(lambda value, wanted: value == wanted), False),
    "DateGreaterThan": (_date(lambda value, wanted: value > wanted), False),
    "DateGreaterThanEquals": (_date(lambda value, wanted: value >= wanted), False),
    "DateLessThan": (_date(lambda value, wanted: value < wanted), False),
    "DateLessThanEquals": (_date(lambda value, wanted: value <= wanted), False),
    "DateNotEquals": (_date(lambda value, wanted: value == wanted), True),
    "IpAddress": (_address, False),
    "NotIpAddress": (_address, True),
    "NumericEquals": (_number(lambda value, wanted: value == wanted), False),
    "NumericGreaterThan": (_number(lambda value, wanted: value > wanted), False),
    "NumericGreaterThanEquals": (_number(lambda value, wanted: value >= wanted), False),
    "NumericLessThan": (_number(lambda value, wanted: value < wanted), False),
    "NumericLessThanEquals": (_number(lambda value, wanted: value <= wanted), False),
    "NumericNotEquals": (_number(lambda value, wanted: value == wanted), True),
    "StringEquals": (equals, False),
    "StringEqualsIgnoreCase": (_same_text, False),
    "StringLike": (like, False),
    "StringNotEquals": (equals, True),
    "StringNotEqualsIgnoreCase": (_same_text, True),
    "StringNotLike": (like, True),
}
"""By operator: the test of one value, and whether the operator negates it."""

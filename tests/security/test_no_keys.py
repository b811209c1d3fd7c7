"""Every ForAllValues of the templates has its case for a request without the key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.security import deployed
from tests.security.cases.no_keys import CASES


def documents(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every statement anywhere in a resource's properties."""
    if isinstance(value, list):
        for each in value:
            yield from documents(each)
    elif isinstance(value, dict):
        if "Effect" in value:
            yield value
        for each in value.values():
            yield from documents(each)


def quantified() -> set[tuple[str, str, str]]:
    """Role or resource, Sid and key of every ForAllValues in both templates."""
    return {
        (name, statement["Sid"], key)
        for resources in (deployed.control(), deployed.queue())
        for name, resource in resources.items()
        for statement in documents(resource["Properties"])
        for operator, keys in statement.get("Condition", {}).items()
        if operator.startswith("ForAllValues:")
        for key in keys
    }


def test_every_forallvalues_has_a_case_without_its_key() -> None:
    assert quantified() == set(CASES)


def test_a_case_without_a_key_says_that_the_request_is_denied() -> None:
    for (_, _, key), case in CASES.items():
        assert key not in case.supplied
        assert not case.allowed

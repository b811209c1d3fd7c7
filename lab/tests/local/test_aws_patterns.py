"""Event patterns against events; AWS's Event Ruler gives the same answers (lab/tests/judges)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from moto.events.models import EventPattern

from judges.matching import examples, in_the_lab, patterns
from judges.pattern_cases import EXAMPLES, PATTERN_CASES, TEMPLATE_CASES
from mayfly_lab.aws.patterns import matches


@pytest.mark.parametrize(("pattern", "event", "wanted"), PATTERN_CASES.values(), ids=PATTERN_CASES)
def test_a_pattern_matches_an_event_as_event_ruler_does(
    pattern: dict[str, Any], event: dict[str, Any], wanted: bool
) -> None:
    assert matches(EventPattern.load(json.dumps(pattern)), event) is wanted


def test_an_empty_pattern_matches_every_event() -> None:
    assert matches(EventPattern.load("{}"), {"source": "a"})


def test_every_pattern_of_the_templates_has_an_example_that_matches() -> None:
    assert set().union(*EXAMPLES.values()) == set(patterns())
    found = {name: in_the_lab(event) for name, event in examples()}
    assert {name: matching for name, matching in found.items() if matching} == EXAMPLES


def test_a_pattern_of_the_templates_matches_what_it_is_for_and_nothing_near_it() -> None:
    wanted = {name: found for name, _, found in TEMPLATE_CASES}
    assert {name: in_the_lab(event) for name, event, _ in TEMPLATE_CASES} == wanted

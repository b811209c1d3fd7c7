"""The templates' event patterns match what they are for, as AWS's own matcher judges them.

Event Ruler is the library that EventBridge is built on. The lab's matcher must agree with it on the
examples in `events/`, and on every event that differs from an example in one place.
"""

from __future__ import annotations

import pytest

from judges.matching import examples, in_the_lab, judged, patterns, texts
from judges.near_misses import near_misses
from judges.pattern_cases import EXAMPLES, PATTERN_CASES, TEMPLATE_CASES
from judges.tools import MissingToolError, ruler


@pytest.fixture(autouse=True)
def _judge() -> None:
    try:
        ruler()
    except MissingToolError as error:
        pytest.skip(str(error))


def test_the_examples_match_the_patterns_that_are_for_them() -> None:
    events = dict(examples())
    answers = zip(events, judged(list(events.values())), strict=True)
    assert {name: found for name, found in answers if found} == EXAMPLES


def test_a_pattern_matches_what_it_is_for_and_nothing_near_it() -> None:
    wanted = {name: found for name, _, found in TEMPLATE_CASES}
    answers = judged([event for _, event, _ in TEMPLATE_CASES])
    assert dict(zip(wanted, answers, strict=True)) == wanted


def test_the_lab_and_event_ruler_agree_on_every_near_miss() -> None:
    values = frozenset(texts(patterns()))
    near = [
        (f"{example}: {change}", event)
        for example, base in examples()
        if "Records" not in base
        for change, event in near_misses(base, values)
    ]
    answers = judged([event for _, event in near])
    assert len(near) > 500
    assert any(answers)
    differing = {
        name: {"Event Ruler": theirs, "lab": ours}
        for (name, event), theirs in zip(near, answers, strict=True)
        if theirs != (ours := in_the_lab(event))
    }
    assert differing == {}


def test_event_ruler_agrees_with_the_cases_that_hold_the_labs_matcher() -> None:
    named = {name: pattern for name, (pattern, _, _) in PATTERN_CASES.items()}
    answers = judged([event for _, event, _ in PATTERN_CASES.values()], named)
    found = {name: name in answer for name, answer in zip(PATTERN_CASES, answers, strict=True)}
    assert found == {name: wanted for name, (_, _, wanted) in PATTERN_CASES.items()}

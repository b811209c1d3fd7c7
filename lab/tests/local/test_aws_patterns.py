"""Event patterns against events; AWS's Event Ruler gives the same answers (lab/tests/judges)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from moto.events.models import EventPattern

from judges.pattern_cases import PATTERN_CASES
from mayfly_lab.aws.patterns import matches


@pytest.mark.parametrize(("pattern", "event", "wanted"), PATTERN_CASES.values(), ids=PATTERN_CASES)
def test_a_pattern_matches_an_event_as_event_ruler_does(
    pattern: dict[str, Any], event: dict[str, Any], wanted: bool
) -> None:
    assert matches(EventPattern.load(json.dumps(pattern)), event) is wanted

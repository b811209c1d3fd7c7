"""The templates' event patterns match what they are for, as AWS's own matcher judges them.

Event Ruler is the library that EventBridge is built on. The lab's matcher must agree with it on the
examples in `events/`, and on every event that differs from an example in one place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from judges.matching import Event, examples, in_the_lab, judged, patterns, texts
from judges.near_misses import near_misses
from judges.pattern_cases import PATTERN_CASES
from judges.tools import ROOT, MissingToolError, ruler

STATES = ("shutting-down", "stopped", "stopping", "terminated")

WANTED: Mapping[str, set[str]] = {
    "instance-messages.json body 0": {"InstanceStateChange"},
    "instance-messages.json body 1": {"SpotWarning"},
    "instance-state-change.json": {"InstanceStateChange"},
    "mailbox.json record 0": {"SandboxFunctionMail 0"},
    "parameter-change.json": {"ProvisionFunctionParameterChange"},
    "spot-warning.json": {"SpotWarning"},
}
"""The patterns that each example must match; all other examples match none."""


def detail(base: str, **changes: Any) -> Event:
    """The example in this file, with changed fields of its detail."""
    event: Event = json.loads((ROOT / "events" / base).read_text())
    return {**event, "detail": {**event["detail"], **changes}}


def parameter(name: Any) -> Event:
    return detail("parameter-change.json", name=name)


def mail(kind: str) -> Event:
    event: Event = json.loads((ROOT / "events" / "mailbox.json").read_text())
    return {**event["Records"][0], "eventName": kind}


CASES: list[tuple[str, Event, set[str]]] = [
    *(
        (f"an instance is {state}", detail("instance-state-change.json", state=state), wanted)
        for states, wanted in (
            (STATES, {"InstanceStateChange"}),
            (("pending", "running", "Terminated", "terminated ", None, ""), set[str]()),
        )
        for state in states
    ),
    ("a hot parameter", parameter("/mayfly/mayfly/x"), {"ProvisionFunctionParameterChange"}),
    ("infra", parameter("/mayfly-infra/mayfly/x"), {"ProvisionFunctionParameterChange"}),
    ("another stack", parameter("/mayfly/other/x"), set()),
    ("a stack whose name is longer", parameter("/mayfly/mayfly2/x"), set()),
    ("the folder alone", parameter("/mayfly/mayfly"), set()),
    ("a folder above", parameter("/x/mayfly/mayfly/x"), set()),
    ("the token", parameter("/buildkite/mayfly/agent-token"), set()),
    ("new mail", mail("INSERT"), {"SandboxFunctionMail 0"}),
    ("changed mail", mail("MODIFY"), {"SandboxFunctionMail 0"}),
    ("mail that is gone", mail("REMOVE"), set()),
    (
        "a rebalance recommendation",
        {
            **detail("spot-warning.json"),
            "detail-type": "EC2 Instance Rebalance Recommendation",
        },
        set(),
    ),
]


@pytest.fixture(autouse=True)
def _judge() -> None:
    try:
        ruler()
    except MissingToolError as error:
        pytest.skip(str(error))


def test_the_examples_match_the_patterns_that_are_for_them() -> None:
    events = dict(examples())
    answers = dict(zip(events, judged(list(events.values())), strict=True))
    assert {name: found for name, found in answers.items() if found} == WANTED
    assert {name: in_the_lab(event) for name, event in events.items()} == answers


def test_every_pattern_of_the_templates_has_cases() -> None:
    assert set().union(*WANTED.values()) == set(patterns())


def test_a_pattern_matches_what_it_is_for_and_nothing_near_it() -> None:
    wanted = {name: found for name, _, found in CASES}
    answers = judged([event for _, event, _ in CASES])
    assert dict(zip(wanted, answers, strict=True)) == wanted
    assert {name: in_the_lab(event) for name, event, _ in CASES} == wanted


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

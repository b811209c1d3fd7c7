"""Every case of the table of permissions has the verdict that its sentence states."""

from __future__ import annotations

import pytest

from tests.security.case import Case
from tests.security.cases.table import CASES

ALL = [case for cases in CASES.values() for case in cases]


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.sentence)
def test_a_case_has_the_verdict_of_its_sentence(case: Case) -> None:
    assert case.verdict.allowed is case.allowed, case.verdict


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.sentence)
def test_aws_supplies_the_condition_keys_of_a_case(case: Case) -> None:
    """A condition on another key would hold or fail for a reason that AWS does not have."""
    assert case.unknown_keys <= {"dynamodb:ReturnValues"}, case.unknown_keys


def test_sentences_differ() -> None:
    sentences = [case.sentence for case in ALL]
    assert len(sentences) >= 150
    assert len(set(sentences)) == len(sentences)

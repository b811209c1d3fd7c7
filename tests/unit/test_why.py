"""Reasons: one table of codes, and how long a reason has stood."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mayfly.adapters.dynamodb.records import from_item, to_item
from mayfly.records.model import Claim
from mayfly.records.standing import (
    MOST_LEFT,
    MOST_REASONS,
    REPEAT,
    REPEAT_QUIET,
    LeftAlone,
    Standing,
    Target,
    is_due,
    standing_after,
)
from mayfly.records.why import LONGEST_WHY, Code, Why, in_order, since_before, why
from tests.unit.builders import NOW, QUEUE, a_claim, later

LIMIT = why(Code.MAX_INSTANCES, "queue deploy has 2 instances, which is its limit", NOW)
A_SECOND = timedelta(seconds=1)


def a_standing(*reasons: Why, **changes: object) -> Standing:
    return replace(Standing(QUEUE, "provision", NOW, reasons), **changes)  # type: ignore[arg-type]


def left_alone(job: str) -> LeftAlone:
    return LeftAlone(job, "app", 7, "train", why(Code.RULE_NOT_MET, "no tag gpu", NOW, subject=job))


@pytest.mark.parametrize("code", Code)
def test_each_code_says_what_it_means_and_what_to_do_where_a_person_is_needed(code: Code) -> None:
    assert code.meaning.endswith(".")
    assert code.remedy.endswith(".") or not code.remedy
    # Nothing waits for a person who is not told what to do.
    assert code.remedy or (code.ends_by_itself and not code.needs_person)


def test_codes_that_need_a_person_come_first() -> None:
    needs = [code.needs_person for code in Code]
    assert needs == sorted(needs, reverse=True)


def test_a_claim_with_a_code_of_a_later_version_stays_readable() -> None:
    item = dict(to_item(a_claim("job-1", why=LIMIT)))
    assert from_item(Claim, item).why == LIMIT
    item["why"] = {"M": {**item["why"]["M"], "code": {"S": "quota-of-tomorrow"}}}
    assert from_item(Claim, item).why == replace(LIMIT, code=Code.OTHER)


def test_a_reason_holds_no_more_text_than_a_record_may() -> None:
    assert len(why(Code.LAUNCH_REFUSED, "é" * 1000, NOW).text.encode()) <= LONGEST_WHY


def test_a_reason_stands_since_code_and_subject_are_the_same() -> None:
    before = why(Code.NO_CAPACITY, "tried once", NOW, subject="a")
    again = why(Code.NO_CAPACITY, "tried twice", later(seconds=9), subject="a")
    assert since_before(again, [None, LIMIT, before]) == replace(again, since=NOW)
    for other in (replace(again, subject="b"), replace(again, code=Code.TAKEN_BACK)):
        assert since_before(other, [before]) == other


def test_reasons_are_in_the_order_of_the_table_and_each_key_once() -> None:
    braked = why(Code.BRAKED, "3 boots failed", NOW, subject="b")
    assert in_order([LIMIT, braked, replace(LIMIT, text="said again")]) == (braked, LIMIT)


def test_a_standing_keeps_times_and_version_of_the_one_before() -> None:
    before = a_standing(LIMIT, left=(left_alone("job-1"),), version=4)
    found = a_standing(
        *(replace(each, since=later(minutes=3)) for each in (LIMIT, replace(LIMIT, subject="new"))),
        left=tuple(
            replace(each, why=replace(each.why, since=later(minutes=3)))
            for each in (left_alone("job-1"), left_alone("job-2"))
        ),
    )
    after = standing_after(found, before)
    assert after.version == 4
    assert [each.since for each in after.reasons] == [NOW, later(minutes=3)]
    assert [each.why.since for each in after.left] == [NOW, later(minutes=3)]


def test_a_standing_holds_the_gravest_reasons_and_few_jobs() -> None:
    many = [why(Code.COMING, "coming", NOW, subject=f"{n}") for n in range(99)]
    left = tuple(left_alone(f"job-{n}") for n in range(99))
    kept = standing_after(a_standing(*many, LIMIT, left=left, left_total=99), None)
    assert (len(kept.reasons), kept.reasons[0]) == (MOST_REASONS, LIMIT)
    assert (len(kept.left), kept.left_total) == (MOST_LEFT, 99)


@pytest.mark.parametrize(
    ("changes", "after", "due"),
    [
        ({}, A_SECOND, False),
        ({}, REPEAT, True),
        ({"waiting": 3, "oldest": NOW}, A_SECOND, False),  # counts come in turn
        ({"reasons": (replace(LIMIT, text="another"),)}, A_SECOND, False),
        ({"reasons": ()}, A_SECOND, True),
        ({"reasons": (replace(LIMIT, next_try=later(1)),)}, A_SECOND, True),
        ({"reasons": (replace(LIMIT, subject="b"),)}, A_SECOND, True),
        ({"left": (left_alone("job-1"),)}, A_SECOND, True),
        ({"hot": Target(3, "Mon-Fri")}, A_SECOND, True),
        ({"reasons": ()}, A_SECOND / 2, False),  # sooner than the function may write
    ],
)
def test_a_standing_is_written_on_change_and_in_turn(
    changes: dict[str, object], after: timedelta, due: bool
) -> None:
    found = replace(a_standing(LIMIT), at=NOW + after, **changes)  # type: ignore[arg-type]
    assert is_due(found, a_standing(LIMIT), soonest=A_SECOND) == due


def test_a_standing_without_anything_to_say_is_renewed_before_it_expires() -> None:
    assert is_due(a_standing(), None)
    assert not is_due(a_standing(at=NOW + REPEAT_QUIET - A_SECOND), a_standing())
    assert is_due(a_standing(at=NOW + REPEAT_QUIET), a_standing())

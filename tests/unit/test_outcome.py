"""The outcome of a tick: every error and every count has its field and its metric."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import get_args

import pytest

from mayfly.errors import (
    FAILURES,
    Conflict,
    Failure,
    MayflyError,
    Misconfigured,
    NoCapacity,
    NotFound,
    TokenRefused,
    Transient,
)
from mayfly.metrics import Metric
from mayfly.records.about import Fields
from mayfly.records.about import fields as log_fields
from mayfly.records.why import Code, why
from mayfly.tick.measures import Measures
from mayfly.tick.outcome import Held, Left, Outcome
from tests.unit.builders import NOW, a_claim, later

A_LIMIT = Held("deploy", why(Code.LAUNCH_PACE, "a limit", NOW), (a_claim("job-1"),))


@dataclass(frozen=True)
class Wave:
    """An action that belongs to no function."""

    reason: str = "because"
    about: Fields = field(default_factory=lambda: {"job": "job-1"})


def failing(error: MayflyError) -> Outcome:
    """The outcome of one action that raises `error`."""

    def apply(action: Wave) -> None:
        raise error

    outcome = Outcome()
    outcome.perform([Wave()], apply)
    return outcome


METRIC_OF = {
    Conflict: Metric.LEFT_CONFLICT,
    Transient: Metric.LEFT_TRANSIENT,
    NotFound: Metric.LEFT_NOT_FOUND,
    Misconfigured: Metric.BAD_CONFIGURATION,
    NoCapacity: Metric.NO_CAPACITY,
}


def test_an_outcome_knows_every_kind_of_error() -> None:
    assert set(MayflyError.__subclasses__()) == set(FAILURES) == set(get_args(Failure))
    assert METRIC_OF.keys() == set(FAILURES)


@pytest.mark.parametrize("kind", METRIC_OF)
def test_every_error_of_an_action_is_counted_by_one_metric(kind: type[Failure]) -> None:
    outcome = failing(kind("why"))
    counted = {metric for metric, number in outcome.metrics() if number}
    assert counted == {METRIC_OF[kind]}
    assert dict(outcome.metrics())[METRIC_OF[kind]] == 1
    assert not outcome.changed


@pytest.mark.parametrize("kind", METRIC_OF)
def test_every_error_of_a_read_is_counted_by_the_same_metric(kind: type[Failure]) -> None:
    def read() -> None:
        raise kind("why")

    outcome = Outcome()
    with outcome.noting("records"):
        read()
    assert list(outcome.metrics()) == list(failing(kind("why")).metrics())


@pytest.mark.parametrize(
    ("kind", "unfinished"),
    [
        (Conflict, True),
        (Transient, True),
        (NotFound, True),
        (Misconfigured, False),
        (NoCapacity, False),
    ],
)
def test_only_errors_that_a_repetition_can_mend_are_unfinished(
    kind: type[Failure], unfinished: bool
) -> None:
    assert failing(kind("why")).unfinished is unfinished


def test_a_subclass_of_a_known_error_is_counted_as_that_error() -> None:
    class Refused(Misconfigured):
        """An error of an adapter that is a kind of Misconfigured."""

    outcome = failing(Refused("401"))
    assert outcome.problems == ["Wave: 401"]
    assert dict(outcome.metrics()) == {Metric.BAD_CONFIGURATION: 1}


def test_a_refused_token_is_one_problem_whatever_was_called() -> None:
    outcome, refused = failing(TokenRefused("401")), TokenRefused("401")
    outcome.failed("jobs of queue deploy", refused)
    outcome.add(failing(TokenRefused("401")))
    assert (outcome.problems, outcome.unlogged) == (["401"], {})
    assert dict(outcome.metrics()) == {Metric.BAD_CONFIGURATION: 1, Metric.TOKEN_REFUSED: 1}
    assert not outcome.of_queues.total  # one alarm for the token, and none for each queue


def test_a_problem_that_many_ticks_meet_is_logged_once_an_invocation(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outcome = Outcome()
    for _ in range(9):
        outcome.add(failing(Misconfigured("403")))
    assert outcome.unlogged == {"Wave: 403": {"job": "job-1"}}
    assert caplog.records == []


def test_the_line_of_a_problem_that_two_actions_share_names_the_subjects_of_both() -> None:
    outcome, other = Outcome(), Outcome()
    outcome.failed("jobs", Misconfigured("403"), log_fields(queues=["a"], jobs=["1", "2"]))
    outcome.failed("jobs", Misconfigured("403"), log_fields(queues=["b"], jobs=["3"]))
    other.failed("jobs", Misconfigured("403"), log_fields(queues=["c"], launches=["l"]))
    outcome.add(other)
    about = {"queues": ["a", "b", "c"], "jobs": ["1", "2", "3"], "launch": "l"}
    assert outcome.unlogged == {"jobs: 403": about}


def test_what_many_ticks_of_an_invocation_leave_is_counted_each_time_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    total = Outcome()
    for number in range(9):
        tick = Outcome(told=total.told)
        tick.failed("jobs of queue deploy", Transient(f"no answer to call {number}"))
        tick.failed("jobs of queue test", Transient("no answer"))
        total.add(tick)
    assert total.left == {Left.TRANSIENT: 18}
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("WARNING", "left to the next tick: jobs of queue deploy: no answer to call 0"),
        ("WARNING", "left to the next tick: jobs of queue test: no answer"),
    ]


def test_a_lost_race_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "mayfly"):
        Outcome().failed("record of queue deploy", Conflict("another tick was first"))
    (line,) = caplog.records
    assert (line.levelname, line.getMessage()) == (
        "INFO",
        "record of queue deploy lost a race: another tick was first",
    )


def test_a_defect_is_raised_and_not_counted() -> None:
    with pytest.raises(ZeroDivisionError), Outcome().noting("records"):
        raise ZeroDivisionError


def test_a_failed_action_does_not_stop_the_next_action() -> None:
    outcome = Outcome()
    errors = iter([Transient("503"), None, Conflict("first"), None])

    def apply(action: Wave) -> None:
        if error := next(errors):
            raise error

    outcome.perform([Wave()] * 4, apply)
    assert outcome.done == {Wave: 2}
    assert outcome.left == {Left.TRANSIENT: 1, Left.CONFLICT: 1}
    assert outcome.changed
    assert outcome.as_dict()["done"] == {"Wave": 2}
    assert outcome.as_dict()["left"] == {"Transient": 1, "Conflict": 1}


def test_jobs_that_match_no_queue_are_counted_and_are_no_error() -> None:
    outcome = Outcome(unmatched=3)
    assert not outcome.unfinished
    assert dict(outcome.metrics()) == {Metric.BAD_CONFIGURATION: 0, Metric.LEFT_NO_MATCH: 3}


def test_an_outcome_without_a_problem_sends_zero() -> None:
    assert list(Outcome().metrics()) == [(Metric.BAD_CONFIGURATION, 0)]


REFUSAL = TokenRefused("401")
IDLE = Transient("no answer")


def waits() -> Measures:
    measures = Measures()
    measures.note(Metric.OLDEST_WAIT, "deploy", 400)
    return measures


def everything() -> Outcome:
    """An outcome with a value other than the default in every field."""
    return Outcome(
        done=Counter({Wave: 2}),
        launched=3,
        again=NOW,
        configured=4,
        unmatched=5,
        left=Counter({Left.CONFLICT: 6, Left.TRANSIENT: 7}),
        problems=["a bad value"],
        unlogged={"a bad value": {"queue": "deploy"}},
        refusal=REFUSAL,
        idle=IDLE,
        held={("deploy", Code.LAUNCH_PACE, ""): A_LIMIT},
        alarms=[(Metric.STRAYS, "five")],
        of_queues=waits(),
        told={"a line"},
    )


def test_outcomes_of_one_invocation_add_up_with_each_problem_once() -> None:
    empty, full = Outcome(), everything()
    assert all(getattr(empty, each.name) != getattr(full, each.name) for each in fields(Outcome))
    empty.add(everything())
    assert empty == full
    empty.add(everything())
    assert empty == Outcome(
        done=Counter({Wave: 4}),
        launched=6,
        again=NOW,
        configured=8,
        unmatched=10,
        left=Counter({Left.CONFLICT: 12, Left.TRANSIENT: 14}),
        problems=full.problems,
        unlogged=full.unlogged,
        refusal=REFUSAL,
        idle=IDLE,
        held=full.held,
        alarms=full.alarms,
        of_queues=full.of_queues,
        told=full.told,
    )


def test_a_problem_counts_for_the_queues_that_it_names() -> None:
    tick, other, total = Outcome(), Outcome(), Outcome()
    tick.problem("a bad value", {"queue": "deploy", "job": "job-1"})
    tick.failed("states", Misconfigured("403"), {"queues": ["deploy", "test"]})
    tick.failed("states", Transient("503"), {"queue": "slow"})
    tick.failed("parameters", Misconfigured("403"))
    other.problem("a bad value", {"queue": "deploy"})
    for each in (tick, other):
        total.add(each)
    assert total.of_queues.total == {
        (Metric.QUEUE_PROBLEMS, "deploy", ""): 2,
        (Metric.QUEUE_PROBLEMS, "test", ""): 1,
    }


def test_the_earliest_time_at_which_a_part_wants_a_repetition_counts() -> None:
    outcome = Outcome()
    outcome.repeat_at(None)
    assert outcome.again is None
    for seconds in (9, 5, 7):
        outcome.repeat_at(later(seconds=seconds))
    outcome.repeat_at(None)
    assert outcome.again == later(seconds=5)


def test_the_log_and_the_answer_show_every_field() -> None:
    assert everything().as_dict() == {
        "done": {"Wave": 2},
        "launched": 3,
        "again": "2026-03-02T09:00:00+00:00",
        "configured": 4,
        "unmatched": 5,
        "left": {"Conflict": 6, "Transient": 7},
        "problems": ["a bad value"],
        "held": ["queue deploy: a limit; 1 job waits"],
        "alarms": ["Strays: five"],
        "of_queues": {"OldestWait of queue deploy": 400},
    }
    named = {each.name for each in fields(Outcome)}
    assert everything().as_dict().keys() == named - {"unlogged", "refusal", "idle", "told"}

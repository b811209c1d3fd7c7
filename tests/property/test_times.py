"""Times at the ends of Python's calendar, and no times at all, in every answer that has a time.

Python raises OverflowError where a sum or a change of zone leaves the years 1 to 9999. So a parser
lets no such time in, and a bad element hides no good one.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayfly.adapters.aws.ec2 import Ec2Machines
from mayfly.adapters.dynamodb.records import from_item, to_item
from mayfly.config.queue import QueueConfig
from mayfly.errors import Misconfigured
from mayfly.events import SpotWarning, StateChanged, parse, read_messages
from mayfly.records.model import Claim, Instance, Launch, Record, SlotKey, Stray
from mayfly.records.standing import Standing
from mayfly_instance.clock import parse_time
from mayfly_protocol.moments import EARLIEST, LATEST, checked, read_moment
from tests.property import test_answers as answers
from tests.property.changes import a_listed_job
from tests.unit.builders import NOW, a_claim, a_launch, an_instance

GOOD = {"a", "c"}
EXTREME = (
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00+00:00",
    "1969-12-31T23:59:59+00:00",
    "5000-01-01T00:00:00+00:00",
    "9999-12-31T23:59:59+00:00",
    "9999-12-31T23:59:59-12:00",
    "2026-11-20T09:30:00",
)
"""ISO 8601 texts of times that no sum may be made with; the last one has no zone."""
NO_TIMES: tuple[Any, ...] = (
    *("10000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", "inf", "1e400", "253402300800"),
    *(10**30, -(10**30), 253402300800, float("inf"), float("-inf"), float("nan")),
)
EVERY = (*EXTREME, *NO_TIMES)
A_YEAR = timedelta(days=366)
# Offsets, as ISO 8601 has them: two times of one hour that a zone skips are never equal.
ZONES = st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours)))


def a_warning(instance: str, at: object) -> dict[str, Any]:
    kind = "EC2 Spot Instance Interruption Warning"
    return {"detail-type": kind, "time": at, "detail": {"instance-id": instance}}


def read(kind: Any, item: Any) -> None:
    from_item(kind, item)


# -- the check -------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", EVERY, ids=repr)
def test_a_time_at_the_end_of_the_calendar_is_refused(bad: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        read_moment(bad)


@given(st.datetimes(timezones=ZONES) | st.datetimes())
def test_with_a_checked_time_every_duration_of_mayfly_can_be_added(moment: datetime) -> None:
    try:
        found = checked(moment)
    except ValueError:
        assert moment.tzinfo is None or not EARLIEST <= moment < LATEST
    else:
        assert found == moment
        assert found.tzinfo is not None
        assert found.utcoffset() == timedelta(0)
        assert found - A_YEAR < found < found + A_YEAR


# -- events ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", EVERY, ids=repr)
def test_a_spot_warning_at_such_a_time_is_named_and_hides_no_other_message(bad: object) -> None:
    bodies = [a_warning("a", "2026-11-20T09:41:00Z"), a_warning("b", bad)]
    kind = "EC2 Instance State-change Notification"
    bodies.append(
        {"detail-type": kind, "detail": {"instance-id": "c", "state": "terminated"}},
    )
    records = [
        {"messageId": f"m{number}", "body": json.dumps(body)} for number, body in enumerate(bodies)
    ]
    found = read_messages({"Records": records})
    until = datetime(2026, 11, 20, 9, 43, tzinfo=UTC)
    assert found.events == (SpotWarning("a", until), StateChanged("c", "terminated"))
    (unreadable,) = found.unreadable
    assert unreadable.startswith("message m1: ")
    with pytest.raises(Misconfigured):
        parse(a_warning("b", bad))


# -- Buildkite -------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["runnable_at", "scheduled_at"])
@pytest.mark.parametrize("bad", EVERY, ids=repr)
def test_a_listed_job_of_such_a_time_is_left_out_named_and_hides_no_other_job(
    bad: object, field: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert answers.jobs({**a_listed_job("b"), field: bad}) == GOOD
    assert "queue deploy, listed job b cannot be read and is left out" in caplog.text


# -- AWS -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", EVERY, ids=repr)
def test_an_instance_of_such_a_launch_time_stays_in_the_list_and_its_time_is_named(
    bad: object, caplog: pytest.LogCaptureFixture
) -> None:
    """An instance that is left out would look gone."""
    shown: object = datetime.fromisoformat(str(bad)) if bad in EXTREME else bad
    listed = [
        answers.an_ec2_instance("a"),
        {**answers.an_ec2_instance("b"), "LaunchTime": shown},
        answers.an_ec2_instance("c"),
    ]
    ec2 = Ec2Machines(answers.client(Reservations=[{"Instances": listed}]), "ci")
    found = {each.instance_id: each.launched_at for each in ec2.instances()}
    assert found.keys() == {"a", "b", "c"}
    assert found["b"] == EARLIEST
    assert "launch time of b cannot be read" in caplog.text


# -- tables ----------------------------------------------------------------------------------------

RECORDS: tuple[tuple[Record, str], ...] = (
    (a_claim("b"), "since"),
    (a_claim("b"), "runnable_at"),
    (a_claim("b"), "reserved_until"),
    (a_claim("b"), "token_until"),
    (an_instance(key=SlotKey("l", 1)), "since"),
    (an_instance(key=SlotKey("l", 1)), "created"),
    (an_instance(key=SlotKey("l", 1)), "unseen_since"),
    (a_launch(id="b"), "since"),
    (Stray("b", NOW), "first_seen"),
    (Standing("b", "dispatch", NOW), "at"),
)


@pytest.mark.parametrize("bad", EXTREME)
@pytest.mark.parametrize(("record", "field"), RECORDS)
def test_a_record_of_such_a_time_cannot_be_read(record: Record, field: str, bad: str) -> None:
    item = dict(to_item(record))
    assert field in item, sorted(item)
    item[field] = {"S": bad}
    with pytest.raises(Misconfigured, match="is not a readable"):
        read(type(record), item)


@pytest.mark.parametrize("bad", EXTREME)
def test_a_record_with_such_a_time_in_its_history_cannot_be_read(bad: str) -> None:
    kinds: tuple[tuple[type[Record], Record], ...] = (
        (Claim, a_claim("b")),
        (Instance, an_instance()),
        (Launch, a_launch(id="b")),
    )
    for kind, record in kinds:
        item = dict(to_item(record))
        step = {"state": {"S": "x"}, "at": {"S": bad}, "reason": {"S": ""}}
        item["history"] = {"L": [{"M": step}]}
        with pytest.raises(Misconfigured, match="is not a readable"):
            read(kind, item)


@pytest.mark.parametrize("bad", EVERY, ids=repr)
def test_a_claim_of_such_a_time_hides_no_other_claim(bad: object) -> None:
    shown = {"N": repr(bad)} if isinstance(bad, int | float) else {"S": str(bad)}
    assert answers.claims({**answers.row(a_claim("b")), "since": shown}) >= GOOD


@pytest.mark.parametrize("bad", EVERY, ids=repr)
def test_a_report_of_such_a_time_hides_no_other_report(bad: object) -> None:
    element = answers.a_report("b")
    shown = {"N": repr(bad)} if isinstance(bad, int | float) else {"S": str(bad)}
    element["report"]["M"]["at"] = shown
    assert answers.reports(element) >= GOOD


@pytest.mark.parametrize("bad", [1e300, -1.0, 1e12, float("inf"), float("nan")])
@pytest.mark.parametrize("field", ["max_idle", "keep_failed", "grace"])
def test_a_stored_configuration_of_an_endless_duration_cannot_be_read(
    field: str, bad: float
) -> None:
    plain = json.loads(QueueConfig(queue="deploy").to_json())
    with pytest.raises(Misconfigured):
        QueueConfig.from_json(json.dumps({**plain, field: bad}))


# -- the host --------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [each for each in EXTREME if "+" in each or each.count("-") > 2])
def test_such_a_time_in_the_metadata_is_no_time(bad: str) -> None:
    assert parse_time(bad) is None

"""The report for operators: hours, targets, causes, what is left out, and the file."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mayfly.records.audit import ParameterChange
from mayfly.records.model import HISTORY, SlotKey, Step
from mayfly.records.pages import Read
from mayfly.records.states import ClaimState, InstanceState
from mayfly_cli.html_report.model import Tone
from mayfly_cli.html_report.operators import Hours
from mayfly_cli.operations.json_form import plain
from mayfly_cli.report.causes import UNTOLD, causes_of
from mayfly_cli.report.hours import Known, Span, extremes, hot, hours_of, unknown, waited
from mayfly_cli.report.making import Changed, Kept, report_of
from mayfly_cli.report.targets import targets
from tests.cli.operations.conftest import StackInMoto
from tests.cli.operations.samples import begun, past, reported, sample
from tests.unit.builders import NOW, a_claim, a_launch, ago, an_instance, later

PREFIX = "/mayfly/ci/queues/default/"
TEN = timedelta(minutes=10)


def change(name: str, at: datetime, old: str | None, new: str | None, number: int = 2) -> object:
    return ParameterChange(f"{PREFIX}{name}", at, old, new, number)


# -- hours -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spans", "found"),
    [
        ([], [(0, 0), (0, 0)]),
        ([(0, 10)], [(0, 1), (0, 0)]),
        ([(-5, 200)], [(1, 1), (1, 1)]),
        ([(0, 30), (10, 90)], [(1, 2), (0, 1)]),
        ([(0, 30), (30, 120)], [(1, 1), (1, 1)]),
        ([(10, 10), (200, 300), (-90, -10)], [(0, 0), (0, 0)]),
    ],
)
def test_the_fewest_and_the_most_at_once_are_found_by_part(
    spans: list[tuple[int, int]], found: list[tuple[int, int]]
) -> None:
    times = [Span(later(begin), later(end)) for begin, end in spans]
    parts = [Span(NOW, later(60)), Span(later(60), later(120))]
    assert extremes(times, parts) == found


def test_the_first_and_the_last_hour_may_be_parts() -> None:
    whole = Span(NOW + TEN, NOW + timedelta(hours=2, minutes=10))
    found = hours_of([], [], lambda at: at.minute, whole, Known())
    assert [hour.begins for hour in found] == [NOW + timedelta(hours=n) for n in range(3)]
    assert [hour.target for hour in found] == [10, 0, 0]


def test_a_period_that_ends_on_the_hour_has_no_empty_hour_after_it() -> None:
    found = hours_of([], [], lambda at: None, Span(ago(120), NOW), Known())
    assert [hour.begins for hour in found] == [ago(120), ago(60)]


def test_a_job_waits_until_its_agent_has_it_or_nobody_waits_any_more() -> None:
    runnable = ago(30)
    waiting = a_claim("a", runnable_at=runnable)
    assert waited(waiting, NOW).end == NOW
    assigned = replace(waiting, state=ClaimState.ASSIGNED, since=ago(20))
    assert waited(assigned, NOW).end == NOW
    released = replace(waiting, state=ClaimState.RELEASED, since=ago(20))
    assert waited(released, NOW).end == ago(20)
    assert waited(begun(41, 1), NOW).end == ago(59) + timedelta(seconds=41)


def test_an_instance_is_hot_between_its_proof_and_its_job() -> None:
    steps = (Step("booting", ago(50), ""), Step("ready", ago(40), ""), Step("assigned", ago(9), ""))
    instance = an_instance(InstanceState.ASSIGNED, 1, history=steps)
    assert list(hot(instance, NOW)) == [Span(ago(40), ago(9))]
    idle = an_instance(InstanceState.READY, 1, history=steps[:2])
    assert list(hot(idle, NOW)) == [Span(ago(40), NOW)]


def test_hours_of_which_an_instances_record_tells_nothing_have_no_count_of_hot_ones() -> None:
    silent = an_instance(InstanceState.READY, 1, history=(), created=ago(30))
    steps = tuple(Step("ready", ago(70 - n), "") for n in range(HISTORY))
    cut = an_instance(InstanceState.READY, 1, history=steps, created=ago(170))
    whole = Span(ago(180), NOW)
    for instance, counts in ((silent, [0, 0, None]), (cut, [None, None, 1])):
        found = hours_of([], [instance], lambda at: None, whole, Known())
        assert [hour.hot for hour in found] == counts
    assert list(unknown(replace(cut, history=steps[1:]), NOW)) == []


def test_hours_before_the_oldest_record_that_was_read_are_left_out() -> None:
    whole = Span(ago(180), NOW)
    found = hours_of([], [], lambda at: None, whole, Known(claims=ago(121), instances=ago(61)))
    assert [(hour.begins, hour.hot) for hour in found] == [(ago(120), None), (ago(60), 0)]


# -- targets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("present", "changes", "found"),
    [
        ({}, [], 0),
        ({"pool/hot": "3"}, [], 3),
        ({"pool/hot": "3", "paused": "true"}, [], 0),
        ({"pool/hot": "3", "paused": "perhaps"}, [], None),
        ({"pool/hot": "ten"}, [], None),
        ({"pool/hot": "3"}, [change("pool/hot", ago(30), "5", "3")], 5),
        ({"pool/hot": "3"}, [change("pool/hot", ago(90), "5", "3")], 3),
        ({"pool/hot": "3"}, [change("pool/hot", ago(30), None, "3", number=1)], 0),
        ({"pool/hot": "3"}, [change("pool/hot", ago(30), None, "3")], None),
        ({}, [change("pool/hot", ago(30), "4", None, number=0)], 4),
        ({"pool/hot": "3"}, [change("paused", ago(30), "true", None, number=0)], 0),
        # The value of now was written after the only change that is known.
        ({"pool/hot": "3"}, [change("pool/hot", ago(90), "5", "9")], None),
        ({"pool/hot": "1; Mon-Sun 07:00-08:30 UTC = 7"}, [], 7),
    ],
)
def test_the_target_of_an_hour_ago_follows_from_what_is_recorded(
    present: dict[str, str], changes: list[ParameterChange], found: int | None
) -> None:
    assert targets(present, changes, PREFIX, ago(180), None)(ago(60)) == found


def test_the_target_before_the_oldest_change_that_was_read_is_unknown() -> None:
    target = targets({"pool/hot": "3"}, [], PREFIX, ago(180), ago(60))
    assert (target(ago(61)), target(ago(60))) == (None, 3)


# -- causes ----------------------------------------------------------------------------------------


def test_a_launch_counts_once_for_each_cause() -> None:
    full = replace(a_launch(), id="full", errors=("NoCapacity: none",))
    slots = [an_instance(InstanceState.TERMINATED, n, key=SlotKey("full", n)) for n in range(3)]
    unfilled = [replace(each, instance_id=None, reason="no answer") for each in slots[:2]]
    dead = [replace(slots[2], reason="setup.sh exited with 3")]
    dead += [replace(dead[0], key=SlotKey("other", n)) for n in range(2)]
    dead += [replace(dead[0], key=SlotKey("silent", 0), reason="")]
    proven = [replace(dead[0], key=SlotKey("good", 0), proven=True)]
    causes, further = causes_of([full], [*unfilled, *dead, *proven], 2)
    assert [(each.text, each.launches) for each in causes] == [
        ("setup.sh exited with 3", 2),
        ("NoCapacity: none", 1),
    ]
    assert further == 1
    assert UNTOLD in {each.text for each in causes_of([], dead, 9)[0]}


# -- the whole -------------------------------------------------------------------------------------


def test_the_picture_has_the_numbers_of_the_json() -> None:
    report = reported()
    hours = report.picture().sections[0]
    assert isinstance(hours, Hours)
    (queue,) = hours.queues
    (shown,) = plain(report)["hours"]
    assert [h["waiting"] for h in shown["hours"]] == [h.waiting for h in queue.hours] == [0, 0, 1]
    assert [h["target"] for h in shown["hours"]] == [h.target for h in queue.hours] == [1, 1, 2]
    assert [mark.what for mark in hours.marks] == ["default/pool/hot"]


def test_what_was_not_read_is_told() -> None:
    view, records = sample().queues[0], past()
    kept = Kept(
        view, Read(records.claims, complete=False, unreadable=("claim#1",)),
        Read((), complete=True), Read((), complete=True),
    )  # fmt: skip
    changed = Changed({}, Read((), complete=True), ())
    report = report_of(replace(sample(), queues=(view,)), ago(240), [kept], changed)
    assert not report.complete
    assert "not everything was read" in report.verdict
    assert report.picture().tone is Tone.MIXED
    told = " ".join(report.left_out)
    assert "Queue default: jobs that ended before" in told
    assert "1 unreadable row of jobs" in told
    assert {fact.value for fact in report.picture().facts} >= set(report.left_out)


def test_the_file_is_one_page_and_json_stays_json(in_moto: StackInMoto, tmp_path: Path) -> None:
    client = in_moto.account.client("cloudformation")
    client.create_stack(StackName="ci", TemplateBody='{"Resources": {}}')
    in_moto.put("pool/hot", "2")
    in_moto.save(
        replace(begun(1.6, 2), queue="deploy"),
        ParameterChange("/mayfly/ci/queues/deploy/pool/hot", ago(5), "3", "2", 4),
        ParameterChange("/mayfly/ci/queues/other/pool/hot", ago(4), "3", "2", 4),
    )
    in_moto.now += timedelta(minutes=1)
    file = tmp_path / "week.html"
    ended = in_moto.run("report", "deploy", "--since", "3h", "--html", str(file), "--json")
    assert (ended.status, ended.err) == (0, "")
    found = json.loads(ended.out)
    assert [each["name"] for each in found["cost"]["rows"]] == []
    parameters = [each["what"] for each in found["changes"] if "/" in each["what"]]
    assert parameters == ["deploy/pool/hot"]
    (queue,) = found["hours"]
    assert [hour["target"] for hour in queue["hours"]] == [3, 3, 3, 2]
    assert max(hour["waiting"] for hour in queue["hours"]) == 1
    text = file.read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert "deploy/pool/hot" in text
    assert f"written: {file}" in in_moto.run("report", "--html", str(file)).out.replace("\n", "")


def test_a_file_that_cannot_be_written_is_named(in_moto: StackInMoto, tmp_path: Path) -> None:
    client = in_moto.account.client("cloudformation")
    client.create_stack(StackName="ci", TemplateBody='{"Resources": {}}')
    ended = in_moto.run("report", "--html", str(tmp_path / "none" / "week.html"))
    assert ended.status == 2
    assert "week.html: No such file or directory" in ended.err


def test_a_report_reaches_back_no_further_than_records_are_kept(in_moto: StackInMoto) -> None:
    client = in_moto.account.client("cloudformation")
    client.create_stack(StackName="ci", TemplateBody='{"Resources": {}}')
    found = json.loads(in_moto.run("report", "--since", "366d", "--json").out)
    assert found["since"].startswith(f"{NOW - timedelta(days=30):%Y-%m-%d}")


def test_a_report_begins_no_earlier_than_its_stack(in_moto: StackInMoto) -> None:
    client = in_moto.account.client("cloudformation")
    client.create_stack(StackName="ci", TemplateBody='{"Resources": {}}')
    made = client.describe_stacks(StackName="ci")["Stacks"][0]["CreationTime"].astimezone(UTC)
    in_moto.now = made + timedelta(minutes=30)
    young = json.loads(in_moto.run("report", "--since", "7d", "--json").out)
    moment = timedelta(milliseconds=1)
    assert abs(datetime.fromisoformat(young["since"]) - made) < moment
    in_moto.now = made + timedelta(days=3)
    old = json.loads(in_moto.run("report", "--since", "1d", "--json").out)
    assert abs(datetime.fromisoformat(old["since"]) - (made + timedelta(days=2))) < moment

"""Log lines name the queue, job, instance and launch that they are about in fields."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_args

import pytest

from mayfly import invoke, wiring
from mayfly.dispatch.actions import DispatchAction
from mayfly.errors import Transient
from mayfly.provision.actions import ProvisionAction
from mayfly.reap.actions import ReapAction, TerminateInstances, WarnHost
from mayfly.records.about import Fields, about, about_changes, fields, host_of
from mayfly.records.changes import Assign, Change, Drop, FreeSlots, Save, Unassign
from mayfly.records.model import Lease, QueueRecord, Record, Stray
from mayfly.records.standing import Standing
from mayfly.records.states import InstanceState
from mayfly.sandbox.actions import SandboxAction
from tests.unit.builders import (
    LAUNCH,
    NOW,
    QUEUE,
    a_claim,
    a_launch,
    a_ledger,
    an_instance,
    assigned,
    ec2_id,
    row,
)
from tests.unit.function_log import Invoked, function_log
from tests.unit.world import a_warm_world, launched, wanting

S = InstanceState
SCHEDULE = {"source": "aws.events", "detail-type": "Scheduled Event"}


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, logger="mayfly"):
        yield caplog


def name_fields(lines: pytest.LogCaptureFixture, kind: str) -> list[dict[str, Any]]:
    """The name fields of each line that begins with `kind`."""
    names = ("queue", "job", "jobs", "instance", "instances", "launch", "launches")
    return [
        {name: record.__dict__[name] for name in names if name in record.__dict__}
        for record in lines.records
        if record.getMessage().startswith(kind)
    ]


# -- records ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([a_claim()], {"queue": QUEUE, "job": "job-1"}),
        ([assigned()], {"queue": QUEUE, "job": "job-1", "launch": LAUNCH}),
        (
            [a_claim("job-1"), a_claim("job-2")],
            {"queue": QUEUE, "jobs": ["job-1", "job-2"]},
        ),
        (
            [replace(an_instance(S.RUNNING), job="job-1")],
            {"queue": QUEUE, "job": "job-1", "instance": ec2_id(), "launch": LAUNCH},
        ),
        (
            [replace(an_instance(S.TERMINATED), job=None, ended_job="exit 0", instance_id=None)],
            {"queue": QUEUE, "launch": LAUNCH},
        ),
        ([a_launch(), a_launch(id="other")], {"queue": QUEUE, "launches": [LAUNCH, "other"]}),
        ([a_ledger()], {"queue": QUEUE}),
        ([QueueRecord("q", "", "", ""), QueueRecord("r", "", "", "")], {"queues": ["q", "r"]}),
        ([Standing("q", "dispatch", NOW)], {"queue": "q"}),
        ([Stray("i-1", NOW)], {"instance": "i-1"}),
        ([Lease("me", 1, NOW)], {}),
        ([], {}),
    ],
)
def test_records_and_their_changes_give_the_same_log_fields(
    records: list[Record], expected: Fields
) -> None:
    assert about(records) == expected
    assert about_changes([Save(record) for record in records]) == expected
    assert about_changes([Drop(record) for record in records]) == expected


def test_changes_without_a_record_add_no_log_field() -> None:
    claim = a_claim()
    others: list[Change] = [
        FreeSlots("other", 1),
        Assign("r:i-1", {"token": "secret"}, NOW),
        Unassign("r:i-2"),
    ]
    assert about_changes([Save(claim), *others]) == about([claim])


def test_log_fields_omit_repeated_and_empty_names() -> None:
    assert fields(jobs=["b", "", "a", "b"], instances=[""], queues=["q", "q"]) == {
        "queue": "q",
        "jobs": ["b", "a"],
    }


def test_the_key_of_a_mailbox_row_names_its_instance() -> None:
    one = an_instance(S.RUNNING)
    assert host_of(row(one)) == host_of(row(one, "bootstrap")) == one.instance_id


# -- actions ---------------------------------------------------------------------------------------


def test_every_action_has_log_fields() -> None:
    for actions in (DispatchAction, ProvisionAction, SandboxAction, ReapAction):
        assert all(isinstance(kind.about, property) for kind in get_args(actions))


def test_log_fields_follow_a_job_from_list_to_end(lines: pytest.LogCaptureFixture) -> None:
    world = a_warm_world()
    one, launch = world.instance().instance_id, world.instance().key.launch
    assert {"queue": QUEUE, "launch": launch} in name_fields(lines, "RecordLaunch: ")
    profile = {"queue": QUEUE, "instance": one, "launch": launch}
    assert name_fields(lines, "ReplaceProfile: ") == [profile]
    world.schedule("job-1")
    world.dispatch()
    job = {"queue": QUEUE, "job": "job-1"}
    assert name_fields(lines, "OpenClaims: ") == name_fields(lines, "ReserveJobs: ") == [job]
    assert name_fields(lines, "BindJob: ") == [{**job, "instance": one, "launch": launch}]
    world.accept("job-1")
    world.dispatch()
    world.report(world.instance(), "done", exit=0)
    lines.clear()
    world.reap()
    bound = {**job, "instance": one, "launch": launch}
    assert name_fields(lines, "WriteRecords: ") == [bound]


def test_log_fields_follow_a_failed_host_to_its_termination(
    lines: pytest.LogCaptureFixture,
) -> None:
    world = launched()
    one = world.instance()
    world.report(one, "failed", words="no space left")
    world.after(6).reap()
    expected = {"queue": QUEUE, "instance": one.instance_id, "launch": one.key.launch}
    assert expected in name_fields(lines, "KeepLastWords: ")
    assert name_fields(lines, "TerminateInstances: ") == [{"instance": one.instance_id}]


def test_the_log_line_of_a_failed_action_has_the_fields_of_the_action(
    lines: pytest.LogCaptureFixture,
) -> None:
    world = a_warm_world()
    world.schedule("job-1")
    world.buildkite.fail_next("reserve", Transient("503"))
    world.dispatch()
    assert name_fields(lines, "left to the next tick: ReserveJobs") == [
        {"queue": QUEUE, "job": "job-1"}
    ]


def test_the_log_line_of_a_failed_list_names_its_queue(lines: pytest.LogCaptureFixture) -> None:
    world = a_warm_world()
    world.buildkite.fail_next("jobs", Transient("503"))
    world.dispatch()
    assert name_fields(lines, f"left to the next tick: jobs of queue {QUEUE}") == [{"queue": QUEUE}]


def test_a_configuration_problem_is_logged_once_an_invocation_with_its_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = wanting("job-1")
    world.configure(**{"pool/hot": "many"})
    world.machines.fail_next("create_fleet", Transient("500"))
    ports, now = world.provision_ports, world.clock
    monkeypatch.setattr(wiring, "provision", lambda: ports)
    monkeypatch.setattr(invoke, "utc_now", now)
    monkeypatch.setattr("mayfly.invoke.time.sleep", now.sleep)
    with function_log(monkeypatch) as written:
        answer = invoke.provision(SCHEDULE, Invoked(milliseconds=30_000))
    (problem,) = answer["problems"]
    (line,) = (each for each in written.lines if each["message"] == problem)
    assert (line["level"], line["queue"]) == ("ERROR", QUEUE)
    assert "pool/hot" in problem
    assert answer["left"] == {"Transient": 1}


def test_warnings_and_terminations_name_their_instances() -> None:
    warned = WarnHost(row(an_instance(S.RUNNING)), "2026-03-02T09:02:00Z", "spot")
    assert warned.about == {"instance": ec2_id()}
    ended = TerminateInstances(("i-1", "i-2"), "over")
    assert ended.about == {"instances": ["i-1", "i-2"]}

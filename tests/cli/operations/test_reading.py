"""status, explain, jobs, instances and launches over tables in moto."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mayfly.records.changes import Save
from mayfly.records.model import Launch, SlotKey, move_instance, settle_launch
from mayfly.records.standing import Standing
from mayfly.records.states import InstanceState
from mayfly.records.why import Code, why
from mayfly_cli.explain.result import explain_job
from mayfly_cli.listings.failed import Ended
from mayfly_cli.operations.reasons import remedy
from mayfly_cli.status.found import queue_status
from tests.cli.operations.conftest import StackInMoto
from tests.cli.operations.samples import LEFT, LINT, LONG, RUNNING, WAITING, deploy
from tests.cli.real_account import Run, one_line
from tests.unit.builders import NOW, a_launch, ago, an_instance, ec2_id

UUID = "01923f5e-8b7c-4a55-9c1c-2f9d1f3a8b11"


def words(ended: Run) -> str:
    """What the screen shows, whatever its lines."""
    return " ".join(ended.out.split())


@pytest.fixture
def busy(in_moto: StackInMoto) -> StackInMoto:
    """The sample's queue at its limit."""
    running = replace(RUNNING, instance_id=ec2_id(0), state=InstanceState.LAUNCHING)
    in_moto.save(WAITING, LONG, LINT, running, *deploy().standings)
    # The pointer row from EC2's id is written with the id.
    (launching,) = in_moto.fleet.instances("deploy", [InstanceState.LAUNCHING])
    in_moto.fleet.write([Save(replace(launching, state=InstanceState.RUNNING))])
    return in_moto


def test_status_counts_the_records_of_a_queue(busy: StackInMoto) -> None:
    ended = busy.run("status", "--json")
    (queue,) = json.loads(ended.out)["queues"]
    assert (queue["waiting"], queue["running"]) == (1, 1)
    assert queue["reasons"][0]["code"] == "max-instances"


def test_a_job_is_explained_by_its_id_its_url_and_its_build(busy: StackInMoto) -> None:
    by_id = busy.run("explain", WAITING.job)
    assert by_id.out.startswith('app #812 "Integration 3/8"  queue deploy  waits 4m12s  (1 of 1')
    assert by_id.out == busy.run("explain", "app/812").out
    url = f"https://buildkite.com/acme/app/builds/812#{WAITING.job}"
    assert by_id.out == busy.run("explain", url).out
    assert "frees up  i-00000000000000000 runs app #811" in by_id.out


def test_the_jobs_of_a_build_are_listed(busy: StackInMoto) -> None:
    shown = busy.run("explain", "app/811").out
    assert "Long suite" in shown
    assert "Lint" in shown


def test_a_job_that_a_queue_leaves_alone_is_explained(busy: StackInMoto) -> None:
    standing = replace(deploy().standings[0], function="dispatch", left=(LEFT,), left_total=1)
    busy.save(standing)
    ended = busy.run("explain", "gpu/7")
    assert ended.status == 1
    assert "gpu=true is not met" in ended.out
    assert ended.out == busy.run("explain", LEFT.job).out


def test_an_instance_is_explained_with_its_job(busy: StackInMoto) -> None:
    shown = busy.run("explain", ec2_id(0)).out
    assert "m7i.large spot eu-central-1a" in shown
    assert f"-> mayfly explain {LONG.job}" in shown


@pytest.mark.parametrize(
    ("what", "says"),
    [
        (UUID, f"the stack ci knows no job {UUID}: records are kept for 30 days"),
        ("i-0123456789abcdef0", "the stack ci has no record of i-0123456789abcdef0"),
        ("app/1", "the stack knows no job of app/1 in the last 1 d: for an older one give --since"),
        ("deplo", "the stack has no queue deplo; did you mean deploy?"),
        ("a b", "'a b' is no job, instance or queue: give a job's UUID, a URL of Buildkite, pi"),
    ],
)
def test_what_nobody_knows_is_said(in_moto: StackInMoto, what: str, says: str) -> None:
    ended = in_moto.run("explain", what)
    assert ended.status == 2
    assert says in one_line(ended)


def test_jobs_may_be_only_those_that_wait(busy: StackInMoto) -> None:
    assert len(json.loads(busy.run("jobs", "--json").out)["jobs"]) == 3
    (only,) = json.loads(busy.run("jobs", "--waiting", "--json").out)["jobs"]
    assert only["job"] == WAITING.job


def test_instances_name_their_jobs(busy: StackInMoto) -> None:
    assert 'app #811 "Long suite"' in busy.run("instances").out


def test_launches_tell_why_instances_failed(in_moto: StackInMoto) -> None:
    launch: Launch = a_launch(2, since=in_moto.now, created=in_moto.now)
    done = settle_launch(launch, in_moto.now, "EC2 answered")
    condemned = an_instance(InstanceState.CONDEMNED, 0, key=SlotKey(launch.id, 0))
    dead = move_instance(condemned, InstanceState.TERMINATED, in_moto.now, "setup.sh exited with 3")
    in_moto.save(done, dead, an_instance(InstanceState.READY, 1, key=SlotKey(launch.id, 1)))
    in_moto.provision(1)
    ended = in_moto.run("launches", "--failed")
    assert "1 of 2 failed" in ended.out
    assert "setup.sh exited with 3" in ended.out
    assert f"-> mayfly logs {ec2_id(0)}" in ended.out


def test_logs_are_in_order_with_last_words(busy: StackInMoto) -> None:
    client = busy.account.client("logs")
    # CloudWatch Logs refuses lines that are older than 14 days.
    at = int(datetime.now(UTC).timestamp() * 1000)
    for number, name in enumerate(("dispatch", "provision", "sandbox", "reap")):
        group = f"/aws/lambda/ci-{name}"
        client.create_log_group(logGroupName=group)
        client.create_log_stream(logGroupName=group, logStreamName="s")
        text = json.dumps({"level": "WARNING", "message": f"{name} says {ec2_id(0)}"})
        client.put_log_events(
            logGroupName=group,
            logStreamName="s",
            logEvents=[{"timestamp": at - number, "message": text}],
        )
    words = "/mayfly/ci/last-words"
    client.create_log_group(logGroupName=words)
    client.create_log_stream(logGroupName=words, logStreamName=ec2_id(0))
    client.put_log_events(
        logGroupName=words,
        logStreamName=ec2_id(0),
        logEvents=[{"timestamp": at, "message": "FAILED at: setup.sh\nexit 3"}],
    )
    lines = busy.run("logs", ec2_id(0)).out.splitlines()
    assert [line.split()[2] for line in lines[:4]] == ["reap", "sandbox", "provision", "dispatch"]
    assert lines[4:] == ["", "last words", "  FAILED at: setup.sh", "  exit 3"]


@pytest.mark.parametrize(
    ("code", "told"),
    [(Code.BRAKED, True), (Code.NO_CAPACITY, True), (Code.SPOT_DRY, False), (Code.OTHER, False)],
)
def test_a_job_without_a_reason_of_its_own_shows_what_holds_back_its_queue(
    code: Code, told: bool
) -> None:
    said = Standing("deploy", "provision", NOW, reasons=(why(code, "three boots failed", NOW),))
    view = replace(deploy(), standings=(said,))
    fresh = explain_job(replace(WAITING, why=None), None, view, NOW)
    assert (fresh.queue_why is not None) is told
    assert fresh.needs_person is (told and code.needs_person)
    assert bool(fresh.todo) is (told and bool(remedy(said.reasons[0], "deploy", view.config)))
    own = explain_job(WAITING, None, view, NOW)
    assert own.job.why is not None
    assert own.queue_why is None
    assert explain_job(replace(LONG, why=None), RUNNING, view, NOW).queue_why is None


@pytest.mark.parametrize(
    ("codes", "total", "held", "waiting"),
    [
        ((Code.PAUSED, Code.PAUSED), 2, 2, 2),
        ((Code.PAUSED,) * 20, 35, 35, 35),
        ((Code.RULE_NOT_MET, Code.PAUSED), 2, 1, 1),
        ((Code.RULE_NOT_MET,) * 20, 35, 15, 15),
        ((Code.RULE_NOT_MET,), 1, 0, 0),
        ((Code.PAUSED, Code.PAUSED), 2, 0, 2),
        ((), 0, 0, 0),
    ],
    ids=["all", "more than named", "one of two", "none is named", "none", "earlier", "empty"],
)
def test_jobs_that_a_paused_queue_leaves_alone_are_counted_as_waiting(
    codes: tuple[Code, ...], total: int, held: int, waiting: int
) -> None:
    left = tuple(
        replace(LEFT, job=f"job-{number}", why=why(code, "left alone", NOW))
        for number, code in enumerate(codes)
    )
    said = Standing("deploy", "dispatch", NOW, left=left, left_total=total, held=held)
    found = queue_status(replace(deploy(), claims=(), standings=(said,)), Ended(), NOW)
    assert found.waiting == waiting
    assert (found.oldest is not None) is any(code is Code.PAUSED for code in codes)
    assert found.left_alone == total - held


def test_a_job_that_is_left_alone_waits_since_it_is_runnable_at_buildkite(
    busy: StackInMoto,
) -> None:
    left = replace(LEFT, runnable_at=ago(45), why=why(Code.PAUSED, "the queue is paused", ago(2)))
    said = Standing("deploy", "dispatch", NOW, left=(left,), left_total=1, held=1)
    busy.save(said)
    shown = words(busy.run("explain", LEFT.job))
    assert "waits 45m00s" in shown
    assert "08:15:00 runnable now PAUSED the queue is paused, since 08:58" in shown
    (found,) = [
        each
        for each in json.loads(busy.run("jobs", "--json").out)["jobs"]
        if each["job"] == LEFT.job
    ]
    assert (found["waited"], found["since"]) == (2700.0, "2026-03-02T08:15:00.000Z")


@pytest.mark.parametrize(
    ("held", "says"),
    [
        (0, "PAUSED holds no job -> mayfly resume deploy"),
        (1, "PAUSED holds 1 job, the oldest one for 45m00s -> mayfly resume deploy"),
        (35, "PAUSED holds 35 jobs, the oldest one for 45m00s -> mayfly resume deploy"),
    ],
)
def test_a_paused_queue_says_how_many_jobs_it_holds(
    in_moto: StackInMoto, held: int, says: str
) -> None:
    paused = why(Code.PAUSED, "queue deploy is paused by its operators", ago(2))
    left = (replace(LEFT, runnable_at=ago(45), why=paused),) if held else ()
    said = Standing("deploy", "dispatch", NOW, (paused,), left, held, held)
    in_moto.save(said)
    assert says in words(in_moto.run("explain", "deploy"))
    (queue,) = json.loads(in_moto.run("status", "deploy", "--json").out)["queues"]
    assert (queue["held"], queue["waiting"]) == (held, held)

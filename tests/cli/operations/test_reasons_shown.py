"""Each reason as a person sees it: on a screen of 80 columns, and in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from mayfly.records.standing import DISPATCH, PROVISION, LeftAlone, Standing
from mayfly.records.states import InstanceState
from mayfly.records.why import Code, Why
from mayfly_cli.explain.result import explain_job, explain_left
from mayfly_cli.listings.instances import instances_of
from mayfly_cli.operations.json_form import plain
from mayfly_cli.operations.reading import QueueView
from mayfly_cli.operations.running import Result
from mayfly_cli.status.result import Status, status_of
from tests.cli.operations.conftest import StackInMoto
from tests.cli.operations.samples import LEFT, WAITING, cold, deploy, sample, shown
from tests.unit.builders import NOW, ago, later


@dataclass(frozen=True, slots=True)
class Seen:
    """What a person reads of a reason."""

    heading: str
    text: str
    """An example of the reason's text."""
    todo: str
    """What to do, beneath the reason; empty where a person can only wait."""
    ends: int = 0
    """The exit status of `mayfly status`."""
    said_by: str = PROVISION
    """The function that says it."""
    of_jobs: bool = False
    """Whether `mayfly pool` does not show the reason: it holds back no launch and no pool."""


TYPES_AND_ZONES = (
    "Add types to `launch/instance-types`, zones to the stack, or another `launch/purchase`."
)
TYPES_OR_PURCHASE = "Add types to `launch/instance-types`, or another `launch/purchase`."
FAILED = "mayfly launches deploy --failed"
# fmt: off
SEEN: Mapping[Code, Seen] = {
    Code.TOKEN_REFUSED: Seen(
        "TOKEN REFUSED", "Buildkite refuses the agent token",
        "Put a valid agent token of the cluster into the token's parameter.", 1, DISPATCH),
    Code.UNKNOWN_QUEUE: Seen(
        "UNKNOWN QUEUE", "Buildkite has no queue deploy in the token's cluster",
        "Create the queue in the cluster, or remove the queue's stack.", 1, DISPATCH),
    Code.NO_CONFIGURATION: Seen(
        "NO CONFIGURATION", "queue deploy never had a configuration that is valid as a whole",
        "Correct the parameters that the log names.", 1),
    Code.STACK_GONE: Seen(
        "STACK GONE", "the stack of queue deploy was deleted",
        "Deploy the queue's stack again, or delete the queue at Buildkite.", 1, DISPATCH),
    Code.ROLES_REFUSED: Seen(
        "ROLES REFUSED", "no instance may have the queue's roles",
        "Remove the policy that the reason names from the role.", 1),
    Code.NO_TEMPLATE: Seen(
        "NO TEMPLATE", "jobs wait, and the queue's stack has no launch template for arm64",
        "Deploy the queue's stack with that architecture, or change `launch/architecture`.", 1),
    Code.POLICY_UNREADABLE: Seen(
        "POLICY UNREADABLE", "the policy of queue deploy cannot be read, and jobs wait",
        "Correct the parameter that the log names.", 1),
    Code.LAUNCH_REFUSED: Seen(
        "LAUNCH REFUSED", "EC2 refuses the launch: VpcIdNotSpecified",
        "Do what EC2's error code asks for.", 1),
    Code.BRAKED: Seen("BRAKED", "three boots failed in a row", FAILED, 1),
    Code.BOOTS_FAILED: Seen("BOOTS FAILED", "the last 3 boots failed", FAILED, 1),
    Code.POOL_UNSTEADY: Seen("POOL UNSTEADY", "the pool is not filled: 3 ends in a row", FAILED, 1),
    Code.PROVISION_SILENT: Seen(
        "PROVISION SILENT", "provision has said nothing for 4 minutes",
        "Read the log of `provision`.", 1, DISPATCH),
    Code.RULE_NOT_MET: Seen(
        "RULE NOT MET", "1 job is left alone: the queue has no tag gpu",
        "Change the step's `agents:`, or add the tag to the queue's `tags`.", 1, DISPATCH, True),
    Code.PAUSED: Seen(
        "PAUSED", "the parameter paused is true", "mayfly resume deploy", 0, DISPATCH),
    Code.PAUSED_AT_BUILDKITE: Seen(
        "PAUSED AT BUILDKITE", "queue deploy is paused at Buildkite",
        "Resume the queue at Buildkite to go on.", 0, DISPATCH),
    Code.MAX_INSTANCES: Seen(
        "MAX INSTANCES", "queue deploy has all of its 2 instances",
        "Raise `limits/max-instances`, or wait for an instance to end."),
    Code.LAUNCH_PACE: Seen(
        "LAUNCHES PER MINUTE", "queue deploy launches at most 4 instances a minute",
        "Raise `limits/max-launches-per-minute`, or wait."),
    Code.NO_CAPACITY: Seen("NO CAPACITY", "EC2 has no g5.xlarge on spot now", TYPES_AND_ZONES),
    Code.TAKEN_BACK: Seen("TAKEN BACK", "EC2 took back 2 instances", TYPES_OR_PURCHASE),
    Code.ALWAYS_TAKEN_BACK: Seen(
        "ALWAYS TAKEN BACK", "EC2 took back the instances of 3 launches", TYPES_OR_PURCHASE),
    Code.LAUNCH_UNANSWERED: Seen(
        "LAUNCH UNANSWERED", "EC2 has not answered the launch since 08:56:00 UTC", ""),
    Code.START_REFUSED: Seen(
        "START REFUSED", "EC2 did not start a stopped instance (m7i.large): jobs get launches",
        "Wait, or add zones to the stack."),
    Code.STOP_REFUSED: Seen(
        "STOP REFUSED", "EC2 has not stopped an instance since 08:56:00 UTC, and is asked again",
        ""),
    Code.SPOT_DRY: Seen(
        "SPOT DRY", "spot has too few m7i.large in eu-central-1a: on-demand instances are bought",
        "Add types to `launch/instance-types`, or zones to the stack."),
    Code.STOPPED_KEPT: Seen(
        "STOPPED KEPT", "2 stopped instances are kept while the queue is paused", ""),
    Code.STOPPED_REPLACED: Seen(
        "STOPPED REPLACED", "1 stopped instance is replaced: it is older than 7 days", ""),
    Code.LOOK_AHEAD: Seen(
        "LOOK AHEAD", "40 jobs stay in Buildkite's list",
        "Raise `limits/max-instances`, or wait.", 0, DISPATCH, True),
    Code.PER_PIPELINE: Seen(
        "PER PIPELINE", "pipeline app has 2 of 2 jobs on instances",
        "Raise `limits/per-pipeline`, or wait for a job of the pipeline to end.",
        0, DISPATCH, True),
    Code.UNRESERVED: Seen(
        "UNRESERVED", "Buildkite does not reserve the job at present", "", 0, DISPATCH, True),
    Code.FACTS_UNREAD: Seen(
        "FACTS UNREAD", "the job's environment cannot be read yet", "", 0, DISPATCH, True),
    Code.BUILDKITE_SILENT: Seen(
        "BUILDKITE SILENT", "Buildkite does not answer the list of jobs", "", 0, DISPATCH),
    Code.BOOT_FAILED: Seen("BOOT FAILED", "the last boot failed: setup exited with 3", "",
                           of_jobs=True),
    Code.ATTEMPT_FAILED: Seen("ATTEMPT FAILED", "attempt 1 failed: the host hangs", "",
                              0, DISPATCH, True),
    Code.COMING: Seen("COMING", "an instance is on its way", "", 0, DISPATCH, True),
    Code.NEXT_LAUNCH: Seen("NEXT LAUNCH", "the launch of m7i.large follows in the next tick", "",
                           of_jobs=True),
    Code.OTHER: Seen("OTHER", "a reason of a later version", ""),
}
# fmt: on
SINCE, NEXT = "since 08:56", "next try in 3m00s"


def found(code: Code) -> Why:
    """A reason that has held for four minutes, and is tried again in three."""
    return Why(code, SEEN[code].text, ago(4), later(3), "the subject")


def line_of(code: Code) -> str:
    """The whole reason in one line."""
    return f"{SEEN[code].heading} {SEEN[code].text}, {SINCE}, {NEXT}"


def flat(result: Result) -> str:
    """What a screen of 80 columns shows, without its line breaks."""
    return " ".join(shown(result, 80).split())


def queue_with(code: Code) -> QueueView:
    said = Standing("deploy", SEEN[code].said_by, NOW, (found(code),))
    return replace(deploy(), claims=(replace(WAITING, why=None),), standings=(said,))


def status_with(code: Code, *others: QueueView) -> Status:
    return status_of(replace(sample(), queues=(queue_with(code), *others)), {})


def form(code: Code) -> Mapping[str, Any]:
    """The reason in JSON."""
    return {
        "code": code.value,
        "text": SEEN[code].text,
        "since": "2026-03-02T08:56:00.000Z",
        "next_try": "2026-03-02T09:03:00.000Z",
        "subject": "the subject",
        "detail": "",
    }


def test_the_table_has_every_code() -> None:
    assert set(SEEN) == set(Code)


@pytest.mark.parametrize("code", Code)
def test_the_status_of_one_queue_shows_the_whole_reason_and_what_to_do(code: Code) -> None:
    result = status_with(code)
    text = flat(result)
    assert f"deploy {line_of(code)}" in text
    assert ("-> " in text) is bool(SEEN[code].todo)
    assert not SEEN[code].todo or f"-> {SEEN[code].todo}" in text
    assert result.needs_person is bool(SEEN[code].ends)
    assert plain(result)["queues"][0]["reasons"] == [form(code)]


@pytest.mark.parametrize("code", Code)
def test_the_status_of_several_queues_notes_the_reason_and_its_next_try(code: Code) -> None:
    text = flat(status_with(code, sample().queues[0]))
    assert f"{SEEN[code].heading} {SEEN[code].text}, try in 3m00s" in text
    assert (f"deploy {line_of(code)}" in text) is bool(SEEN[code].ends)


@pytest.mark.parametrize("code", Code)
def test_the_explanation_of_a_job_shows_its_whole_reason_and_what_to_do(code: Code) -> None:
    for result in (
        explain_job(replace(WAITING, why=found(code)), None, deploy(), NOW),
        explain_left(LeftAlone(LEFT.job, "app", 1, "s", found(code)), deploy(), NOW),
    ):
        text = flat(result)
        assert f"now {line_of(code)}" in text
        assert ("-> " in text) is bool(SEEN[code].todo)
        assert result.needs_person is bool(SEEN[code].ends)
        assert plain(result)["job"]["why"] == form(code)


@pytest.fixture
def troubled(in_moto: StackInMoto) -> StackInMoto:
    """A queue that every reason holds back, in the standings of the two functions that say so."""
    for function in (DISPATCH, PROVISION):
        mine = tuple(found(code) for code in Code if SEEN[code].said_by == function)
        in_moto.save(Standing("deploy", function, NOW, mine))
    in_moto.save(replace(WAITING, why=None))
    return in_moto


@pytest.mark.parametrize("words", ["status deploy", "explain deploy"])
def test_a_command_about_a_queue_shows_every_reason(
    troubled: StackInMoto, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ended = troubled.run(*words.split())
    text = " ".join(ended.out.split())
    assert [code for code in Code if f"deploy {line_of(code)}" not in text] == []
    assert ended.status == 1
    (queue,) = json.loads(troubled.run(*words.split(), "--json").out)["queues"]
    assert queue["reasons"] == [form(code) for code in Code]


def test_a_job_without_a_reason_of_its_own_is_explained_by_its_queues_gravest_one(
    troubled: StackInMoto,
) -> None:
    ended = troubled.run("explain", WAITING.job)
    assert f"queue {line_of(Code.TOKEN_REFUSED)}" in " ".join(ended.out.split())
    told = json.loads(troubled.run("explain", WAITING.job, "--json").out)
    assert told["queue_why"] == form(Code.TOKEN_REFUSED)


def test_a_change_of_a_pool_shows_what_holds_back_launches(troubled: StackInMoto) -> None:
    text = " ".join(troubled.run("pool", "deploy", "3").out.split())
    told = json.loads(troubled.run("pool", "deploy", "4", "--json").out)
    codes = {each["code"] for each in told["reasons"]}
    for code in Code:
        assert (f"now {line_of(code)}" in text) is not SEEN[code].of_jobs, code
        assert (code.value in codes) is not SEEN[code].of_jobs, code


def test_the_list_of_instances_tells_when_a_refused_start_is_tried_again() -> None:
    refused = "EC2 could not start the instance: InsufficientInstanceCapacity"
    again = replace(cold(0), reason=refused, start_after=later(4))
    over = replace(cold(1), reason=refused, start_after=ago(1))
    queue = replace(sample().queues[3], instances=(again, over))
    result = instances_of(replace(sample(), queues=(queue,)))
    text = flat(result)
    assert f"{refused}, may be started again in 4m00s" in text
    assert text.count(refused) == 2
    assert text.count("may be started") == 1
    starts = {each["instance"]: each["start_after"] for each in plain(result)["instances"]}
    assert starts[again.instance_id] == "2026-03-02T09:04:00.000Z"
    assert again.state is InstanceState.STOPPED

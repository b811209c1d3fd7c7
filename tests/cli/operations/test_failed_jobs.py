"""What `status`, `explain` and `jobs` tell of jobs and boots that failed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from build.blocks import ROOT
from mayfly.dispatch.policy import in_short
from mayfly.records.lost import GOING_DOWN, lost
from mayfly.records.model import Claim, Instance, SlotKey, move_claim
from mayfly.records.standing import Standing
from mayfly.records.states import ClaimState, InstanceState
from mayfly.records.why import Code, why
from mayfly_cli.explain.result import explain_job
from mayfly_cli.listings.failed import Ended, Outcome, outcome_of
from mayfly_cli.operations.reading import QueueView
from mayfly_cli.operations.reasons import of_security_owners
from mayfly_cli.status.boots import failed_boots
from mayfly_cli.status.failures import failures_of
from mayfly_cli.status.result import status_of
from tests.cli.operations.conftest import StackInMoto
from tests.cli.operations.failures import (
    DENIED,
    ENDED,
    LOST,
    SWITCHED_OFF,
    UNLUCKY,
    dead_boots,
    locked,
)
from tests.cli.operations.samples import LONG, deploy, sample, shown
from tests.unit.builders import NOW, ago, an_instance, later
from tests.unit.test_tick_denials import denying
from tests.unit.world import wanting

S = InstanceState
GOOD = replace(dead_boots()[0], proven=True, reason="the agent ended with exit code 0")


def test_the_host_says_of_a_machine_that_goes_down_what_the_records_look_for() -> None:
    text = (ROOT / "layers/instance/mayfly_instance/__main__.py").read_text("utf-8")
    assert f'GoingDown("{GOING_DOWN}")' in text


def in_queue(claim: Claim) -> Claim:
    """The claim in the queue of the tables in moto."""
    return replace(claim, queue="deploy", shape=replace(claim.shape, queue="deploy"))


def test_jobs_that_failed_are_told_by_status_explain_and_jobs(in_moto: StackInMoto) -> None:
    switched_off = replace(SWITCHED_OFF, queue="deploy")
    good = sample().lease
    in_moto.save(*map(in_queue, (*DENIED, UNLUCKY, LOST)), switched_off, good)
    for command in ("status", "explain deploy"):
        ended = in_moto.run(*command.split())
        said = " ".join(ended.out.split())
        assert ended.status == 0
        assert "deploy DENIED 3 jobs in the last hour, the latest 4m00s ago: app #900" in said
        assert '"Deploy": a rule that is for this pipeline asks for another branch' in said
        assert "deploy FAILED 1 job in the last hour, the latest 20m00s ago" in said
        assert "deploy LOST 1 job in the last hour" in said
        assert "-> mayfly jobs deploy --failed" in said
    for words in (("jobs", "deploy"), ("jobs", "deploy", "--failed")):
        listed = in_moto.run(*words).out
        assert listed.count(" denied ") == 3
        assert " failed " in listed
        assert " lost " in listed
    jobs = json.loads(in_moto.run("jobs", "deploy", "--json").out)["jobs"]
    assert {each["outcome"] for each in jobs} == {"denied", "failed", "lost"}
    assert {each["reason"] for each in jobs} > {DENIED[0].reason, UNLUCKY.reason}
    assert "no jobs" in in_moto.run("jobs", "deploy", "--failed", "--since", "1m").out


def test_a_job_that_failed_longer_ago_is_found_with_since_alone(in_moto: StackInMoto) -> None:
    old = replace(DENIED[0], since=ago(90), history=())
    in_moto.save(in_queue(old), LONG)
    assert "FAILED" not in in_moto.run("status").out
    assert "app #900" not in in_moto.run("jobs").out
    assert "app #900" not in in_moto.run("jobs", "--failed").out
    found = in_moto.run("jobs", "--failed", "--since", "2h").out
    assert "app #900" in found
    assert LONG.step not in found


def test_a_job_that_failed_does_not_wait(in_moto: StackInMoto) -> None:
    ended = in_moto.run("jobs", "--failed", "--waiting")
    assert ended.status == 2
    assert "give --waiting or --failed" in ended.err


def test_a_denied_job_is_told_from_one_for_which_boots_failed() -> None:
    world = denying(1)
    world.dispatch()
    claim = world.claim("denied-00")
    assert outcome_of(claim, None) is Outcome.DENIED
    assert in_short(claim.reason) == "a rule that is for this pipeline asks for another branch"
    assert claim.reason.startswith("Queue closely does not take this job: a rule that is for")
    world = wanting("job-1", **{"job/attempts": "1"})
    world.provision()
    world.machines.settle()
    world.after(seconds=10)
    world.machines.end(str(world.instances(S.LAUNCHING)[0].instance_id), "Client.Whatever")
    world.reap()
    world.provision()
    assert world.claim("job-1").state is ClaimState.FAILED
    assert outcome_of(world.claim("job-1"), None) is Outcome.FAILED


@pytest.mark.parametrize(
    ("claim", "instance", "outcome"),
    [
        (lost(LONG, SWITCHED_OFF, NOW), None, Outcome.LOST),
        (lost(LONG, None, NOW), None, Outcome.LOST),
        (LOST, SWITCHED_OFF, Outcome.LOST),
        (LOST, None, None),
        (LOST, replace(SWITCHED_OFF, key=SlotKey("other", 0)), None),
        (LOST, replace(SWITCHED_OFF, reason="the agent ended with exit code 0"), None),
        (move_claim(LONG, ClaimState.FINISHED, NOW, "Buildkite says finished"), None, None),
        (replace(LONG, state=ClaimState.RELEASED), None, None),
        (LONG, None, None),
    ],
)
def test_an_outcome_follows_from_claim_and_instance(
    claim: Claim, instance: Instance | None, outcome: Outcome | None
) -> None:
    assert outcome_of(claim, instance) is outcome


def test_a_count_that_is_not_whole_says_of_which_time_it_is() -> None:
    ended = replace(ENDED["locked"], claims=DENIED[:2], complete=False)
    assert failures_of(locked(), ended, NOW).since == ago(13)
    view = replace(sample(), queues=(locked(),))
    said = " ".join(shown(status_of(view, {"locked": ended}), 100).split())
    assert "DENIED 2 jobs in the last 13m00s" in said


def test_a_denial_of_which_buildkite_is_not_told_yet_counts() -> None:
    view = replace(locked(), claims=(replace(DENIED[0], told=False),))
    (group,) = failures_of(view, Ended(), NOW).groups
    assert (group.outcome, group.jobs) == (Outcome.DENIED, 1)


def test_many_jobs_that_failed_are_counted_and_the_latest_named() -> None:
    many = tuple(replace(DENIED[0], job=f"job-{number:03}") for number in range(300))
    (group,) = failures_of(locked(), Ended(many), NOW).groups
    assert (group.jobs, len(group.latest)) == (300, 5)


def test_the_explanation_of_a_job_tells_of_its_instances_end() -> None:
    text = " ".join(shown(explain_job(LOST, SWITCHED_OFF, locked(), NOW), 100).split())
    end = "i-00000000000000062, terminated 08:16:06: the machine is going down: the instance"
    assert end in text
    assert "was terminated from outside (Client.UserInitiatedShutdown" in text
    alive = replace(SWITCHED_OFF, state=S.RUNNING)
    assert ", running" not in shown(explain_job(LOST, alive, locked(), NOW), 100)


FIRST, *OLDER = dead_boots()


@pytest.mark.parametrize(
    ("instances", "code", "says"),
    [
        ((FIRST, *OLDER), Code.BOOTS_FAILED, "the last 3 boots of queue locked failed, and none"),
        ((FIRST, OLDER[0]), Code.BOOT_FAILED, "the last 2 boots of queue locked failed"),
        ((FIRST,), Code.BOOT_FAILED, "the last boot of queue locked failed, and none"),
        ((FIRST, *OLDER, replace(GOOD, key=SlotKey("g", 0), created=ago(21))), None, ""),
        ((FIRST, *OLDER, replace(GOOD, key=SlotKey("g", 0), created=FIRST.created)), None, ""),
        (
            (FIRST, *OLDER, replace(GOOD, key=SlotKey("g", 0), created=ago(24))),
            Code.BOOT_FAILED,
            "the last boot of",
        ),
        ((replace(FIRST, spec="former"),), None, ""),
        ((replace(FIRST, boot_minutes=9),), None, ""),
        ((replace(FIRST, retired=True),), None, ""),
        ((replace(FIRST, instance_id=None),), None, ""),
        ((replace(FIRST, reason="EC2 takes the spot instance back at 9"),), None, ""),
        ((replace(FIRST, reason="EC2 ended the instance: Server.SpotInstanceShutdown"),), None, ""),
        ((), None, ""),
    ],
    ids=[
        *("three", "two", "one", "a good one later", "a good one of the same launch"),
        *("a good one between", "older spec", "other set-up", "retired", "not launched"),
        *("spot warning", "no capacity", "none"),
    ],
)
def test_boots_that_failed_are_told_until_one_succeeds(
    instances: tuple[Instance, ...], code: Code | None, says: str
) -> None:
    found = list(failed_boots(locked(), instances))
    assert [each.code for each in found] == ([] if code is None else [code])
    assert all(each.text.startswith(says) for each in found)
    if code is Code.BOOTS_FAILED:
        assert found[0].since == min(each.since for each in instances)
        assert found[0].text.endswith(f"instance {FIRST.instance_id}: {FIRST.reason}")


def test_an_open_instance_that_is_proven_is_a_good_boot() -> None:
    ready = an_instance(
        S.READY, 9, queue="locked", shape=FIRST.shape, spec="spec", created=ago(1)
    )  # fmt: skip
    assert not list(failed_boots(replace(locked(), instances=(ready,)), dead_boots()))


def test_what_a_function_says_of_failed_boots_is_not_said_twice() -> None:
    subject = str(FIRST.shape)
    said = why(Code.BRAKED, "3 boots failed", ago(9), next_try=later(1), subject=subject)
    view = replace(locked(), standings=(Standing("locked", "provision", NOW, (said,)),))
    assert not list(failed_boots(view, dead_boots()))
    (queue,) = status_of(replace(sample(), queues=(view,)), ENDED).queues
    assert [each.code for each in queue.reasons] == [Code.BRAKED]


def test_a_queue_without_a_configuration_has_no_boots() -> None:
    view: QueueView = replace(locked(), config=None)
    assert not list(failed_boots(view, dead_boots()))


@pytest.mark.parametrize(
    ("cause", "parameter"),
    [
        ("i-1: s3://acme-scripts/setup exited with 3", "bootstrap/script"),
        ("i-1: bootstrap/script names s3://a/b, which does not exist", "bootstrap/script"),
        ("i-1: processes of the bootstrap script are left over: x", "bootstrap/script"),
        ("i-1: agent/config sets no-such, which buildkite-agent 3.1 does not", "agent/config"),
        ("i-1: EC2 ended the instance: Client.InternalError", ""),
    ],
)
def test_failed_boots_name_the_parameter_of_security_owners(cause: str, parameter: str) -> None:
    reason = why(Code.BRAKED, f"3 boots in a row failed, the last one of instance {cause}", NOW)
    said = of_security_owners(reason, "deploy")
    assert said.startswith(parameter)
    assert bool(said) is bool(parameter)
    assert not of_security_owners(replace(reason, code=Code.NO_CAPACITY), "deploy")
    view = replace(deploy(), standings=(Standing("deploy", "provision", NOW, (reason,)),))
    text = shown(status_of(replace(sample(), queues=(view,)), {}), 100)
    assert "-> mayfly launches deploy --failed --since 2h" in text
    assert ("SecurityOwnersPolicy" in text) is bool(parameter)


def test_the_time_of_failed_jobs_is_an_hour() -> None:
    ended = Ended((replace(DENIED[0], since=NOW - timedelta(minutes=60, seconds=1), history=()),))
    assert not failures_of(locked(), ended, NOW).groups

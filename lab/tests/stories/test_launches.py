"""EC2 launches less than requested, or instances that fail to come up: the visible effects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from mayfly.records.states import InstanceState
from mayfly_lab.lab import STACK, LabChoices
from stories.stage import BOOT, QUICK, Stage, a_stage

QUEUE, MUTE, WRONG_AGENT, NO_AGENT = "default", "mute", "wrong-agent", "no-agent"
TYPES = {QUEUE: "m7i.large", MUTE: "c7i.large"}
"""A separate instance type for each queue, so that a fault affects one queue only."""


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    choices = LabChoices(
        queues=(QUEUE, MUTE, WRONG_AGENT, NO_AGENT),
        delays=replace(QUICK, minute=8.0),
        boot_seconds=BOOT,
        # Hosts die within moments here, so a job needs attempts for all that die before a repair.
        parameters={
            queue: {"launch/instance-types": name, "job/attempts": "10"}
            for queue, name in TYPES.items()
        },
        stacks={
            WRONG_AGENT: {"AgentSha256Amd64": "0" * 64},
            # A port that no retry can reach: hosts give up at once.
            NO_AGENT: {"AgentArchiveUrl": "http://127.0.0.1:99999/{version}-{arch}.tar.gz"},
        },
    )
    with a_stage(choices) as stage:
        yield stage
        stage.lab.aws.faults.clear()


def test_a_job_waits_until_ec2_has_capacity_again(stage: Stage) -> None:
    faults = stage.lab.aws.faults
    faults.set("no-capacity", "m7i.large/*")
    before = len(stage.instances(QUEUE))
    job = stage.push(QUEUE)
    stage.until(
        "the log names the pools",
        lambda: stage.said("provision", "sufficient m7i.large capacity"),
    )
    stage.until("NoCapacity is counted", lambda: stage.counted("provision", "NoCapacity"))
    empty = stage.until("a slot stays empty", lambda: stage.instances(QUEUE)[before:])[0]
    stage.until("the record has the reason", lambda: "not launched" in stage.record(empty).reason)
    faults.clear("no-capacity")
    assert stage.ended(job).outcome == "passed"
    assert stage.finished(job).attempt == 1


def test_a_launch_whose_answer_is_lost_is_not_made_twice(stage: Stage) -> None:
    # One call of the client makes two tries.
    stage.lab.aws.faults.set("lost-answer", "ec2:CreateFleet", count=2)
    before = len(stage.instances(QUEUE))
    job = stage.push(QUEUE)
    assert stage.ended(job).outcome == "passed"
    (instance,) = stage.instances(QUEUE)[before:]
    assert instance.job == job
    calls = stage.lab.aws.journal.select(operation="CreateFleet", about=instance.key.launch)
    assert len(calls) >= 3
    assert len({c.resources["ClientToken"] for c in calls}) == 1
    tagged = [{"Name": "tag:mayfly-launch", "Values": [instance.key.launch]}]
    found = stage.lab.aws.client("ec2").describe_instances(Filters=tagged)["Reservations"]
    assert [i["InstanceId"] for r in found for i in r["Instances"]] == [instance.instance_id]


def test_a_deleted_launch_template_is_reported_until_the_queue_has_another(stage: Stage) -> None:
    ec2 = stage.lab.aws.client("ec2")
    template = stage.published(QUEUE)["templates"]["x86_64"]
    (version,) = ec2.describe_launch_template_versions(
        LaunchTemplateId=template["id"], Versions=[template["version"]]
    )["LaunchTemplateVersions"]
    ec2.delete_launch_template(LaunchTemplateId=template["id"])
    job = stage.push(QUEUE)
    stage.until(
        "provision answers with it",
        lambda: any("InvalidLaunchTemplateId" in each for each in stage.problems("provision")),
    )
    stage.until(
        "BadConfiguration is counted", lambda: stage.counted("provision", "BadConfiguration")
    )
    assert stage.job(job).outcome is None
    # As a further deployment of the queue's stack does.
    tags = [{"Key": "mayfly-stack", "Value": STACK}]
    made = ec2.create_launch_template(
        LaunchTemplateName="another",
        LaunchTemplateData=version["LaunchTemplateData"],
        TagSpecifications=[{"ResourceType": "launch-template", "Tags": tags}],
    )
    new = {"id": made["LaunchTemplate"]["LaunchTemplateId"], "version": "1"}
    stage.publish(QUEUE, templates={"x86_64": new})
    assert stage.ended(job).outcome == "passed"
    assert stage.finished(job).attempt == 1


def test_an_instance_that_never_reports_is_replaced(stage: Stage) -> None:
    stage.lab.aws.faults.set("machine-dead", "c7i.large", count=1)
    job = stage.push(MUTE)
    (mute,) = stage.until("an instance is launched", lambda: stage.launched(MUTE))
    # Five minutes are an instance's deadline for its first report.
    stage.age(mute, 6)
    gone = stage.gone(mute)
    reason = "the instance was launching for longer than 5 minutes (launch/boot-minutes)"
    assert gone.reason == reason
    assert "Kernel panic" in stage.last_words(mute)
    assert stage.ended(job).outcome == "passed"
    assert stage.finished(job).attempt == 1


def test_an_instance_that_never_runs_is_replaced(stage: Stage) -> None:
    stage.lab.aws.faults.set("stillborn", "c7i.large", count=1)
    before = len(stage.instances(MUTE))
    job = stage.push(MUTE)
    assert stage.ended(job).outcome == "passed"
    stillborn, alive = stage.instances(MUTE)[before:]
    assert "Server.InternalError" in stillborn.reason
    assert alive.job == job


@pytest.mark.parametrize(
    ("queue", "reason", "words"),
    [
        (WRONG_AGENT, "has another SHA-256 than the queue pins", ""),
        (NO_AGENT, "cannot be fetched: curl", "curl: (3)"),
    ],
    ids=[WRONG_AGENT, NO_AGENT],
)
def test_without_the_pinned_agent_a_host_never_takes_a_job(
    stage: Stage, queue: str, reason: str, words: str
) -> None:
    job = stage.push(queue)
    (refused,) = stage.until("an instance is launched", lambda: stage.launched(queue))
    # Without the cancel another instance would be launched, and fail in the same way.
    stage.lab.buildkite.cancel_job(job)
    gone = stage.gone(refused)
    assert reason in gone.reason
    said = stage.last_words(refused)
    assert reason in said
    assert words in said
    assert not gone.proven
    assert stage.finished(job).state == "released"


def test_a_bundle_that_is_not_the_published_one_is_never_run(stage: Stage) -> None:
    name = f"/mayfly-infra/{STACK}/bundle"
    ssm = stage.lab.aws.client("ssm")
    good = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    bad = json.dumps({**json.loads(good), "sha256": "0" * 64})
    before = len(stage.instances(QUEUE))
    ssm.put_parameter(Name=name, Value=bad, Overwrite=True)
    job = stage.push(QUEUE)
    refused = stage.until("an instance is launched", lambda: stage.launched(QUEUE)[before:])[0]
    gone = stage.gone(refused)
    assert "Client.InstanceInitiatedShutdown; its console says: " in gone.reason
    assert "mayfly-instance.tar.gz has a wrong SHA-256" in gone.reason
    assert "mayfly-instance.tar.gz has a wrong SHA-256" in stage.last_words(refused)
    assert InstanceState.BOOTING not in [step.state for step in gone.history]
    ssm.put_parameter(Name=name, Value=good, Overwrite=True)
    assert stage.ended(job).outcome == "passed"


def test_at_the_end_nothing_is_left_and_every_promise_was_kept(stage: Stage) -> None:
    stage.empty()
    assert stage.broken_promises() == []

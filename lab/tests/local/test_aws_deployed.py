"""The real functions in the local AWS: woken by the template's triggers, and never denied."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local.aws_lab import FAST, Lab, a_lab
from local.deployed_sources import fresh_sources
from local.waiting import eventually
from mayfly_lab.aws.deploy.stacks import Deployed, Deployment, QueueStack

# Schedules are slow, so only the test's own action wakes a function.
QUIET = replace(FAST, first_tick=3600.0)
NOBODY = "http://127.0.0.1:9/v3"
SCHEDULE = (Path(__file__).parents[3] / "events" / "schedule.json").read_bytes()


AGENT = {
    "AgentVersion": "3.138.3",
    "AgentSha256Amd64": "1" * 64,
    "AgentSha256Arm64": "2" * 64,
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with a_lab(tmp_path_factory.mktemp("lab"), QUIET) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def deployed(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    sources = fresh_sources(tmp_path_factory.mktemp("sources"))
    queues = (QueueStack("default", AGENT),)
    made = lab.aws.deploy(Deployment(sources, "bkct_the-cluster-token", NOBODY, queues))
    lab.aws.wake()
    return made


def invocations(lab: Lab, name: str) -> list[str]:
    """The error of each invocation of a function so far; empty for success."""
    ended = lab.aws.journal.select(operation="Invocation")
    named = [each for each in ended if each.resources["FunctionName"] == f"mayfly-{name}"]
    return [str(each.resources["error"]) for each in named]


def woken(lab: Lab, name: str, before: int) -> None:
    eventually(lambda: len(invocations(lab, name)) > before)
    assert set(invocations(lab, name)) == {""}


def test_a_changed_parameter_wakes_provision(lab: Lab) -> None:
    before = len(invocations(lab, "provision"))
    lab.client("ssm").put_parameter(
        Name="/mayfly/mayfly/queues/default/pool/hot", Value="0", Type="String"
    )
    woken(lab, "provision", before)


def test_changes_of_a_parameter_are_recorded_with_who_made_them(lab: Lab) -> None:
    """A put from SSM's history; a deletion, which has no history, by CloudTrail's later event."""
    name = "/mayfly/mayfly/queues/default/limits/max-instances"
    ssm, dynamodb = lab.client("ssm"), lab.client("dynamodb")

    def told() -> list[tuple[str, ...]]:
        rows = dynamodb.query(
            TableName="mayfly-fleet",
            IndexName="closed",
            KeyConditionExpression="closed_queue = :changes",
            ExpressionAttributeValues={":changes": {"S": "#changes"}},
        )["Items"]
        parts = ("old", "new", "who")
        return [
            tuple(str(row[part].get("S", "-")) for part in parts)
            for row in rows
            if row["name"]["S"] == name
        ]

    me = lab.client("sts").get_caller_identity()["Arn"]
    ssm.put_parameter(Name=name, Value="7", Type="String")
    eventually(lambda: told() == [("-", "7", me)])
    ssm.delete_parameter(Name=name)
    eventually(lambda: told() == [("-", "7", me), ("7", "-", me)])


def test_prices_of_the_types_in_use_are_read(lab: Lab) -> None:
    """By the real adapters, with the function's own rights."""

    def row() -> dict[str, Any]:
        key = {"pk": {"S": "prices#ec2"}}
        found = lab.client("dynamodb").get_item(TableName="mayfly-fleet", Key=key)
        return dict(found.get("Item", {}))

    lab.client("lambda").invoke(FunctionName="mayfly-provision", Payload=SCHEDULE)
    kept = eventually(row)
    assert kept["on_demand"]["M"]["m7i.large"] == {"S": "0.1008"}
    spot = {pool.partition("/")[2]: price["S"] for pool, price in kept["spot"]["M"].items()}
    assert spot["m7i.large"] in {"0.04032", "0.038304", "0.042336"}


def test_a_nudge_wakes_provision_and_is_deleted(lab: Lab) -> None:
    before = len(invocations(lab, "provision"))
    sqs = lab.client("sqs")
    url = next(each for each in sqs.list_queues()["QueueUrls"] if "NudgeQueue" in each)
    sqs.send_message(QueueUrl=url, MessageBody='{"queue": "default"}')
    woken(lab, "provision", before)
    attributes = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    eventually(
        lambda: (
            set(
                sqs.get_queue_attributes(QueueUrl=url, AttributeNames=attributes)[
                    "Attributes"
                ].values()
            )
            == {"0"}
        )
    )


def test_a_report_in_the_mailbox_wakes_sandbox(lab: Lab, deployed: Deployed) -> None:
    before = len(invocations(lab, "sandbox"))
    profile = deployed.queues["default"]["bootstrap_profile"]
    keys, host = lab.aws.sessions.of_instance("i-1", profile)
    report = {"M": {"protocol": {"N": "1"}, "phase": {"S": "booting"}}}
    lab.client("dynamodb", keys).update_item(
        TableName="mayfly-mailbox",
        Key={"key": {"S": host.userid}},
        UpdateExpression="SET report = :r",
        ExpressionAttributeValues={":r": report},
    )
    woken(lab, "sandbox", before)


def launched(lab: Lab, deployed: Deployed) -> str:
    template = deployed.queues["default"]["templates"]["x86_64"]
    answer: dict[str, Any] = lab.client("ec2").run_instances(
        MinCount=1,
        MaxCount=1,
        InstanceType="m7i.large",
        LaunchTemplate={"LaunchTemplateId": template["id"], "Version": template["version"]},
    )
    return str(answer["Instances"][0]["InstanceId"])


def test_a_burst_of_other_instances_leaves_concurrency_to_the_other_functions(lab: Lab) -> None:
    """Two invocations at once look at all events; every other function still begins at once."""
    busy = lab.aws.functions
    before = len(invocations(lab, "reap"))
    most: list[int] = []
    for number in range(60):
        detail = {"instance-id": f"i-of-somebody-else{number}", "state": "terminated"}
        event = {
            "Source": "aws.ec2",
            "DetailType": "EC2 Instance State-change Notification",
            "Detail": json.dumps(detail),
        }
        lab.client("events").put_events(Entries=[event])
        most.append(busy.running("mayfly-reap"))
    answer = lab.client("lambda").invoke(FunctionName="mayfly-provision", Payload=SCHEDULE)
    assert "FunctionError" not in answer
    queue = next(q for q in lab.client("sqs").list_queues()["QueueUrls"] if "ReapQueue" in q)
    eventually(lambda: left(lab, queue) == {"0"})
    ended = len(invocations(lab, "reap")) - before
    assert 6 <= ended <= 60
    assert max(most) <= 2
    assert set(invocations(lab, "reap")) == {""}
    assert invocations(lab, "dispatch") == []  # a schedule's rule matches no event
    assert lab.aws.journal.select(operation="EventDropped") == []


def left(lab: Lab, queue: str) -> set[str]:
    """Numbers of messages in a queue: visible ones, and ones in a batch."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = lab.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=names)
    return set(answer["Attributes"].values())


def test_an_instance_that_ends_wakes_reap(lab: Lab, deployed: Deployed) -> None:
    before = len(invocations(lab, "reap"))
    instance_id = launched(lab, deployed)
    lab.client("ec2").terminate_instances(InstanceIds=[instance_id])
    woken(lab, "reap", before)


def test_any_function_can_be_invoked_through_the_api(lab: Lab) -> None:
    client = lab.client("lambda")
    for name in ("provision", "sandbox", "reap"):
        answer = client.invoke(FunctionName=f"mayfly-{name}", Payload=SCHEDULE)
        assert answer["StatusCode"] == 200
        assert "FunctionError" not in answer, answer["Payload"].read()
    accepted = client.invoke(FunctionName="mayfly-reap", InvocationType="Event", Payload=SCHEDULE)
    assert accepted["StatusCode"] == 202
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.invoke(FunctionName="nobody")
    with pytest.raises(client.exceptions.InvalidRequestContentException):
        client.invoke(FunctionName="mayfly-reap", Payload=b"no json")


def test_the_call_in_which_a_function_dies_is_carried_out(lab: Lab) -> None:
    lab.aws.faults.parse("kill=provision/ssm:GetParametersByPath")
    answer = lab.client("lambda").invoke(FunctionName="mayfly-provision", Payload=SCHEDULE)
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorType"] == "Runtime.ExitError"
    again = lab.client("lambda").invoke(FunctionName="mayfly-provision", Payload=SCHEDULE)
    assert "FunctionError" not in again


def test_no_call_of_the_functions_is_denied(lab: Lab) -> None:
    calls = lab.aws.journal.select(kind="function")
    assert calls
    denied = {"AccessDeniedException", "AccessDenied", "UnauthorizedOperation"}
    assert [entry for entry in calls if entry.error in denied] == []


def test_each_function_has_a_readable_log(lab: Lab) -> None:
    for name in ("provision", "sandbox", "reap"):
        assert "START RequestId" in lab.aws.log_of(name).read_text()

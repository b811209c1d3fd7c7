"""CloudWatch of the local AWS: logs, metrics and alarms as operators' commands show them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.deployed_account import Account
from mayfly_lab.aws.watch.watch import Watch

GROUP = "/aws/lambda/mayfly-reap"


@pytest.fixture
def watch(account: Account) -> Watch:
    return account.lab.aws.watch


@pytest.fixture
def operator(account: Account) -> Callable[[str], Any]:
    return lambda service: account.lab.client(service, account.lab.aws.operator)


def state(client: Any, name: str) -> tuple[str, str]:
    [found] = [
        each
        for each in client.describe_alarms(MaxRecords=100)["MetricAlarms"]
        if name in each["AlarmName"]
    ]
    return found["StateValue"], found["StateReason"]


def write(account: Account, *lines: str) -> None:
    with account.lab.aws.log_of("reap").open("a") as log:
        log.writelines(f"{line}\n" for line in lines)


def counted(at: float, **metrics: float) -> str:
    """A log line of `reap` with metrics."""
    about = {
        "Timestamp": int(at * 1000),
        "CloudWatchMetrics": [
            {
                "Namespace": "Mayfly",
                "Dimensions": [["service", "stack"]],
                "Metrics": [{"Name": name, "Unit": "Count"} for name in metrics],
            }
        ],
    }
    return json.dumps({"_aws": about, "service": "reap", "stack": "mayfly", **metrics})


def test_lines_of_a_functions_log_are_in_its_log_group(
    account: Account, watch: Watch, operator: Callable[[str], Any]
) -> None:
    write(account, "first line", "second line")
    with account.lab.aws.log_of("reap").open("a") as log:
        log.write("half")
    watch.update()
    logs = operator("logs")
    [stream] = logs.describe_log_streams(logGroupName=GROUP)["logStreams"]
    assert re.fullmatch(r"[0-9/]{10}/\[\$LATEST\][0-9a-f]{32}", stream["logStreamName"])
    assert told(logs) == ["first line", "second line"]
    write(account, " a line")
    watch.update()
    assert told(logs)[2:] == ["half a line"]


def told(logs: Any) -> list[str]:
    found = logs.filter_log_events(logGroupName=GROUP)["events"]
    return [each["message"] for each in found]


def test_every_alarm_of_the_template_is_evaluated_and_none_is_unknown(
    watch: Watch, operator: Callable[[str], Any]
) -> None:
    watch.update(now=True)
    alarms = operator("cloudwatch").describe_alarms(MaxRecords=100)["MetricAlarms"]
    assert len(alarms) >= 12
    assert [each["StateReason"] for each in alarms if "cannot" in each["StateReason"]] == []
    # Nobody lists jobs here, and the alarm of waiting jobs says nothing without a list.
    unsure = [each["AlarmName"] for each in alarms if each["StateValue"] == "INSUFFICIENT_DATA"]
    # Nothing invokes the functions either, as in a stack whose first minute has not ended.
    of_queues = {name.rpartition("/")[2] for name in unsure if "/" in name}
    assert of_queues == {"JobsWaitTooLong"}
    [other] = [name for name in unsure if "/" not in name]
    assert other.startswith("mayfly-DispatchSilent-")
    assert [each["AlarmName"] for each in alarms if each["StateValue"] == "ALARM"] == []


def test_an_embedded_metric_fires_its_alarm_and_its_end_ends_it(
    account: Account, watch: Watch, operator: Callable[[str], Any]
) -> None:
    cloudwatch, lab = operator("cloudwatch"), account.lab
    now = lab.aws._world.clock()
    write(account, counted(now, Strays=3))
    watch.update(now=True)
    assert state(cloudwatch, "StraysFound")[0] == "ALARM"
    assert "(latest first: 3)" in state(cloudwatch, "StraysFound")[1]
    moment = datetime.fromtimestamp(now, UTC)
    points = cloudwatch.get_metric_statistics(
        Namespace="Mayfly",
        MetricName="Strays",
        Dimensions=[{"Name": "service", "Value": "reap"}, {"Name": "stack", "Value": "mayfly"}],
        StartTime=moment - timedelta(minutes=5),
        EndTime=moment + timedelta(minutes=5),
        Period=60,
        Statistics=["Maximum"],
    )["Datapoints"]
    assert [point["Maximum"] for point in points] == [3.0]
    for _ in range(5):
        lab.later(60)
        watch.update()
    assert state(cloudwatch, "StraysFound")[0] == "OK"
    mine = [each.state for each in watch.changes if "StraysFound" in each.name]
    assert mine[-2:] == ["ALARM", "OK"]


def failed_hosts(at: float, number: int) -> str:
    """A log line of `reap` with failed hosts of the queue `first`."""
    directive = {
        "Namespace": "Mayfly",
        "Dimensions": [["stack", "queue"]],
        "Metrics": [{"Name": "HostsFailed", "Unit": "Count"}],
    }
    about = {"Timestamp": int(at * 1000), "CloudWatchMetrics": [directive]}
    line = {"_aws": about, "stack": "mayfly", "queue": "first", "HostsFailed": [number]}
    return json.dumps(line)


def test_a_queues_alarm_sums_the_last_ten_minutes_wherever_they_begin_and_tells_its_topic(
    account: Account, watch: Watch, operator: Callable[[str], Any]
) -> None:
    lab, name = account.lab, "mayfly-queue/first/HostsFail"
    box = account.client("sqs").create_queue(QueueName="mails")["QueueUrl"]
    sns = account.client("sns")
    [topic] = [each["TopicArn"] for each in sns.list_topics()["Topics"]]
    arn = account.client("sqs").get_queue_attributes(QueueUrl=box, AttributeNames=["QueueArn"])
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"])
    # Eight minutes apart, five minutes before and three after ten minutes of the clock begin.
    lab.later(900 - lab.aws._world.clock() % 600)
    write(account, failed_hosts(lab.aws._world.clock(), 1))
    watch.update()
    lab.later(8 * 60)
    watch.update()
    assert state(operator("cloudwatch"), name)[0] == "OK"
    write(account, failed_hosts(lab.aws._world.clock(), 2))
    watch.update()
    lab.later(60)
    watch.update()
    assert state(operator("cloudwatch"), name)[0] == "ALARM"
    lab.later(31 * 60)  # an older datapoint counts while there is no newer one
    watch.update()
    assert state(operator("cloudwatch"), name)[0] == "OK"
    mails = account.client("sqs").receive_message(QueueUrl=box, MaxNumberOfMessages=10)["Messages"]
    told = [json.loads(json.loads(each["Body"])["Message"]) for each in mails]
    mine = [each["NewStateValue"] for each in told if each["AlarmName"] == name]
    assert mine[-2:] == ["ALARM", "OK"]


def test_an_aws_client_gets_searches_and_log_queries_as_the_dashboard_asks(
    account: Account, watch: Watch, operator: Callable[[str], Any]
) -> None:
    now = account.lab.aws._world.clock()
    line = {"level": "WARNING", "message": "queue default: a limit", "queue": "default"}
    write(account, failed_hosts(now, 4), json.dumps(line), json.dumps({**line, "level": "INFO"}))
    watch.update(now=True)
    moment = datetime.fromtimestamp(now, UTC)
    expression = (
        "SEARCH('{Mayfly,stack,queue} MetricName=\"HostsFailed\" stack=\"mayfly\"', 'Sum', 60)"
    )
    [found] = operator("cloudwatch").get_metric_data(
        MetricDataQueries=[{"Id": "e1", "Expression": expression}],
        StartTime=moment - timedelta(minutes=1),
        EndTime=moment + timedelta(minutes=1),
    )["MetricDataResults"]
    assert (found["Label"], found["Values"]) == ("HostsFailed mayfly first", [4.0])
    logs = operator("logs")
    query = logs.start_query(
        logGroupName=GROUP,
        startTime=int(now) - 60,
        endTime=int(now) + 60,
        queryString='fields message, queue | filter level in ["WARNING", "ERROR"]',
    )["queryId"]
    rows = [
        {each["field"]: each["value"] for each in row}
        for row in logs.get_query_results(queryId=query)["results"]
    ]
    assert [(row["message"], row["queue"]) for row in rows] == [(line["message"], "default")]
    board = account.client("cloudwatch").get_dashboard(DashboardName="mayfly")
    assert "OldestWait" in board["DashboardBody"]


def test_a_sum_of_functions_fires_when_one_of_them_counts(
    account: Account, watch: Watch, operator: Callable[[str], Any]
) -> None:
    write(account, counted(account.lab.aws._world.clock(), BadConfiguration=2))
    watch.update(now=True)
    assert state(operator("cloudwatch"), "BadConfigurationFound")[0] == "ALARM"


def test_a_silent_dispatch_is_an_alarm_and_a_first_deployment_is_none(
    account: Account, watch: Watch, operator: Callable[[str], Any]
) -> None:
    cloudwatch, lab = operator("cloudwatch"), account.lab

    def minutes(number: int, *functions: str) -> str:
        for _ in range(number):
            for each in functions:
                watch.begun(f"mayfly-{each}")
            lab.later(60)
            watch.update()
        return state(cloudwatch, "DispatchSilent")[0]

    def mine() -> list[str]:
        return [each.state for each in watch.changes if "DispatchSilent" in each.name]

    # No function has run yet; reap is the first to run.
    assert minutes(3) == "INSUFFICIENT_DATA"
    assert mine() == []
    assert minutes(2, "reap") == "OK"
    assert minutes(6, "dispatch", "reap") == "OK"
    # Dispatch alone is silent: four minutes are not enough, five are.
    assert minutes(4, "reap") == "OK"
    assert minutes(1, "reap") == "ALARM"
    assert minutes(1, "dispatch", "reap") == "OK"
    # All are silent.
    assert minutes(6) == "OK"
    assert minutes(1) == "INSUFFICIENT_DATA"
    assert minutes(1, "dispatch") == "OK"
    assert mine() == ["OK", "ALARM", "OK", "INSUFFICIENT_DATA", "OK"]


def test_failed_invocations_fire_in_two_of_three_minutes(
    account: Account, watch: Watch, operator: Callable[[str], Any]
) -> None:
    cloudwatch, lab = operator("cloudwatch"), account.lab

    def fail() -> None:
        lab.aws.journal.happened(
            "lambda", "Invocation", FunctionName="mayfly-reap", request="r", error="broken"
        )
        watch.update(now=True)

    fail()
    assert state(cloudwatch, "ReapErrors")[0] == "OK"
    lab.later(60)
    fail()
    assert state(cloudwatch, "ReapErrors")[0] == "ALARM"


def test_a_message_in_the_dead_letter_queue_fires_its_alarm(
    account: Account, watch: Watch, operator: Callable[[str], Any]
) -> None:
    sqs = account.client("sqs")
    [url] = [each for each in sqs.list_queues()["QueueUrls"] if "DeadLetters" in each]
    watch.update(now=True)
    assert state(operator("cloudwatch"), "DeadLettersWaiting")[0] == "OK"
    sqs.send_message(QueueUrl=url, MessageBody="a nudge that failed")
    watch.update(now=True)
    assert state(operator("cloudwatch"), "DeadLettersWaiting")[0] == "ALARM"

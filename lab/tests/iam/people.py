"""What people do by docs/operating.md: one call for each right that the deployed policies give."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from mayfly_lab.lab import STACK

Clients = Callable[[str], Any]
"""Clients of one person, by service."""

_FLEET = f"{STACK}-fleet"
_OF_OPERATORS = (
    *("debug/keep-failed-minutes", "job/attempts", "launch/purchase", "limits/max-instances"),
    *("paused", "pool/hot", "tags"),
)
_OF_OWNERS = (
    *("agent/config", "bootstrap/script", "imds", "job/root", "policy/rules/own"),
    *("secrets/path", "ssh/known-hosts", "role/own"),
)


def operate(clients: Clients, queue: str, instances: Iterator[str]) -> None:
    """Do everything that an operator may; one instance's console is read, the next one ended."""
    _read_configuration(clients("ssm"), queue)
    _write(clients("ssm"), queue, _OF_OPERATORS)
    _read_logs(clients("logs"))
    _read_metrics(clients("cloudwatch"))
    _read_records(clients("dynamodb"), queue)
    clients("cloudformation").describe_stacks(StackName=STACK)
    ec2 = clients("ec2")
    ec2.describe_instances()
    _read_surroundings(ec2, clients("lambda"), clients("service-quotas"))
    clients("iam").get_role(RoleName="AWSServiceRoleForEC2Spot")
    ec2.get_console_output(InstanceId=next(instances), Latest=True)
    ec2.terminate_instances(InstanceIds=[next(instances)])


def _read_surroundings(ec2: Any, functions: Any, quotas: Any) -> None:
    """What `mayfly doctor` reads of an account besides the stack."""
    ec2.describe_images(Owners=["self"])
    ec2.describe_instance_type_offerings()
    ec2.describe_instance_types(InstanceTypes=["m7i.large"])
    ec2.describe_nat_gateways()
    ec2.describe_route_tables()
    ec2.describe_subnets()
    functions.get_account_settings()
    quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-1216C47A")


def secure(clients: Clients, queue: str) -> None:
    """Do everything that a security owner may."""
    _read_configuration(clients("ssm"), queue)
    _write(clients("ssm"), queue, _OF_OWNERS)
    dynamodb = clients("dynamodb")
    dynamodb.list_tables()
    dynamodb.get_item(TableName=_FLEET, Key={"pk": {"S": f"queue#{queue}"}})
    _query_indexes(dynamodb, queue)
    clients("cloudwatch").describe_alarms()
    clients("cloudformation").describe_stacks(StackName=STACK)


def _read_configuration(ssm: Any, queue: str) -> None:
    hot = f"/mayfly/{STACK}/queues/{queue}/pool/hot"
    ssm.get_parameters_by_path(Path=f"/mayfly/{STACK}/queues/{queue}", Recursive=True)
    ssm.get_parameter(Name=hot)
    ssm.get_parameters(Names=[hot])
    ssm.get_parameter_history(Name=hot)
    ssm.describe_parameters()


def _write(ssm: Any, queue: str, names: tuple[str, ...]) -> None:
    """Write each parameter to what it is, or to a comment, and take the new ones back."""
    root = f"/mayfly/{STACK}/queues/{queue}"
    for name in names:
        full = f"{root}/{name}"
        known = ssm.get_parameters(Names=[full])["Parameters"]
        if known:
            ssm.put_parameter(Name=full, Value=known[0]["Value"], Type="String", Overwrite=True)
    spare = f"{root}/{names[0]}"
    deletions: tuple[Callable[[], Any], ...] = (
        lambda: ssm.delete_parameter(Name=spare),
        lambda: ssm.delete_parameters(Names=[spare]),
    )
    for delete in deletions:
        ssm.put_parameter(Name=spare, Value=_VALUES[names[0]], Type="String", Overwrite=True)
        delete()


_VALUES = {"debug/keep-failed-minutes": "0", "agent/config": "spawn=1"}
"""Harmless values of the parameters that are written for a moment."""


def _read_logs(logs: Any) -> None:
    group = f"/aws/lambda/{STACK}-dispatch"
    stream = logs.describe_log_streams(logGroupName=group)["logStreams"][0]["logStreamName"]
    logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/")
    logs.filter_log_events(logGroupName=group)
    logs.get_log_events(logGroupName=group, logStreamName=stream)
    now = int(time.time())
    query = logs.start_query(
        logGroupName=group, startTime=now - 60, endTime=now, queryString="fields @message"
    )["queryId"]
    logs.get_query_results(queryId=query)
    _asked(lambda: logs.stop_query(queryId=query))


def _asked(call: Callable[[], Any]) -> None:
    """Make a call that moto does not have: IAM decides about it before."""
    try:
        call()
    except ClientError as error:
        if error.response["Error"]["Code"] != "NotImplemented":
            raise


def _read_metrics(cloudwatch: Any) -> None:
    cloudwatch.describe_alarms()
    cloudwatch.list_metrics(Namespace="Mayfly")
    now = time.time()
    cloudwatch.get_metric_statistics(
        Namespace="Mayfly",
        MetricName="Ready",
        StartTime=now - 600,
        EndTime=now,
        Period=60,
        Statistics=["Maximum"],
    )
    ready = {"Namespace": "Mayfly", "MetricName": "Ready"}
    cloudwatch.get_metric_data(
        MetricDataQueries=[
            {"Id": "ready", "MetricStat": {"Metric": ready, "Period": 60, "Stat": "Maximum"}}
        ],
        StartTime=now - 600,
        EndTime=now,
    )
    cloudwatch.list_dashboards()
    cloudwatch.get_dashboard(DashboardName=STACK)
    _asked(cloudwatch.describe_alarm_history)


def _read_records(dynamodb: Any, queue: str) -> None:
    dynamodb.list_tables()
    dynamodb.describe_table(TableName=_FLEET)
    dynamodb.get_item(TableName=_FLEET, Key={"pk": {"S": f"queue#{queue}"}})
    dynamodb.batch_get_item(RequestItems={_FLEET: {"Keys": [{"pk": {"S": f"queue#{queue}"}}]}})
    dynamodb.scan(TableName=_FLEET, Limit=1)
    _query_indexes(dynamodb, queue)


def _query_indexes(dynamodb: Any, queue: str) -> None:
    for index in ("open", "closed"):
        dynamodb.query(
            TableName=_FLEET,
            IndexName=index,
            KeyConditionExpression=f"{index}_queue = :queue",
            ExpressionAttributeValues={":queue": {"S": queue}},
        )

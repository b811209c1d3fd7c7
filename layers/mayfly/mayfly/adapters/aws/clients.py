"""boto3's clients, one per service and process.

`mayfly.wiring` makes the clients while a function is initialised: boto3's service models take long
to load, and Lambda gives an initialisation more processor time than an invocation.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient


def _config(read_timeout: float = 5, attempts: int = 3) -> Config:
    """Time-outs (seconds) and number of attempts. botocore's own defaults changed with 1.44."""
    return Config(
        connect_timeout=2,
        read_timeout=read_timeout,
        retries={"mode": "standard", "total_max_attempts": attempts},
        tcp_keepalive=True,
    )


@cache
def dynamodb() -> DynamoDBClient:
    """The DynamoDB client, for both tables."""
    return boto3.client("dynamodb", config=_config(read_timeout=3, attempts=4))


@cache
def ec2() -> EC2Client:
    """The EC2 client. A call for an instant fleet launches the instances and takes seconds."""
    return boto3.client("ec2", config=_config(read_timeout=20, attempts=2))


@cache
def ec2_at_once() -> EC2Client:
    """The EC2 client of `sandbox`, without repetitions: its next tick comes within a second.

    botocore sleeps up to a second before it repeats a throttled call, and to repeat a replacement
    of a profile with a lost answer would name an association that is gone.
    """
    return boto3.client("ec2", config=_config(attempts=1))


@cache
def iam() -> IAMClient:
    """The IAM client. Launches wait for its answers, and an earlier answer replaces a late one."""
    return boto3.client("iam", config=_config(read_timeout=2, attempts=2))


@cache
def logs() -> CloudWatchLogsClient:
    """The CloudWatch Logs client."""
    return boto3.client("logs", config=_config())


@cache
def price_list(region: str) -> Any:  # no stubs of this service are locked
    """The client of the Price List in one of its regions. Nothing waits for its answers."""
    return boto3.client("pricing", region_name=region, config=_config(read_timeout=3, attempts=1))


@cache
def sqs() -> SQSClient:
    """The SQS client, for the nudge queue."""
    return boto3.client("sqs", config=_config())


@cache
def ssm() -> SSMClient:
    """The SSM client, for the Parameter Store."""
    return boto3.client("ssm", config=_config())

"""boto3's clients, one of each service in a process.

`mayfly.wiring` asks for them while a function is initialised: their models take long to load, and
Lambda gives an initialisation more processor time than an invocation.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

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
    """Time-outs in seconds, and tries in all. botocore's own defaults changed with 1.44."""
    return Config(
        connect_timeout=2,
        read_timeout=read_timeout,
        retries={"mode": "standard", "total_max_attempts": attempts},
        tcp_keepalive=True,
    )


@cache
def dynamodb() -> DynamoDBClient:
    """The client of both tables."""
    return boto3.client("dynamodb", config=_config(read_timeout=3, attempts=4))


@cache
def ec2() -> EC2Client:
    """The client of EC2. An instant fleet is launched within the call, which takes seconds."""
    return boto3.client("ec2", config=_config(read_timeout=20, attempts=2))


@cache
def iam() -> IAMClient:
    """The client of IAM."""
    return boto3.client("iam", config=_config())


@cache
def logs() -> CloudWatchLogsClient:
    """The client of CloudWatch Logs."""
    return boto3.client("logs", config=_config())


@cache
def sqs() -> SQSClient:
    """The client of the nudge queue."""
    return boto3.client("sqs", config=_config())


@cache
def ssm() -> SSMClient:
    """The client of the Parameter Store."""
    return boto3.client("ssm", config=_config())

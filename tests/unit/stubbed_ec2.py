"""An EC2 client for botocore's Stubber; its credentials are fake."""

from __future__ import annotations

from functools import cache
from typing import Any

import boto3


@cache
def client() -> Any:
    return boto3.client(
        "ec2",
        region_name="eu-central-1",
        aws_access_key_id="AKIAFAKE",
        aws_secret_access_key="fake",
    )

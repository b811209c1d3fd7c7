"""boto3 clients of the local AWS."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

from mayfly_lab.contracts import Keys


def client(service: str, endpoint: str, region: str, keys: Keys) -> Any:
    """A boto3 client of the local AWS without retries, so that the caller sees every error."""
    return boto3.client(
        service,  # type: ignore[call-overload] # the name is a variable here
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
        aws_session_token=keys.token,
        config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
    )

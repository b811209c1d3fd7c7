"""An AWS account as boto3's own chain of credentials opens it; AWS_ENDPOINT_URL is honoured."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
)
from botocore.exceptions import ConnectionError as EndpointError

from mayfly.adapters.aws.boto_errors import code_of
from mayfly_cli.ends import UsageError
from mayfly_cli.findings import Unknown

_REFUSED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "UnauthorizedOperation",
        "AuthorizationErrorException",
    }
)
_CONFIG = Config(
    connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 4}
)
# What IAM calls a service where botocore signs for it by another name.
_IAM_NAMES: Mapping[str, str] = {"monitoring": "cloudwatch"}


@dataclass(frozen=True, slots=True)
class Account:
    """Who calls, where, and clients of every service."""

    id: str
    caller: str
    """ARN of the caller."""
    region: str
    session: Any
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """The client of a service; one for all calls."""
        if service not in self._clients:
            self._clients[service] = self.session.client(service, config=_CONFIG)
        return self._clients[service]

    def ask(
        self, service: str, operation: str, absent: Collection[str] = (), **parameters: Any
    ) -> Any:
        """The answer to a call, all its pages together; None for an error code of `absent`.

        What AWS does not answer is Unknown: with the missing right, or with what it said.
        """
        client = self.client(service)
        try:
            if client.can_paginate(operation):
                return client.get_paginator(operation).paginate(**parameters).build_full_result()
            return getattr(client, operation)(**parameters)
        except ClientError as error:
            if code_of(error) in absent:
                return None
            return Unknown(_said(client, error))
        except (BotoCoreError, ParamValidationError) as error:
            return Unknown(str(error))


def open_account(region: str | None) -> Account:
    """The account of the caller.

    Raises:
        UsageError: no region, no credentials, or credentials that AWS refuses.
    """
    try:
        # boto3 knows AWS_DEFAULT_REGION alone, other tools AWS_REGION as well.
        session = boto3.Session(region_name=region or os.environ.get("AWS_REGION") or None)
        if not session.region_name:
            raise UsageError("no region: give --region, or set AWS_REGION")
        client = session.client("sts", config=_CONFIG)
        identity = client.get_caller_identity()
    except NoCredentialsError as error:
        raise UsageError(
            "no AWS credentials: log in (`aws sso login`), or set AWS_PROFILE"
        ) from error
    except NoRegionError as error:
        raise UsageError("no region: give --region, or set AWS_REGION") from error
    except ClientError as error:
        raise UsageError(
            f"AWS refuses these credentials ({code_of(error)}): log in anew"
        ) from error
    except (EndpointError, HTTPClientError) as error:
        raise UsageError(f"AWS cannot be reached: {error}") from error
    except ValueError as error:  # AWS_ENDPOINT_URL, or a region that cannot be part of a host name
        raise UsageError(f"AWS cannot be called: {error}") from error
    except BotoCoreError as error:  # a profile that is not there, half of a pair of keys
        raise UsageError(f"AWS credentials: {error}") from error
    return Account(identity["Account"], identity["Arn"], session.region_name, session)


def tags_of(tags: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Tags as EC2 and CloudFormation show them, by key."""
    return {tag["Key"]: tag["Value"] for tag in tags}


def action_of(client: Any, operation: str) -> str:
    """The IAM action of an operation, as `ssm:GetParameter`."""
    service = str(client.meta.service_model.signing_name)
    return f"{_IAM_NAMES.get(service, service)}:{operation}"


def refused(error: BaseException) -> bool:
    """Whether the caller lacks a right."""
    return code_of(error) in _REFUSED


def _said(client: Any, error: ClientError) -> str:
    action = action_of(client, error.operation_name)
    if refused(error):
        return f"the caller may not {action}"
    message = error.response.get("Error", {}).get("Message", "")
    return f"{action} answered {code_of(error)}: {message}"[:300]

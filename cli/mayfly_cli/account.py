"""An AWS account, opened by boto3's own credential chain; AWS_ENDPOINT_URL is honoured."""

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
from mayfly.scrubbing import scrub
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
CREDENTIALS = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
"""Codes of answers to a call with credentials that AWS does not take."""
_CONFIG = Config(
    connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 4}
)
QUICK = Config(
    connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3}
)
"""For commands that a person waits for: a call without an answer ends after 35 s at most."""
# By botocore's signing name: the IAM prefix of a service, where the two differ.
_IAM_NAMES: Mapping[str, str] = {"monitoring": "cloudwatch"}


@dataclass(frozen=True, slots=True)
class Account:
    """The caller's account, its region, and a client for each service."""

    id: str
    caller: str
    """ARN of the caller."""
    region: str
    session: Any
    _clients: dict[str, Any] = field(default_factory=dict)
    config: Config = _CONFIG
    """Time limits and attempts of each call."""

    def client(self, service: str) -> Any:
        """The boto3 client of a service; made once, then reused."""
        if service not in self._clients:
            self._clients[service] = self.session.client(service, config=self.config)
        return self._clients[service]

    def ask(
        self, service: str, operation: str, absent: Collection[str] = (), **parameters: Any
    ) -> Any:
        """The answer to a call, its pages merged; None if AWS answers an error code of `absent`.

        Any other error is returned as Unknown, with the missing right or AWS's error as reason.
        """
        client = self.client(service)
        try:
            if client.can_paginate(operation):
                return client.get_paginator(operation).paginate(**parameters).build_full_result()
            return getattr(client, operation)(**parameters)
        except ClientError as error:
            if code_of(error) in absent:
                return None
            return Unknown(_error_text(client, error))
        except (BotoCoreError, ParamValidationError) as error:
            return Unknown(str(error))


def open_account(region: str | None, config: Config = _CONFIG) -> Account:
    """The account that boto3's credentials belong to.

    Raises:
        UsageError: there is no region or no credentials, AWS refuses the credentials, or AWS cannot
            be reached.
    """
    try:
        # boto3 reads only AWS_DEFAULT_REGION; the AWS CLI and others read AWS_REGION as well.
        session = boto3.Session(region_name=region or os.environ.get("AWS_REGION") or None)
        if not session.region_name:
            raise UsageError("no region: give --region, or set AWS_REGION")
        client = session.client("sts", config=config)
        identity = client.get_caller_identity()
    except NoCredentialsError as error:
        raise UsageError(
            "no AWS credentials: log in (`aws sso login`), or set AWS_PROFILE"
        ) from error
    except NoRegionError as error:
        raise UsageError("no region: give --region, or set AWS_REGION") from error
    except ClientError as error:
        raise UsageError(_not_opened(code_of(error))) from error
    except (EndpointError, HTTPClientError) as error:
        raise UsageError(f"AWS cannot be reached: {error}") from error
    except ValueError as error:  # a bad AWS_ENDPOINT_URL, or a region that no host name can contain
        raise UsageError(f"AWS cannot be called: {error}") from error
    except BotoCoreError as error:  # a profile that does not exist, a key id without its secret
        raise UsageError(f"AWS credentials: {error}") from error
    return Account(
        identity["Account"], identity["Arn"], session.region_name, session, config=config
    )


def _not_opened(code: str) -> str:
    if code in CREDENTIALS:
        return f"AWS refuses these credentials ({code}): log in again"
    # IAM cannot refuse the call; the policy of a VPC endpoint or an organisation's can.
    return f"AWS does not say whose credentials these are ({code} to sts:GetCallerIdentity)"


def tags_of(tags: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Tag values by key, from the Key/Value list of EC2 and CloudFormation."""
    return {tag["Key"]: tag["Value"] for tag in tags}


def action_of(client: Any, operation: str) -> str:
    """The IAM action of an operation, such as `ssm:GetParameter`."""
    service = str(client.meta.service_model.signing_name)
    return f"{_IAM_NAMES.get(service, service)}:{operation}"


def is_refusal(error: BaseException) -> bool:
    """Whether AWS refused the call because the caller lacks a right."""
    return code_of(error) in _REFUSED


def _error_text(client: Any, error: ClientError) -> str:
    action = action_of(client, error.operation_name)
    if is_refusal(error):
        return f"the caller may not {action}"
    message = error.response.get("Error", {}).get("Message", "")
    return scrub(f"{action} answered {code_of(error)}: {message}")[:300]

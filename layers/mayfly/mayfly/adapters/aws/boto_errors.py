"""Translates AWS's errors into Mayfly's, which name the caller's duty: one table for all services.

Sources: the service models of botocore, EC2's error code reference, and the codes that Karpenter
and terraform-aws-github-runner treat as lack of capacity (aws/karpenter-provider-aws pkg/errors).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's name for its own family of errors
    CredentialRetrievalError,
    HTTPClientError,
)

from mayfly.errors import Conflict, MayflyError, Misconfigured, NoCapacity, NotFound, Transient

NO_CAPACITY = frozenset(
    {
        # For one pool: this instance type in this subnet.
        "InsufficientCapacity",
        "InsufficientCapacityOnHost",
        "InsufficientFreeAddressesInSubnet",
        "InsufficientHostCapacity",
        "InsufficientInstanceCapacity",
        "ReservationCapacityExceeded",
        "SpotMaxPriceTooLow",
        "UnfulfillableCapacity",
        "Unsupported",
        # For the account: the other market may still have capacity.
        "InstanceLimitExceeded",
        "MaxFleetCountExceeded",
        "MaxSpotFleetRequestCountExceeded",
        "MaxSpotInstanceCountExceeded",
        "ResourceLimitExceeded",
        "SpotInstanceCountLimitExceeded",
        "TargetCapacityLimitExceededException",
        "VcpuLimitExceeded",
    }
)

_TRANSIENT = (
    # Throttles: every service has its own codes.
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    # AWS is at fault, or slow. Some of these come with status 400.
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "OperationAbortedException",
    "RequestTimeout",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "TransactionInProgressException",
    "Unavailable",
    # Credentials of a Lambda sandbox that was frozen for long; the next sandbox has new ones.
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
)

_CONFLICT = (
    "ConditionalCheckFailedException",
    "TransactionConflictException",
    # A profile association is replaced by its id, and this id is used up or not active.
    "IncorrectState",
    "IncorrectInstanceState",
    "InvalidAssociationID.NotFound",
)

_NOT_FOUND = (
    "InvalidInstanceID.NotFound",
    "NoSuchEntity",
    "ParameterNotFound",
)

_DUTIES: Mapping[str, type[MayflyError]] = {
    **dict.fromkeys(NO_CAPACITY, NoCapacity),
    **dict.fromkeys(_TRANSIENT, Transient),
    **dict.fromkeys(_CONFLICT, Conflict),
    **dict.fromkeys(_NOT_FOUND, NotFound),
}


def code_of(error: BaseException | None) -> str:
    """AWS's code of an error; empty for an error that is not an answer of AWS."""
    if isinstance(error, ClientError):
        return error.response.get("Error", {}).get("Code", "")
    return ""


def duty(code: str, status: int = 400) -> type[MayflyError]:
    """The class for an error code.

    For a code that the table lacks: Transient for a status of 500 or more (AWS is at fault), else
    Misconfigured.
    """
    return _DUTIES.get(code, Transient if status >= 500 else Misconfigured)


def translate(error: ClientError | BotoCoreError) -> MayflyError:
    """Mayfly's error for botocore's; its text names the operation and AWS's code."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
        return duty(code_of(error), status)(str(error))
    if isinstance(error, HTTPClientError | ConnectionError | CredentialRetrievalError):
        return Transient(str(error))
    return Misconfigured(str(error))


@contextmanager
def translated() -> Iterator[None]:
    """Raise Mayfly's errors in place of botocore's, from the block inside."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise translate(error) from error

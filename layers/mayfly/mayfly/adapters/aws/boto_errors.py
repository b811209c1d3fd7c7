"""What AWS's errors mean for the caller: one table for all services.

Sources: the service models of botocore, EC2's error code reference, and what Karpenter and
terraform-aws-github-runner treat as want of capacity (aws/karpenter-provider-aws pkg/errors).
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
        # Of one pool: this instance type in this subnet.
        "InsufficientCapacity",
        "InsufficientCapacityOnHost",
        "InsufficientFreeAddressesInSubnet",
        "InsufficientHostCapacity",
        "InsufficientInstanceCapacity",
        "ReservationCapacityExceeded",
        "SpotMaxPriceTooLow",
        "UnfulfillableCapacity",
        "Unsupported",
        # Of the account: the other market may have what this one refuses.
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
    # Throttles, in every service's own words.
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
    # Credentials of a Lambda sandbox that was frozen for long; the next one has new ones.
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
)

_CONFLICT = (
    "ConditionalCheckFailedException",
    "TransactionConflictException",
    # A profile association is replaced by id, and the id is used up or not the active one.
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
    """AWS's code of an error; empty for what is none of AWS's answers."""
    if isinstance(error, ClientError):
        return error.response.get("Error", {}).get("Code", "")
    return ""


def duty(code: str, status: int = 400) -> type[MayflyError]:
    """The class of an error code. What the table lacks is by status: theirs, or ours."""
    return _DUTIES.get(code, Transient if status >= 500 else Misconfigured)


def translate(error: ClientError | BotoCoreError) -> MayflyError:
    """The error in Mayfly's words; its text names the operation and AWS's code."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
        return duty(code_of(error), status)(str(error))
    if isinstance(error, HTTPClientError | ConnectionError | CredentialRetrievalError):
        return Transient(str(error))
    return Misconfigured(str(error))


@contextmanager
def translated() -> Iterator[None]:
    """Raise botocore's errors as Mayfly's."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise translate(error) from error

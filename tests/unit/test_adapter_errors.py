"""AWS's errors by the caller's duty, and the stated time-outs and tries of AWS clients."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    ReadTimeoutError,
)

from mayfly.adapters.aws import clients
from mayfly.adapters.aws.boto_errors import NO_CAPACITY, code_of, duty, translated
from mayfly.errors import Conflict, MayflyError, Misconfigured, NoCapacity, NotFound, Transient

URL = "https://ec2.eu-central-1.amazonaws.com"


def client_error(code: str, status: int = 400) -> ClientError:
    answer = {
        "Error": {"Code": code, "Message": "because"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "DoThing")  # type: ignore[arg-type] # as botocore fills it


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("RequestLimitExceeded", 503, Transient),
        ("ThrottlingException", 400, Transient),
        ("Throttling", 400, Transient),
        ("TooManyRequestsException", 429, Transient),
        ("ProvisionedThroughputExceededException", 400, Transient),
        ("InternalError", 500, Transient),
        ("ServiceUnavailable", 503, Transient),
        ("ExpiredTokenException", 400, Transient),
        ("WhoKnows", 500, Transient),
        ("WhoKnows", 503, Transient),
        ("WhoKnows", 400, Misconfigured),
        ("AccessDeniedException", 400, Misconfigured),
        ("UnauthorizedOperation", 403, Misconfigured),
        ("ConditionalCheckFailedException", 400, Conflict),
        ("InvalidAssociationID.NotFound", 400, Conflict),
        ("InvalidInstanceID.NotFound", 400, NotFound),
        ("NoSuchEntity", 404, NotFound),
        ("ParameterNotFound", 400, NotFound),
        # EC2 sends this code with a status that alone would mean an outage.
        ("InsufficientInstanceCapacity", 500, NoCapacity),
    ],
)
def test_the_code_of_an_error_counts_before_its_status(
    code: str, status: int, expected: type[MayflyError]
) -> None:
    error = client_error(code, status)
    with pytest.raises(expected) as caught, translated():
        raise error
    assert type(caught.value) is expected
    assert caught.value.__cause__ is error
    assert (
        str(caught.value)
        == f"An error occurred ({code}) when calling the DoThing operation: because"
    )


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ReadTimeoutError(endpoint_url=URL), Transient),
        (ConnectTimeoutError(endpoint_url=URL), Transient),
        (EndpointConnectionError(endpoint_url=URL), Transient),
        (ConnectionClosedError(endpoint_url=URL), Transient),
        (NoCredentialsError(), Misconfigured),
        (NoRegionError(), Misconfigured),
        (ParamValidationError(report="no such parameter"), Misconfigured),
    ],
    ids=lambda given: type(given).__name__ if isinstance(given, Exception) else given.__name__,
)
def test_connection_errors_are_transient_and_wrong_calls_are_misconfigured(
    error: BotoCoreError, expected: type[MayflyError]
) -> None:
    with pytest.raises(expected), translated():
        raise error


def test_errors_from_elsewhere_pass_unchanged() -> None:
    with pytest.raises(ZeroDivisionError), translated():
        1 / 0  # noqa: B018 - it is there to raise


def test_every_capacity_code_means_no_capacity() -> None:
    assert {duty(code) for code in NO_CAPACITY} == {NoCapacity}


def test_only_client_errors_have_a_code() -> None:
    assert code_of(client_error("Throttling")) == "Throttling"
    assert code_of(ValueError("Throttling")) == ""
    assert code_of(None) == ""


def test_sandboxs_calls_of_ec2_are_never_repeated_within_a_tick(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    config: Any = clients.ec2_at_once.__wrapped__().meta.config
    assert config.retries["total_max_attempts"] == 1
    assert config.connect_timeout + config.read_timeout <= 7


@pytest.mark.parametrize("service", ["dynamodb", "ec2", "iam", "logs", "sqs", "ssm"])
def test_a_client_has_stated_time_outs_and_tries(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    config = getattr(clients, service).__wrapped__().meta.config
    assert config.connect_timeout == 2
    # All tries together must end within the 60 seconds of the shortest function.
    assert 2 <= config.retries["total_max_attempts"] <= 4
    assert (config.connect_timeout + config.read_timeout) * config.retries[
        "total_max_attempts"
    ] < 50
    assert config.retries["mode"] == "standard"

"""Last words in the log group: cut, scrubbed, in the form that CloudWatch Logs accepts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from mayfly.adapters.aws.logs import LONGEST_EVENT, LogGroup
from mayfly.errors import Transient

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
GROUP = "/mayfly/ci/last-words"


@cache
def client() -> Any:
    return boto3.client(
        "logs",
        region_name="eu-central-1",
        aws_access_key_id="AKIAFAKE",
        aws_secret_access_key="fake",
    )


@pytest.fixture
def logs() -> Iterator[Stubber]:
    with Stubber(client()) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def event(message: object, stream: str = "i-1") -> dict[str, object]:
    stamp = int(AT.timestamp() * 1000)
    return {
        "logGroupName": GROUP,
        "logStreamName": stream,
        "logEvents": [{"timestamp": stamp, "message": message}],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("agent said bkaa_0123456789abcdef", "agent said [redacted]"),
        ("- " * LONGEST_EVENT, "- " * (LONGEST_EVENT // 2)),
        ("é" * LONGEST_EVENT, "é" * (LONGEST_EVENT // 2)),
        ("", "(nothing)"),
    ],
    ids=["secret", "long", "long letters", "nothing"],
)
def test_last_words_are_cut_and_scrubbed(logs: Stubber, text: str, message: str) -> None:
    logs.add_response("put_log_events", {}, event(message))
    LogGroup(client(), GROUP).keep("i-1", text, AT)


def test_a_missing_log_stream_is_created(logs: Stubber) -> None:
    logs.add_client_error("put_log_events", "ResourceNotFoundException")
    asked = {"logGroupName": GROUP, "logStreamName": "l1/0 i-1"}
    logs.add_response("create_log_stream", {}, asked)
    logs.add_response("put_log_events", {}, event("words", "l1/0 i-1"))
    LogGroup(client(), GROUP).keep("l1/0 i-1", "words", AT)


def test_a_log_stream_created_by_another_invocation_is_used(logs: Stubber) -> None:
    logs.add_client_error("put_log_events", "ResourceNotFoundException")
    logs.add_client_error("create_log_stream", "ResourceAlreadyExistsException")
    logs.add_response("put_log_events", {}, event("words"))
    LogGroup(client(), GROUP).keep("i-1", "words", AT)


def test_characters_that_stream_names_may_not_have_are_replaced(logs: Stubber) -> None:
    logs.add_response("put_log_events", {}, event(ANY, "a_b_c"))
    LogGroup(client(), GROUP).keep("a:b*c", "words", AT)


def test_last_words_rejected_for_their_time_are_logged(
    logs: Stubber, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    rejected = {"rejectedLogEventsInfo": {"tooOldLogEventEndIndex": 1}}
    logs.add_response("put_log_events", rejected, event("words"))
    LogGroup(client(), GROUP).keep("i-1", "words", AT)
    assert "tooOldLogEventEndIndex" in caplog.text


def test_a_throttled_log_group_is_transient(logs: Stubber) -> None:
    logs.add_client_error("put_log_events", "ThrottlingException")
    with pytest.raises(Transient):
        LogGroup(client(), GROUP).keep("i-1", "words", AT)

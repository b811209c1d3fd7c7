"""Parameters by path and by name, over real connections: requests as AWS documents them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from mayfly_instance.aws import Aws, AwsError, Denied, Page, Parameter, Unavailable
from mayfly_instance.clock import Clock
from mayfly_instance.sigv4 import Credentials
from mayfly_instance.threads import side_by_side
from tests.instance.front import Front, serving

KEYS = Credentials("ASIAX", "secret", "session", datetime(2036, 1, 1, tzinfo=UTC))
ONE = {"Name": "/p/app/env/a", "Type": "SecureString", "Value": "hunter-22", "Version": 1}


@pytest.fixture
def front() -> Iterator[Front]:
    with serving(KEYS) as running:
        yield running
        assert not running.forged


@pytest.fixture
def aws(front: Front) -> Aws:
    return Aws("eu-west-1", "aws", front.url, Clock(), seconds=30)


def test_a_page_of_parameters_is_read_decrypted_and_at_any_depth(front: Front, aws: Aws) -> None:
    front.answers["GetParametersByPath"] = lambda _: (
        200,
        json.dumps({"Parameters": [ONE], "NextToken": "AA=="}),
    )

    page = aws.parameters_below(KEYS, "/p/app")
    assert page == Page([Parameter("/p/app/env/a", "SecureString", "hunter-22")], "AA==")
    aws.parameters_below(KEYS, "/p/app", page.following)
    asked = {"Path": "/p/app", "Recursive": True, "WithDecryption": True, "MaxResults": 10}
    assert front.calls == [
        ("GetParametersByPath", asked),
        ("GetParametersByPath", {**asked, "NextToken": "AA=="}),
    ]


def test_a_page_may_be_empty_and_not_the_last(front: Front, aws: Aws) -> None:
    front.answers["GetParametersByPath"] = lambda _: (200, '{"Parameters": [], "NextToken": "x"}')

    assert aws.parameters_below(KEYS, "/p/app") == Page([], "x")


def test_named_parameters_are_read_and_missing_ones_left_out(front: Front, aws: Aws) -> None:
    answer = json.dumps({"Parameters": [ONE], "InvalidParameters": ["/p/gone"]})
    front.answers["GetParameters"] = lambda _: (200, answer)

    (found,) = aws.parameters_named(KEYS, ["/p/app/env/a", "/p/gone"])
    assert found.value == "hunter-22"
    asked = {"Names": ["/p/app/env/a", "/p/gone"], "WithDecryption": True}
    assert front.calls == [("GetParameters", asked)]


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        # KMS refuses the key: SSM answers with its own code.
        (400, {"__type": "AccessDeniedException", "message": "no kms:Decrypt"}, Denied),
        (400, {"__type": "InvalidKeyId", "message": "key is disabled"}, AwsError),
        (400, {"__type": "ThrottlingException", "message": "Rate exceeded"}, Unavailable),
        (500, {"__type": "InternalServerError"}, Unavailable),
        (200, {"Parameters": [{"Name": "x"}]}, AwsError),
        (200, {}, AwsError),
        (200, [], AwsError),
    ],
)
def test_each_refusal_has_its_kind(
    front: Front, aws: Aws, status: int, body: Any, error: type[AwsError]
) -> None:
    front.answers["GetParametersByPath"] = lambda _: (status, json.dumps(body))

    with pytest.raises(AwsError) as caught:
        aws.parameters_below(KEYS, "/p/app")
    assert type(caught.value) is error


def test_a_parameter_does_not_print_its_value() -> None:
    assert "hunter-22" not in repr(Page([Parameter("/p", "String", "hunter-22")], ""))


def test_calls_run_side_by_side_and_answer_in_their_order() -> None:
    both = threading.Barrier(2, timeout=30)

    def call(number: int) -> int:
        both.wait()
        return number

    assert side_by_side([lambda: call(1), lambda: call(2)], Clock(), 60) == [1, 2]


def test_the_error_of_a_call_is_raised_after_the_others_ended() -> None:
    ended = threading.Event()

    def fail() -> None:
        raise Denied("no right")

    with pytest.raises(Denied, match="no right"):
        side_by_side([fail, ended.set], Clock(), 60)
    assert ended.is_set()


def test_calls_that_hang_are_left_alone_after_the_limit() -> None:
    hangs = threading.Event()
    with pytest.raises(Unavailable, match=r"longer than 0\.01 s"):
        side_by_side([hangs.wait], Clock(), 0.01)
    hangs.set()

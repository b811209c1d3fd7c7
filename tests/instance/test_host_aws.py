"""The host's own AWS client, over real connections."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from mayfly_instance.aws import Aws, AwsError, Caller, Denied, Missing, Unavailable
from mayfly_instance.clock import Clock
from mayfly_instance.mailbox import Letter, Mailbox
from mayfly_instance.sigv4 import Credentials
from mayfly_protocol.phases import Phase
from mayfly_protocol.report import Report
from tests.instance.fakes import BOOT
from tests.instance.front import Front, serving

KEYS = Credentials("ASIAX", "secret", "session", datetime(2036, 1, 1, tzinfo=UTC))
WHO = """<GetCallerIdentityResponse><GetCallerIdentityResult>
<Arn>arn:aws:sts::1:assumed-role/r/i-1</Arn><UserId>AROA:i-1</UserId><Account>1</Account>
</GetCallerIdentityResult></GetCallerIdentityResponse>"""


@pytest.fixture
def front() -> Iterator[Front]:
    with serving(KEYS) as running:
        yield running
        assert not running.forged


@pytest.fixture
def aws(front: Front) -> Aws:
    return Aws("eu-west-1", "aws", front.url, Clock(), seconds=30)


def test_the_caller_of_credentials_is_read_from_sts(front: Front, aws: Aws) -> None:
    front.answers["GetCallerIdentity"] = lambda _: (200, WHO)

    assert aws.caller(KEYS) == Caller("arn:aws:sts::1:assumed-role/r/i-1", "AROA:i-1")


def test_a_parameter_is_read(front: Front, aws: Aws) -> None:
    front.answers["GetParameter"] = lambda asked: (
        200,
        json.dumps({"Parameter": {"Name": asked["Name"], "Value": "s3://b/k"}}),
    )

    assert aws.parameter(KEYS, "/mayfly/ci/x") == "s3://b/k"


def test_an_object_whose_key_needs_encoding_is_fetched(front: Front, aws: Aws) -> None:
    front.answers["GET /bucket/a%20b/%C3%A9%2B.sh"] = lambda _: (200, b"#!/bin/sh\n")

    assert aws.object(KEYS, "bucket", "a b/é+.sh") == b"#!/bin/sh\n"


def test_a_version_of_an_object_is_fetched_by_its_encoded_id(front: Front, aws: Aws) -> None:
    front.answers["GET /bucket/set-up.sh?versionId=a%2Bb%2Fc%3D"] = lambda _: (200, b"older")

    assert aws.object(KEYS, "bucket", "set-up.sh", "a+b/c=") == b"older"


def test_an_object_version_that_does_not_exist_is_missing(front: Front, aws: Aws) -> None:
    answer = "<Error><Code>NoSuchVersion</Code><Message>none</Message></Error>"
    front.answers["GET /bucket/set-up.sh?versionId=a"] = lambda _: (404, answer)

    with pytest.raises(Missing, match="NoSuchVersion"):
        aws.object(KEYS, "bucket", "set-up.sh", "a")


@pytest.mark.parametrize(("size", "fits"), [(4 * 1024 * 1024 - 1, True), (4 * 1024 * 1024, False)])
def test_an_object_is_fetched_whole_or_not_at_all(
    front: Front, aws: Aws, size: int, fits: bool
) -> None:
    front.answers["GET /bucket/set-up.sh"] = lambda _: (200, b"x" * size)

    if fits:
        assert len(aws.object(KEYS, "bucket", "set-up.sh")) == size
    else:
        with pytest.raises(AwsError, match=r"bucket/set-up\.sh has 4 MB or more"):
            aws.object(KEYS, "bucket", "set-up.sh")


def test_a_mailbox_sends_one_map_and_reads_one_row(front: Front, aws: Aws) -> None:
    row: dict[str, Any] = {
        "key": {"S": "AROA:i-1"},
        "assignment": {
            "M": {"protocol": {"N": "1"}, "policy": {"M": {"rules": {"L": [{"S": "x"}]}}}}
        },
        "nothing": {"NULL": True},
    }
    front.answers["UpdateItem"] = lambda _: (200, "{}")
    front.answers["GetItem"] = lambda _: (200, json.dumps({"Item": row}))
    mailbox = Mailbox(aws, "ci-mailbox", "AROA:i-1")
    mailbox.send(KEYS, Report(Phase.DONE, BOOT, exit=0, words="", reason=""))

    assert mailbox.read(KEYS) == Letter({"protocol": 1, "policy": {"rules": ["x"]}})
    (_, update), (_, get) = front.calls
    # No ReturnValues: they would read the row, and the role's policy refuses them.
    assert update == {
        "TableName": "ci-mailbox",
        "Key": {"key": {"S": "AROA:i-1"}},
        "UpdateExpression": "SET report = :r",
        "ExpressionAttributeValues": {
            ":r": {
                "M": {
                    "protocol": {"N": "1"},
                    "phase": {"S": "done"},
                    "boot": {"S": BOOT},
                    "exit": {"N": "0"},
                }
            }
        },
    }
    assert get == {
        "TableName": "ci-mailbox",
        "Key": {"key": {"S": "AROA:i-1"}},
        "ConsistentRead": False,
    }


def test_a_missing_row_is_an_empty_mailbox(front: Front, aws: Aws) -> None:
    front.answers["GetItem"] = lambda _: (200, "{}")

    assert Mailbox(aws, "t", "k").read(KEYS) == Letter()
    assert Mailbox(aws, "t", "k").notice(KEYS) is None


@pytest.mark.parametrize(("notice", "read"), [({"S": "soon"}, "soon"), ({"NULL": True}, None)])
def test_the_notice_is_read_from_a_row_of_its_own(
    front: Front, aws: Aws, notice: dict[str, Any], read: str | None
) -> None:
    front.answers["GetItem"] = lambda _: (200, json.dumps({"Item": {"notice": notice}}))

    assert Mailbox(aws, "ci-mailbox", "AROA:i-1").notice(KEYS) == read
    ((_, get),) = front.calls
    assert get["Key"] == {"key": {"S": "notice/AROA:i-1"}}


def test_repeated_reads_use_one_connection(front: Front, aws: Aws) -> None:
    front.answers["GetItem"] = lambda _: (200, "{}")
    for _ in range(5):
        aws.item(KEYS, "t", "k")

    assert front.connections == 1


def test_a_call_succeeds_after_the_server_closed_the_connection(front: Front, aws: Aws) -> None:
    front.close = True
    front.answers["GetItem"] = lambda _: (200, "{}")
    for _ in range(3):
        aws.item(KEYS, "t", "k")

    assert front.connections == 3


def refusal(kind: str, text: str = "why") -> str:
    return json.dumps({"__type": f"com.amazonaws.x#{kind}", "message": text})


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, refusal("AccessDeniedException"), Denied),
        (400, refusal("ExpiredTokenException"), Denied),
        (400, refusal("UnrecognizedClientException"), Denied),
        (403, "<html>", Denied),
        (403, "<Error><Code>InvalidAccessKeyId</Code><Message>m</Message></Error>", Denied),
        (400, refusal("ParameterNotFound"), Missing),
        (400, refusal("ResourceNotFoundException"), Missing),
        (404, "<Error><Code>NoSuchKey</Code></Error>", Missing),
        (400, refusal("ThrottlingException"), Unavailable),
        (400, refusal("ProvisionedThroughputExceededException"), Unavailable),
        (429, "", Unavailable),
        (503, "<Error><Code>SlowDown</Code></Error>", Unavailable),
        (500, "oops", Unavailable),
        (400, refusal("ValidationException"), AwsError),
        (301, "", AwsError),
        (200, "not JSON", Unavailable),
    ],
)
def test_an_error_code_becomes_the_class_that_tells_whether_to_retry(
    front: Front, aws: Aws, status: int, body: str, kind: type[AwsError]
) -> None:
    front.answers["GetItem"] = lambda _: (status, body)
    with pytest.raises(AwsError) as raised:
        aws.item(KEYS, "t", "k")

    assert type(raised.value) is kind
    assert str(raised.value).startswith("dynamodb: ")


def test_a_refused_connection_raises_unavailable() -> None:
    with serving(KEYS) as gone:
        pass
    with pytest.raises(Unavailable, match="refused"):
        Aws("eu-west-1", "aws", gone.url, Clock()).caller(KEYS)


@pytest.mark.parametrize(
    ("partition", "bucket", "host"),
    [
        ("aws", "plain", "plain.s3.eu-west-1.amazonaws.com"),
        ("aws", "with.dots", "s3.eu-west-1.amazonaws.com"),
        ("aws-cn", "plain", "plain.s3.eu-west-1.amazonaws.com.cn"),
        ("aws-us-gov", "plain", "plain.s3.eu-west-1.amazonaws.com"),
    ],
)
def test_endpoints_are_regional_and_follow_the_partition(
    partition: str, bucket: str, host: str
) -> None:
    asked: list[str] = []

    class Wired(Aws):
        def _exchange(self, request: Any, headers: Any) -> tuple[int, bytes]:
            asked.append(request.url)
            return 200, b""

    Wired("eu-west-1", partition, "", Clock()).object(KEYS, bucket, "k")

    assert asked[0].startswith(f"https://{host}/")

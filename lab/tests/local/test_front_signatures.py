"""The signer of a request: identified by the signature, or refused."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from urllib3 import PoolManager

from local.aws_lab import Lab, a_lab, principal, refused
from mayfly_lab.aws.front.call import Kind
from mayfly_lab.contracts import Keys


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with a_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(autouse=True)
def clear_faults(lab: Lab) -> Iterator[None]:
    yield
    lab.aws.faults.clear()


def altered(keys: Keys, **changes: Any) -> Keys:
    return Keys(
        changes.get("access_key", keys.access_key),
        changes.get("secret_key", keys.secret_key),
        changes.get("token", keys.token),
        keys.expires,
    )


def test_unknown_keys_are_refused_with_each_services_own_code(lab: Lab) -> None:
    stranger = altered(lab.aws.administrator, access_key="ASIA" + "X" * 16)
    codes = {
        "dynamodb": ("list_tables", "UnrecognizedClientException"),
        "ec2": ("describe_vpcs", "AuthFailure"),
        "iam": ("list_roles", "InvalidClientTokenId"),
        "lambda": ("list_functions", "UnrecognizedClientException"),
        "s3": ("list_buckets", "InvalidAccessKeyId"),
        "sqs": ("list_queues", "InvalidClientTokenId"),
    }
    for service, (operation, code) in codes.items():
        assert refused(getattr(lab.client(service, stranger), operation))[0] == code


def test_a_wrong_secret_is_refused(lab: Lab) -> None:
    keys = altered(lab.aws.administrator, secret_key="another")
    assert refused(lab.client("dynamodb", keys).list_tables)[0] == "InvalidSignatureException"
    assert refused(lab.client("iam", keys).list_roles)[0] == "SignatureDoesNotMatch"
    assert refused(lab.client("s3", keys).list_buckets)[0] == "SignatureDoesNotMatch"


def test_the_session_token_of_other_keys_is_refused(lab: Lab) -> None:
    other = lab.keys_of(Kind.ADMINISTRATOR, "other")
    keys = altered(lab.aws.administrator, token=other.token)
    assert refused(lab.client("iam", keys).list_roles)[0] == "InvalidClientTokenId"


def test_expired_keys_are_refused(lab: Lab) -> None:
    keys = lab.aws.credentials.issue(principal(Kind.ADMINISTRATOR, "o"), timedelta(seconds=-1))
    assert refused(lab.client("ssm", keys).describe_parameters)[0] == "ExpiredTokenException"
    assert refused(lab.client("iam", keys).list_roles)[0] == "ExpiredToken"


def signed(lab: Lab, body: bytes = b"{}") -> AWSRequest:
    keys = lab.aws.administrator
    request = AWSRequest(
        "POST",
        lab.aws.endpoint + "/",
        {
            "x-amz-target": "DynamoDB_20120810.ListTables",
            "content-type": "application/x-amz-json-1.0",
        },
        body,
    )
    credentials = BotocoreCredentials(keys.access_key, keys.secret_key, keys.token)
    SigV4Auth(credentials, "dynamodb", "us-east-1").add_auth(request)
    return request


def sent(lab: Lab, request: AWSRequest, **changes: str) -> tuple[int, dict[str, Any]]:
    headers = dict(request.headers.items()) | changes
    answer = PoolManager().request(
        "POST", lab.aws.endpoint + "/", body=request.body, headers=headers
    )
    return answer.status, json.loads(answer.data)


def test_a_request_changed_after_signing_is_refused(lab: Lab) -> None:
    request = signed(lab)
    assert sent(lab, request)[0] == 200
    changed = sent(lab, request, **{"x-amz-target": "DynamoDB_20120810.DeleteTable"})
    assert changed[1]["__type"] == "InvalidSignatureException"
    request.data = b'{"Limit": 1}'
    assert sent(lab, request)[1]["__type"] == "InvalidSignatureException"


def test_a_wrong_body_hash_is_refused(lab: Lab) -> None:
    request = signed(lab)
    wrong = hashlib.sha256(b"other").hexdigest()
    status, answer = sent(lab, request, **{"x-amz-content-sha256": wrong})
    assert (status, answer["__type"]) == (400, "XAmzContentSHA256Mismatch")


def test_an_old_signature_is_refused(lab: Lab) -> None:
    status, answer = sent(lab, signed(lab), **{"X-Amz-Date": "20200101T000000Z"})
    assert (status, answer["__type"]) == (400, "RequestExpired")


def test_a_request_without_a_signature_is_refused(lab: Lab) -> None:
    request = AWSRequest("POST", "", {"x-amz-target": "DynamoDB_20120810.ListTables"}, b"{}")
    status, answer = sent(lab, request)
    assert (status, answer["__type"]) == (400, "MissingAuthenticationTokenException")
    status, answer = sent(lab, request, authorization="Basic eDp5")
    assert answer["__type"] == "IncompleteSignature"


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_a_signature_by_curl_is_accepted(lab: Lab) -> None:
    keys = lab.aws.administrator
    lab.client("ssm").put_parameter(Name="/for/curl", Value="v", Type="String")
    settings = (
        f'user = "{keys.access_key}:{keys.secret_key}"\n'
        f'header = "X-Amz-Security-Token: {keys.token}"\n'
    )
    answer = subprocess.run(
        [
            *("curl", "--silent", "--fail", "--config", "-"),
            *("--aws-sigv4", "aws:amz:us-east-1:ssm"),
            *("--header", "Content-Type: application/x-amz-json-1.1"),
            *("--header", "X-Amz-Target: AmazonSSM.GetParameter"),
            *("--data", '{"Name": "/for/curl"}', lab.aws.endpoint + "/"),
        ],
        input=settings,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(answer.stdout)["Parameter"]["Value"] == "v"

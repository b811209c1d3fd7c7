"""`sign` gives exactly botocore's signatures."""

from __future__ import annotations

from datetime import UTC, datetime

import botocore.credentials
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest

from mayfly_instance.sigv4 import Credentials, Request, sign

KEYS = Credentials(
    "ASIAEXAMPLE", "wJalr/XUtn+FEMI", "IQoJ//token==", datetime.max.replace(tzinfo=UTC)
)
JSON = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.GetItem"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CASES = {
    "dynamodb": ("dynamodb", "POST", "https://dynamodb.eu-west-1.amazonaws.com/", JSON, b"{}"),
    "ssm": (
        "ssm",
        "POST",
        "https://ssm.eu-west-1.amazonaws.com/",
        JSON,
        b'{"Name": "/a/\xc3\xa9"}',
    ),
    "sts": ("sts", "POST", "https://sts.eu-west-1.amazonaws.com/", FORM, b"Action=x&Version=1"),
    "no path": ("sts", "POST", "https://sts.eu-west-1.amazonaws.com", FORM, b""),
    "a port": ("ssm", "POST", "http://127.0.0.1:4566/", JSON, b"{}"),
    "a query": (
        "lambda",
        "GET",
        "https://x.example/2018-10-31/layers?find=LayerVersion&Arn=arn%3Aaws%3Alambda%3A1%3Alayer",
        {},
        b"",
    ),
    "a query in disorder": ("lambda", "GET", "https://x.example/p?b=2&a=1&a=0&c", {}, b""),
    "an odd path": ("lambda", "GET", "https://x.example/a%20b/%C3%A9/(x)*~!/;=", {}, b""),
    "a path to normalise": ("lambda", "GET", "https://x.example/a/./b/../c//d/", {}, b""),
    "headers with blanks": ("sts", "GET", "https://x.example/", {"X-Amz-X": "  a   b "}, b""),
    "s3": ("s3", "GET", "https://bucket.s3.eu-west-1.amazonaws.com/ci/set-up.sh", {}, b""),
    "s3, an odd key": ("s3", "GET", "https://b.example/a%20b/../c//%C3%A9%2B(x)~/", {}, b""),
    "s3, a query": ("s3", "GET", "https://b.example/k?versionId=a%2Fb&x", {}, b""),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_our_signature_is_botocores(case: tuple[str, str, str, dict[str, str], bytes]) -> None:
    service, method, url, headers, body = case
    expected = AWSRequest(method=method, url=url, headers=headers, data=body)
    kind = S3SigV4Auth if service == "s3" else SigV4Auth
    keys = botocore.credentials.Credentials(KEYS.access_key, KEYS.secret_key, KEYS.token)
    kind(keys, service, "eu-west-1").add_auth(expected)

    when = datetime.strptime(expected.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    actual = sign(Request(method, url, headers, body), KEYS, "eu-west-1", service, when)
    assert actual["Authorization"] == expected.headers["Authorization"]
    for name in ("X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-SHA256"):
        assert actual.get(name) == expected.headers.get(name)


def test_the_repr_of_credentials_shows_no_secret() -> None:
    assert "wJalr" not in repr(KEYS)
    assert "token" not in repr(KEYS)

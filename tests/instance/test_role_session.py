"""What STS is asked for a job's role, and what its answers mean, over real connections."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from mayfly_instance.aws import Aws, AwsError, Denied, Unavailable
from mayfly_instance.clock import Clock
from mayfly_instance.role_session import RoleSession, session_name, session_of
from mayfly_instance.sigv4 import Credentials
from mayfly_protocol.assignment import parse
from mayfly_protocol.grants import Grants, Role
from mayfly_protocol.job_facts import JobFacts
from tests.instance.fakes import BOOT
from tests.instance.front import Front, serving
from tests.instance.worlds import JOB, an_assignment

KEYS = Credentials("ASIAX", "secret", "session", datetime(2036, 1, 1, tzinfo=UTC))
ARN = "arn:aws:iam::123456789012:role/ci/deploy-app"
FACTS = JobFacts(
    organization="acme", pipeline="app", build="7", branch="feature/ü 1", source="webhook"
)
ANSWER = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<AssumedRoleUser><AssumedRoleId>AROA:x</AssumedRoleId><Arn>arn:aws:sts::1:x</Arn></AssumedRoleUser>
<Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>key/of+role=</SecretAccessKey>
<SessionToken>token//of+role==</SessionToken><Expiration>2026-11-21T09:00:00Z</Expiration>
</Credentials></AssumeRoleResult></AssumeRoleResponse>"""


@pytest.fixture
def front() -> Iterator[Front]:
    with serving(KEYS) as running:
        yield running
        assert not running.forged


@pytest.fixture
def aws(front: Front) -> Aws:
    return Aws("eu-west-1", "aws", front.url, Clock(), seconds=30)


@pytest.fixture
def session() -> RoleSession:
    role = Role(ARN, 1800)
    grants = Grants(facts=FACTS, role=role)
    found = an_assignment(protocol=2, grants=grants.to_row())
    return session_of(parse(found, BOOT, "deploy"), grants, role)


def test_a_session_has_the_jobs_name_and_transitive_tags(
    front: Front, aws: Aws, session: RoleSession
) -> None:
    front.answers["AssumeRole"] = lambda _: (200, ANSWER)

    found = aws.assume_role(KEYS, session)
    assert found == Credentials(
        "ASIAROLE", "key/of+role=", "token//of+role==", datetime(2026, 11, 21, 9, tzinfo=UTC)
    )
    [(_, asked)] = front.calls
    sent = {name: value for name, [value] in asked.items()}
    assert sent["RoleArn"] == ARN
    assert sent["RoleSessionName"] == f"app-7-{JOB}"
    assert sent["DurationSeconds"] == "1800"
    numbers = range(1, 6)
    tags = {sent[f"Tags.member.{n}.Key"]: sent[f"Tags.member.{n}.Value"] for n in numbers}
    assert tags == {
        "organization": "acme",
        "pipeline": "app",
        "branch": "feature/ü 1",
        "queue": "deploy",
        "source": "webhook",
    }
    assert {sent[f"TransitiveTagKeys.member.{n}"] for n in numbers} == set(tags)


@pytest.mark.parametrize(
    ("pipeline", "build", "job", "name"),
    [
        ("app", "7", JOB, f"app-7-{JOB}"),
        ("a" * 100, "123456", JOB, f"{'a' * 20}-123456-{JOB}"),
        ("söme/pipe line", "7", JOB, f"s-me-pipe-line-7-{JOB}"),
        ("app", "9" * 40, JOB, f"app-{'9' * 12}-{JOB}"),
        ("app", "", JOB, f"app--{JOB}"),
        ("app", "7", "j" * 80, f"-7-{'j' * 61}"),
    ],
)
def test_the_name_of_a_session_has_64_characters_at_most_and_the_whole_job(
    pipeline: str, build: str, job: str, name: str
) -> None:
    found = session_name(pipeline, build, job)
    assert found == name
    assert re.fullmatch(r"[\w+=,.@-]{2,64}", found, re.ASCII)


def refusal(code: str, message: str) -> str:
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return f"<ErrorResponse>{error}</ErrorResponse>"


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (403, "AccessDenied", Denied),
        (403, "SignatureDoesNotMatch", Denied),
        (403, "ExpiredToken", Denied),
        (400, "ValidationError", AwsError),
        (400, "PackedPolicyTooLarge", AwsError),
        (400, "Throttling", Unavailable),
        (500, "InternalFailure", Unavailable),
        (503, "ServiceUnavailable", Unavailable),
    ],
)
def test_a_refusal_of_sts_has_its_code_and_says_whether_to_repeat(
    front: Front, aws: Aws, session: RoleSession, status: int, code: str, error: type[AwsError]
) -> None:
    front.answers["AssumeRole"] = lambda _: (status, refusal(code, "no"))
    with pytest.raises(AwsError) as caught:
        aws.assume_role(KEYS, session)
    assert type(caught.value) is error
    assert f"{status} {code}: no" in str(caught.value)


@pytest.mark.parametrize("part", ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"])
def test_an_answer_without_a_part_is_an_error_and_shows_no_secret(
    front: Front, aws: Aws, session: RoleSession, part: str
) -> None:
    front.answers["AssumeRole"] = lambda _: (200, ANSWER.replace(part, "Other"))
    with pytest.raises(AwsError, match=f"no {part}") as caught:
        aws.assume_role(KEYS, session)
    assert "key/of+role" not in str(caught.value)

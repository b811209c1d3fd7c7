"""The agent token: read seldom, read again after a refusal or five minutes, shown nowhere."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from mayfly.adapters.aws.ssm import Secret
from mayfly.errors import Misconfigured, Transient
from mayfly.scrubbing import scrub

FIRST, SECOND = "an-old-token-without-prefix", "bkct_a-new-one-0123456789"


class Ssm:
    """SSM with the one call that a secret makes; keeps every read."""

    def __init__(self, value: str = FIRST) -> None:
        self.value = value
        self.error = ""
        self.reads: list[tuple[str, bool]] = []

    def get_parameter(self, *, Name: str, WithDecryption: bool) -> dict[str, dict[str, str]]:  # noqa: N803 - boto's names
        self.reads.append((Name, WithDecryption))
        if self.error:
            status = {"HTTPStatusCode": 400}
            answer = {"Error": {"Code": self.error, "Message": ""}, "ResponseMetadata": status}
            raise ClientError(answer, "GetParameter")  # type: ignore[arg-type] # as botocore has it
        return {"Parameter": {"Value": self.value}}


class Bench:
    def __init__(self) -> None:
        self.now = 100.0
        self.ssm = Ssm()
        self.secret = Secret(self.ssm, "/secrets/buildkite", lambda: self.now)  # type: ignore[arg-type] # one method of the client is enough


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_secret_is_read_and_decrypted_once(bench: Bench) -> None:
    assert bench.ssm.reads == []
    assert [bench.secret.value() for _ in range(3)] == [FIRST] * 3
    assert bench.ssm.reads == [("/secrets/buildkite", True)]


def test_a_secret_is_read_again_after_five_minutes(bench: Bench) -> None:
    bench.secret.value()
    bench.ssm.value = SECOND
    bench.now += 299
    assert bench.secret.value() == FIRST
    bench.now += 2
    assert bench.secret.value() == SECOND


def test_a_refused_secret_is_read_again_at_most_every_15_seconds(bench: Bench) -> None:
    bench.secret.value()
    bench.now += 20
    bench.secret.refused()
    bench.secret.value()
    assert len(bench.ssm.reads) == 2
    for _ in range(10):
        bench.secret.refused()
        bench.secret.value()
    assert len(bench.ssm.reads) == 2
    bench.ssm.value = SECOND
    bench.now += 16
    assert bench.secret.value() == SECOND


def test_a_secret_read_after_a_refusal_is_kept(bench: Bench) -> None:
    bench.secret.value()
    bench.now += 20
    bench.secret.refused()
    bench.secret.value()
    bench.now += 20
    bench.secret.value()
    assert len(bench.ssm.reads) == 2


@pytest.mark.parametrize(
    "error",
    ["ParameterNotFound", "AccessDeniedException", "InvalidKeyId"],
)
def test_an_unreadable_secret_is_a_misconfiguration(bench: Bench, error: str) -> None:
    bench.ssm.error = error
    with pytest.raises(Misconfigured):
        bench.secret.value()


def test_a_missing_secret_is_named_in_the_error(bench: Bench) -> None:
    bench.ssm.error = "ParameterNotFound"
    with pytest.raises(Misconfigured, match="/secrets/buildkite does not exist"):
        bench.secret.value()


def test_a_throttled_read_is_transient_and_tried_again(bench: Bench) -> None:
    bench.ssm.error = "ThrottlingException"
    with pytest.raises(Transient):
        bench.secret.value()
    bench.ssm.error = ""
    assert bench.secret.value() == FIRST


@pytest.mark.parametrize("value", ["", " \n"])
def test_an_empty_secret_is_a_misconfiguration(bench: Bench, value: str) -> None:
    bench.ssm.value = value
    with pytest.raises(Misconfigured, match="is empty"):
        bench.secret.value()


def test_the_line_end_of_a_secret_is_stripped(bench: Bench) -> None:
    bench.ssm.value = f"{SECOND}\n"
    assert bench.secret.value() == SECOND


def test_a_secret_is_in_no_repr_and_is_scrubbed(bench: Bench) -> None:
    bench.secret.value()
    assert FIRST not in repr(bench.secret)
    assert scrub(f"the token is {FIRST}!") == "the token is [redacted]!"

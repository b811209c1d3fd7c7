"""The gate: objections to observations, and waiting for a faulty metadata service."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from mayfly_instance.aws import Caller, Denied, Unavailable
from mayfly_instance.clock import Clock
from mayfly_instance.failure import HostFailure
from mayfly_instance.gate import Gate, Observation, Proven, expected, objection, streak
from mayfly_instance.imds import Imds
from mayfly_instance.sigv4 import Credentials
from tests.instance.fakes import INSTANCE, FakeClock, FakeCloud, credentials
from tests.instance.imds_server import ImdsServer, Raw, answer, serving
from tests.instance.imds_server import credentials as imds_credentials
from tests.instance.worlds import HOST

WANTED = expected(HOST, INSTANCE)
PROOF = Observation(
    profile=HOST.sandbox_profile,
    roles=("sandbox",),
    bootstrap_served=False,
    caller=Caller(WANTED.caller, "AROA-sandbox:i-0abc"),
    credentials=credentials("sandbox"),
)


def test_the_expected_caller_names_role_and_instance() -> None:
    assert WANTED.caller == "arn:aws:sts::123456789012:assumed-role/sandbox/i-0abc"


def test_an_observation_with_all_expected_answers_is_a_proof() -> None:
    assert objection(WANTED, PROOF) == ""


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"profile": None}, "profile None"),
        ({"profile": HOST.bootstrap_profile}, "bootstrap"),
        ({"profile": HOST.sandbox_profile + "2"}, "sandbox2"),
        ({"roles": None}, "roles None"),
        ({"roles": ()}, "roles ()"),
        ({"roles": ("bootstrap",)}, "bootstrap"),
        ({"roles": ("sandbox", "bootstrap")}, "'bootstrap'"),
        ({"bootstrap_served": True}, "still serves"),
        ({"bootstrap_served": None}, "still serves"),
        ({"caller": None}, "are of None"),
        ({"caller": Caller(WANTED.caller + "0", "x")}, "i-0abc0"),
        ({"caller": Caller(WANTED.caller.replace("1234", "9999"), "x")}, "9999"),
        ({"credentials": None}, "no credentials"),
        ({"trouble": "timed out"}, "timed out"),
    ],
    ids=str,
)
def test_one_missing_or_different_answer_is_an_objection(change: dict[str, Any], why: str) -> None:
    assert why in objection(WANTED, replace(PROOF, **change))


def test_one_objection_resets_the_count_of_proofs() -> None:
    counts = [0]
    for objected in ["", "", "timed out", "", "", ""]:
        counts.append(streak(counts[-1], objected))

    assert counts == [0, 1, 2, 0, 1, 2, 3]


@pytest.fixture
def imds() -> Iterator[ImdsServer]:
    with serving() as server:
        server.show(HOST.sandbox_profile, "sandbox")
        yield server


IMPATIENT = 0.1
"""Time limit of answers, in seconds, for tests of late answers."""


class Time(FakeClock):
    """Real time for late answers; simulated time for the pauses between observations."""

    def seconds(self) -> float:
        return self.passed + Clock().seconds()


def prove(
    server: ImdsServer, cloud: FakeCloud | None = None, seconds: float = 60, answers: float = 10
) -> Proven:
    clock = Time()
    metadata = Imds(server.endpoint, clock, seconds=answers)
    return Gate(WANTED, metadata, cloud or FakeCloud(), clock, 0.2).prove(3, seconds)


def assert_gate_stays_shut(
    server: ImdsServer, why: str, cloud: FakeCloud | None = None, answers: float = 10
) -> None:
    with pytest.raises(HostFailure, match="not proven within 1 s") as failure:
        prove(server, cloud, seconds=1, answers=answers)
    assert why in failure.value.reason


def test_the_gate_opens_after_three_proofs_over_fresh_connections(imds: ImdsServer) -> None:
    proven = prove(imds)

    assert proven.caller.user_id == f"AROA-sandbox:{INSTANCE}"
    assert proven.credentials.secret_key == "secret-of-sandbox"
    assert imds.seen.count("PUT /latest/api/token") == 3
    assert imds.connections == len(imds.seen) == 15


def test_the_gate_stays_shut_while_the_old_profile_is_served(imds: ImdsServer) -> None:
    imds.show(HOST.bootstrap_profile, "bootstrap")

    assert_gate_stays_shut(imds, HOST.bootstrap_profile)
    assert "GET /latest/meta-data/iam/security-credentials/" not in imds.seen


def test_the_gate_stays_shut_without_any_profile(imds: ImdsServer) -> None:
    imds.values.clear()

    assert_gate_stays_shut(imds, "iam/info: 404")


def test_the_gate_stays_shut_while_the_old_credentials_linger(imds: ImdsServer) -> None:
    imds.linger("bootstrap")

    assert_gate_stays_shut(imds, "still serves credentials of the bootstrap role")


def test_the_gate_never_reads_credentials_of_the_bootstrap_role(
    imds: ImdsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that had read them would hold them in its memory, while the job runs."""
    received = record_received(monkeypatch)
    imds.linger("bootstrap")

    assert_gate_stays_shut(imds, "still serves")
    assert "GET /latest/meta-data/iam/security-credentials/bootstrap" in imds.seen
    assert b"secret-of-bootstrap" not in received
    del imds.values["iam/security-credentials/bootstrap"]
    prove(imds)
    assert b"secret-of-sandbox" in received


def record_received(monkeypatch: pytest.MonkeyPatch) -> bytearray:
    """All bytes that this process receives from now on."""
    received = bytearray()

    class Recording(socket.socket):
        def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
            piece = super().recv(bufsize, flags)
            received.extend(piece)
            return piece

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        connection = Recording(socket.AF_INET, socket.SOCK_STREAM)
        connection.settimeout(timeout)
        connection.connect(address)
        return connection

    monkeypatch.setattr(socket, "create_connection", connect)
    return received


def test_the_gate_stays_shut_while_one_path_still_shows_the_old_role(imds: ImdsServer) -> None:
    imds.values["iam/security-credentials/"] = "bootstrap"

    assert_gate_stays_shut(imds, "lists the roles ('bootstrap',)")


def test_the_gate_stays_shut_while_sts_refuses_the_credentials(imds: ImdsServer) -> None:
    cloud = FakeCloud()
    cloud.refused.add("caller")

    assert_gate_stays_shut(imds, "AccessDenied", cloud)


def test_the_gate_stays_shut_for_credentials_of_another_role(imds: ImdsServer) -> None:
    path = "iam/security-credentials/sandbox"
    imds.values[path] = imds.values[path].replace("ASIA-sandbox", "ASIA-bootstrap")

    assert_gate_stays_shut(imds, "assumed-role/bootstrap/i-0abc")


def changed(document: str, changes: dict[str, str | None]) -> str:
    """The JSON document with these members; None removes a member."""
    members = {**json.loads(document), **changes}
    return json.dumps({name: value for name, value in members.items() if value is not None})


def profile_answer(**changes: str | None) -> str:
    """The answer of `iam/info` on a sandboxed instance, with changes."""
    good = {"Code": "Success", "InstanceProfileArn": HOST.sandbox_profile}
    return changed(json.dumps(good), changes)


def credentials_answer(**changes: str | None) -> str:
    """The credentials of the sandbox role as IMDS serves them, with changes."""
    return changed(imds_credentials("sandbox"), changes)


@pytest.mark.parametrize(
    ("path", "raw", "why"),
    [
        ("api/token", lambda: answer(403), "403"),
        ("api/token", lambda: None, "timed out"),
        ("iam/info", lambda: answer(500, "oops"), "500"),
        ("iam/info", lambda: answer(200, "<html>"), "not JSON"),
        ("iam/info", lambda: answer(200, '["InstanceProfileArn"]'), "not an object"),
        ("iam/info", lambda: answer(200, "{}"), "profile None"),
        ("iam/info", lambda: None, "timed out"),
        ("iam/info", lambda: b"", "not HTTP"),
        ("iam/info", lambda: b"SSH-2.0-x\r\n\r\n", "not HTTP"),
        ("iam/info", lambda: b"HTTP/1.1 OK\r\n\r\n{}", "no status"),
        ("iam/info", lambda: answer(200, "{}", length="5000"), "cut"),
        ("iam/info", lambda: answer(200, "x" * 200_000), "too long"),
        ("iam/info", lambda: answer(200, "{}", length="1" * 6000), "too long"),
        ("iam/info", lambda: b"HTTP/1.1 " + b"2" * 6000 + b" x\r\n\r\n{}", "no status"),
        ("iam/info", lambda: b"HTTP/1.1 200 x\r\n\r\n" + b"x" * 200_000, "too long"),
        ("iam/info", lambda: b"HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\n\xff\xfe", "not text"),
        ("iam/security-credentials/bootstrap", lambda: answer(500), "500"),
        ("iam/security-credentials/bootstrap", lambda: answer(401), "401"),
        ("iam/security-credentials/bootstrap", lambda: answer(200, "{}"), "still serves"),
        ("iam/security-credentials/bootstrap", lambda: answer(4040), "no status"),
        ("iam/security-credentials/bootstrap", lambda: b"HTTP/1.1 404", "not HTTP"),
        ("iam/security-credentials/bootstrap", lambda: b"SSH-2.0-x 404 x", "not HTTP"),
        ("iam/security-credentials/bootstrap", lambda: None, "timed out"),
        ("iam/security-credentials/sandbox", lambda: answer(404), "404"),
        ("iam/security-credentials/sandbox", lambda: answer(200, '{"Code": "Failed"}'), "lacks"),
        (
            "iam/info",
            lambda: answer(200, profile_answer(Code="InstanceProfileNotFound")),
            "NotFound",
        ),
        ("iam/info", lambda: answer(200, profile_answer(Code=None)), "Code None"),
        (
            "iam/security-credentials/sandbox",
            lambda: answer(200, credentials_answer(Code="Failed")),
            "Failed",
        ),
        (
            "iam/security-credentials/sandbox",
            lambda: answer(200, credentials_answer(Code=None)),
            "Code None",
        ),
        (
            "iam/security-credentials/sandbox",
            lambda: answer(200, credentials_answer(Expiration="soon")),
            "soon",
        ),
        ("iam/security-credentials/", lambda: answer(200, "sandbox\nbootstrap"), "'bootstrap'"),
        ("iam/security-credentials/", lambda: answer(200, ""), "roles ()"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_gate_stays_shut_after_any_invalid_answer(
    imds: ImdsServer, path: str, raw: Callable[[], Raw], why: str
) -> None:
    imds.override[path] = raw

    assert_gate_stays_shut(imds, why, answers=IMPATIENT if why == "timed out" else 10)


def test_a_server_that_drips_its_answer_has_one_time_limit_for_all_of_it(imds: ImdsServer) -> None:
    imds.drip = 0.01

    # Each byte arrives in time, the whole answer does not. Socket or client may notice first.
    with pytest.raises(HostFailure, match=r"timed out|took too long"):
        prove(imds, seconds=1, answers=IMPATIENT)


def test_the_gate_stays_shut_without_a_metadata_service() -> None:
    with serving() as server:
        pass

    assert_gate_stays_shut(server, "refused")


def test_the_gate_stays_shut_while_answers_alternate(imds: ImdsServer) -> None:
    tries = count()
    good = imds.values["iam/info"]
    old = json.dumps({"InstanceProfileArn": HOST.bootstrap_profile})
    imds.override["iam/info"] = lambda: answer(200, old if next(tries) % 3 == 2 else good)

    assert_gate_stays_shut(imds, "")


def test_the_gate_opens_once_the_answers_have_settled(imds: ImdsServer) -> None:
    tries = count()
    good = imds.values["iam/info"]

    def settle() -> Raw:
        number = next(tries)
        bad: dict[int, Raw] = {0: answer(404), 1: None, 3: answer(500), 5: b"junk"}
        return bad.get(number, answer(200, good))

    imds.override["iam/info"] = settle
    prove(imds, answers=1)

    looks = [seen for seen in imds.seen if seen.endswith("/iam/info")]
    assert len(looks) == 9


class FlakySts(FakeCloud):
    """STS that refuses the second call and is unavailable for the third."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def caller(self, keys: Credentials) -> Caller:
        self.calls += 1
        if self.calls in {2, 3}:
            raise Denied("ExpiredToken") if self.calls == 2 else Unavailable("503")
        return super().caller(keys)


def test_an_error_of_sts_resets_the_count_of_proofs(imds: ImdsServer) -> None:
    cloud = FlakySts()
    prove(imds, cloud)

    assert cloud.calls == 6

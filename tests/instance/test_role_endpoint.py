"""The endpoint for the job's role, over real connections of the kernel."""

from __future__ import annotations

import http.client
import json
import os
import pwd
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mayfly_instance import role_endpoint
from mayfly_instance.local_peer import uid_of_peer
from mayfly_instance.role_endpoint import LONGEST, MOST, MOST_STRANGERS, PATH, Answer, Endpoint

TOKEN = "a-token-of-the-job"
GOOD = Answer(200, {"AccessKeyId": "ASIAROLE"})
GET = f"GET {PATH} HTTP/1.1\r\nAuthorization: {TOKEN}\r\n\r\n"
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root has other users")
needs_ipv6 = pytest.mark.skipif(not role_endpoint._ipv6(), reason="there is no IPv6")


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint(os.getuid(), TOKEN, lambda: GOOD)
    yield made
    made.end()


def connect(port: int, host: str = "127.0.0.1") -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family)
    made.settimeout(30)
    made.connect((host, port))
    return made


def answer_to(connection: socket.socket, text: str) -> tuple[int, dict[str, str]]:
    """Status and body of the answer; 0 for a connection that is closed without one."""
    with connection:
        connection.sendall(text.encode())
        reply = http.client.HTTPResponse(connection)
        try:
            reply.begin()
        except (http.client.HTTPException, ConnectionError):
            return 0, {}
        body: dict[str, str] = json.loads(reply.read())
        return reply.status, body


def ask(port: int, text: str = GET, host: str = "127.0.0.1") -> tuple[int, str]:
    """Status, and the access key or the code of the error."""
    status, body = answer_to(connect(port, host), text)
    return status, body.get("AccessKeyId") or body.get("code", "")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        pytest.param("::1", marks=needs_ipv6),
        # As Java connects to IPv4: the kernel lists such a socket among those of IPv6.
        pytest.param("::ffff:127.0.0.1", marks=needs_ipv6),
    ],
)
def test_the_jobs_user_gets_the_credentials_over_ipv4_and_ipv6(
    endpoint: Endpoint, host: str
) -> None:
    assert ask(endpoint.port, host=host) == (200, "ASIAROLE")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GET.replace("HTTP/1.1", "HTTP/1.0"), (200, "ASIAROLE")),
        (GET.replace("Authorization", "AUTHORIZATION"), (200, "ASIAROLE")),
        (GET.replace(PATH, f"{PATH}?a=b"), (200, "ASIAROLE")),
        (GET.replace("\r\n\r\n", "\r\nAccept: application/json\r\n\r\n"), (200, "ASIAROLE")),
        (GET.replace(TOKEN, TOKEN[:-1]), (403, "AccessDenied")),
        (GET.replace(TOKEN, f"{TOKEN}x"), (403, "AccessDenied")),
        (GET.replace(TOKEN, f"Bearer {TOKEN}"), (403, "AccessDenied")),
        (GET.replace(TOKEN, ""), (403, "AccessDenied")),
        (GET.replace(TOKEN, "ü"), (403, "AccessDenied")),
        (GET.replace("Authorization", "X-Authorization"), (403, "AccessDenied")),
        (f"GET {PATH} HTTP/1.1\r\n\r\n", (403, "AccessDenied")),
        (f"GET {PATH}?Authorization={TOKEN} HTTP/1.1\r\n\r\n", (403, "AccessDenied")),
        (GET.replace("\r\n\r\n", f"\r\nAuthorization: {TOKEN}\r\n\r\n"), (403, "AccessDenied")),
        (GET.replace(PATH, "/"), (404, "NotFound")),
        (GET.replace(PATH, f"{PATH}/../latest"), (404, "NotFound")),
        (GET.replace("GET", "POST"), (400, "InvalidRequest")),
        (GET.replace("GET", "get"), (400, "InvalidRequest")),
        ("\r\n\r\n", (400, "InvalidRequest")),
        ("\x16\x03\x01 a greeting of TLS\r\n\r\n", (400, "InvalidRequest")),
        (GET.replace(TOKEN, TOKEN + "x" * LONGEST), (400, "InvalidRequest")),
    ],
)
def test_a_request_is_answered_by_its_token_and_form(
    endpoint: Endpoint, text: str, expected: tuple[int, str]
) -> None:
    assert ask(endpoint.port, text) == expected


def test_a_refusal_has_the_keys_of_every_sdk(endpoint: Endpoint) -> None:
    _, body = answer_to(connect(endpoint.port), GET.replace(TOKEN, "x"))
    assert body["code"] == body["Code"] == "AccessDenied"
    assert body["message"] == body["Message"]
    assert "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" in body["message"]


def test_another_user_gets_nothing_with_the_right_token() -> None:
    endpoint = Endpoint(os.getuid() + 1, TOKEN, lambda: GOOD)
    assert ask(endpoint.port) == (403, "AccessDenied")
    endpoint.end()


@needs_root
@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=needs_ipv6)])
def test_the_kernel_says_which_user_connects(endpoint: Endpoint, host: str) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    script = (
        "import encodings.idna, os, socket, sys\n"  # Before its files are out of reach.
        f"os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})\n"
        f"made = socket.create_connection(({host!r}, {endpoint.port}))\n"
        f"made.sendall({GET.encode()!r})\n"
        "sys.stdout.write(made.recv(1000).decode())\n"
    )
    command = [sys.executable, "-I", "-S", "-c", script]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.startswith("HTTP/1.1 403 ")
    assert "ASIAROLE" not in told.stdout
    assert ask(endpoint.port, host=host) == (200, "ASIAROLE")


def test_fifty_clients_at_once_are_all_answered(endpoint: Endpoint) -> None:
    found: list[tuple[int, str]] = []
    threads = [threading.Thread(target=lambda: found.append(ask(endpoint.port))) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [(200, "ASIAROLE")] * 50


def test_a_slow_client_holds_up_nobody_and_is_closed_in_time(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(role_endpoint, "SECONDS", 0.3)
    slow = [connect(endpoint.port) for _ in range(5)]
    for each in slow:
        each.sendall(b"GET /role HT")
    began = time.monotonic()
    assert ask(endpoint.port) == (200, "ASIAROLE")
    for each in slow:
        assert each.recv(10) == b""
        each.close()
    assert time.monotonic() - began < 20


def test_more_clients_than_places_wait_until_places_are_free(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(role_endpoint, "SECONDS", 0.3)
    idle = [connect(endpoint.port) for _ in range(MOST + 5)]
    assert ask(endpoint.port) == (200, "ASIAROLE")
    for each in idle:
        each.close()


def test_other_users_cannot_take_the_places_of_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    strangers: set[int] = set()

    def uid(connection: socket.socket) -> int:
        return 1 if connection.getpeername()[1] in strangers else 2

    monkeypatch.setattr(role_endpoint, "uid_of_peer", uid)
    # So that no connection is closed for its time.
    monkeypatch.setattr(role_endpoint, "SECONDS", 600.0)
    endpoint = Endpoint(2, TOKEN, lambda: GOOD)
    idle = []
    for _ in range(MOST + MOST_STRANGERS):
        made = socket.socket()
        made.bind(("127.0.0.1", 0))
        strangers.add(made.getsockname()[1])
        made.connect(("127.0.0.1", endpoint.port))
        idle.append(made)
    assert ask(endpoint.port) == (200, "ASIAROLE")
    idle[-1].settimeout(20)
    assert idle[-1].recv(10) == b""
    for each in idle:
        each.close()
    endpoint.end()


@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=needs_ipv6)])
def test_after_the_end_nobody_is_answered(endpoint: Endpoint, host: str) -> None:
    waiting = connect(endpoint.port, host)
    assert ask(endpoint.port, host=host) == (200, "ASIAROLE")
    endpoint.end()
    assert answer_to(waiting, GET)[0] == 0
    with pytest.raises(ConnectionRefusedError):
        connect(endpoint.port, host)


def test_the_port_is_closed_to_other_addresses(endpoint: Endpoint) -> None:
    with pytest.raises(ConnectionRefusedError):
        connect(endpoint.port, "127.0.0.2")


def test_a_socket_that_is_closing_has_no_owner(tmp_path: Path) -> None:
    """The kernel shows it with uid 0."""
    listener = socket.create_server(("127.0.0.1", 0))
    client = connect(listener.getsockname()[1])
    served, _ = listener.accept()
    assert uid_of_peer(served) == os.getuid()
    shown = Path("/proc/net/tcp").read_text()
    end = f"0100007F:{client.getsockname()[1]:04X} 0100007F:{served.getsockname()[1]:04X} "
    assert f"{end}01" in shown
    tmp_path.joinpath("tcp").write_text(shown.replace(f"{end}01", f"{end}06"))
    assert uid_of_peer(served, tmp_path) is None
    client.close()
    assert uid_of_peer(served) is None
    served.close()
    listener.close()


_BOTO = """
import boto3, sys
from botocore.utils import ContainerMetadataFetcher
ContainerMetadataFetcher.SLEEP_TIME = 0
session = boto3.Session()
found = session.get_credentials()
print(found.method, session.region_name)
for _ in range(3):
    try:
        frozen = found.get_frozen_credentials()
        print(frozen.access_key, frozen.secret_key, frozen.token)
    except Exception as error:
        print(error)
"""


def test_boto3_takes_refreshes_and_shows_what_the_endpoint_answers(tmp_path: Path) -> None:
    """With 9 minutes left, boto3 must refresh (mandatory below 10); the refusal is shown."""

    def good(key: str, minutes: int) -> Answer:
        ends = datetime.now(UTC) + timedelta(minutes=minutes)
        expiration = ends.strftime("%Y-%m-%dT%H:%M:%SZ")
        names = ("AccessKeyId", "SecretAccessKey", "Token")
        return Answer(200, {**{name: f"{key}-{name}" for name in names}, "Expiration": expiration})

    refused = Answer.refusal("ExpiredToken", "the session of the role ended", 400)
    answers = [good("first", 9), good("second", 9), refused, refused, refused, good("third", 60)]
    token = tmp_path / "token"
    token.write_text(TOKEN)
    endpoint = Endpoint(os.getuid(), TOKEN, lambda: answers.pop(0))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": endpoint.url,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    told = subprocess.run(
        [sys.executable, "-c", _BOTO],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    endpoint.end()
    lines = told.stdout.splitlines()
    assert told.returncode == 0, told.stderr
    assert lines[0] == "container-role eu-west-1"
    assert lines[1] == "second-AccessKeyId second-SecretAccessKey second-Token"
    assert "the session of the role ended" in lines[2]
    assert lines[3] == "third-AccessKeyId third-SecretAccessKey third-Token"
    assert answers == []

"""The agent in memory, asked by OpenSSH's own clients and by broken messages."""

from __future__ import annotations

import base64
import os
import socket
import struct
import subprocess
from pathlib import Path

import pytest

from mayfly_cli.deploy_keys.key_pair import generate
from mayfly_cli.deploy_keys.ssh_agent import answer, serving

PAIR, OTHER = generate(), generate()
BLOB = base64.b64decode(PAIR.public.content)
FAILURE = b"\x05"


def string(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def test_ssh_add_lists_the_one_key() -> None:
    with serving(PAIR) as path:
        said = subprocess.run(
            ["ssh-add", "-L"],
            env={"SSH_AUTH_SOCK": str(path), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
    assert said.stdout.split() == PAIR.public.text.split()


def test_ssh_keygen_signs_by_the_agent_and_finds_the_signature_good(tmp_path: Path) -> None:
    public = tmp_path / "key.pub"
    public.write_text(PAIR.public.text)
    message = tmp_path / "message"
    message.write_text("content")
    sign = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(public), "-n", "test", str(message)]
    with serving(PAIR) as path:
        environment = {"SSH_AUTH_SOCK": str(path), "PATH": os.environ["PATH"]}
        subprocess.run(sign, env=environment, check=True, timeout=20, capture_output=True)
    signers = tmp_path / "signers"
    signers.write_text(f"me {PAIR.public.text}\n")
    verify = ["ssh-keygen", "-q", "-Y", "verify", "-f", str(signers), "-I", "me", "-n", "test"]
    subprocess.run(
        [*verify, "-s", str(tmp_path / "message.sig")], input=b"content", check=True, timeout=20
    )


def test_only_this_user_reaches_the_socket_and_nothing_is_left() -> None:
    with serving(PAIR) as path:
        assert path.parent.stat().st_mode & 0o077 == 0
        assert [each.name for each in path.parent.iterdir()] == ["socket"]
    assert not path.parent.exists()


def test_a_long_folder_for_temporary_files_is_no_hindrance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with serving(PAIR) as path:
        assert path.is_socket()


@pytest.mark.parametrize(
    "asked",
    [
        b"\x0d",
        b"\x0d" + string(BLOB),
        b"\x0d" + string(BLOB) + struct.pack(">I", 99) + b"short",
        b"\x0d" + struct.pack(">I", 0xFFFFFFFF) + b"short",
        b"\x0d" + string(base64.b64decode(OTHER.public.content)) + string(b"data"),
        b"\x11",  # add an identity
        b"\x13",  # remove all identities
        b"\x1b" + string(b"session-bind@openssh.com"),
        b"\xff",
    ],
    ids=[
        "sign nothing",
        "sign no data",
        "short data",
        "long length",
        "another key",
        "add",
        "remove all",
        "extension",
        "unknown",
    ],
)
def test_every_other_message_is_answered_as_a_failure(asked: bytes) -> None:
    assert answer(asked, PAIR) == FAILURE


def test_a_message_that_is_empty_too_long_or_broken_ends_its_conversation_alone() -> None:
    with serving(PAIR) as path:
        for sent in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\x05\x0b"):
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(10)
                client.connect(str(path))
                client.sendall(sent)
                client.shutdown(socket.SHUT_WR)
                assert client.recv(100) == b""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(path))
            client.sendall(string(b"\x0b"))
            assert client.recv(1000)[4:9] == b"\x0c\0\0\0\x01"

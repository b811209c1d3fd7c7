"""A git host on this machine: the stand-in of ssh, or a real sshd where this machine has one."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKqP3Cr632C2dNhhgKVcon4ldUSAeKiku2yP9O9/bDtY"


_SERVE = """#!/bin/sh
cd {repositories} && exec git upload-pack "$(basename "$SSH_ORIGINAL_COMMAND" "'")"
"""


class GitHost:
    """A folder with repositories, and with the keys that may read them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "repositories").mkdir(parents=True)
        (folder / "authorized").touch()

    def serve(self, path: str) -> None:
        subprocess.run(
            ["git", "init", "-q", "--bare", self.folder / "repositories" / path], check=True
        )

    def allow(self, publics: list[str]) -> None:
        (self.folder / "authorized").write_text("".join(f"{each}\n" for each in publics))


class StandIn(GitHost):
    """`ssh` on PATH, which needs no network and no host."""

    known_hosts = f"github.com {HOST_KEY}\n"

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(folder)
        (folder / "host_key").write_text(HOST_KEY)
        program = folder / "ssh"
        source = (Path(__file__).with_name("ssh_stand_in.py")).read_text("utf-8")
        program.write_text(f"#!{sys.executable}\n{source}")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    @property
    def calls(self) -> list[dict[str, Any]]:
        file = self.folder / "calls"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def sshd() -> str | None:
    """The path of sshd, which starts only by a whole path."""
    found = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    # As root, sshd needs a user `sshd` and /run/sshd of the machine; tests must not make them.
    return found if os.geteuid() or Path("/run/sshd").is_dir() else None


@contextmanager
def real(host: GitHost) -> Iterator[tuple[int, str]]:
    """sshd with the host's keys and repositories: its port, and its host key."""
    program = sshd()
    assert program is not None
    key = host.folder / "ssh_host_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = host.folder / "serve"
    serve.write_text(_SERVE.format(repositories=host.folder / "repositories"))
    serve.chmod(0o755)
    settings = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": key,
        "AuthorizedKeysFile": host.folder / "authorized",
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "ForceCommand": serve,
    }
    file = host.folder / "sshd_config"
    file.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    running = subprocess.Popen([program, "-D", "-e", "-f", file], stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port, " ".join(key.with_suffix(".pub").read_text().split()[:2])
    finally:
        running.terminate()
        running.wait()

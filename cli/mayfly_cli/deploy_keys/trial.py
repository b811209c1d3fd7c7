"""The trial of a new key: `git ls-remote` with this key alone and with pinned host keys alone."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mayfly.scrubbing import scrub
from mayfly_cli.deploy_keys.key_pair import KeyPair
from mayfly_cli.deploy_keys.repository import Repository
from mayfly_cli.deploy_keys.ssh_agent import serving

PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds between trials. A provider's ssh servers learn of a new key a moment after its API."""
_LIMIT = 30.0
"""Seconds of one trial."""
_FINAL = ("host key verification failed", "no such file or directory", "could not resolve")
"""Failures that another trial in a few seconds does not mend."""
OVER_443: Mapping[str, str] = {
    "github.com": "ssh.github.com",
    "gitlab.com": "altssh.gitlab.com",
    "bitbucket.org": "altssh.bitbucket.org",
}
"""Where ssh answers at port 443. Sources: GitHub "Using SSH over the HTTPS port", GitLab
"Alternative SSH port", Atlassian "Use the SSH protocol with Bitbucket Cloud"."""


@dataclass(frozen=True, slots=True)
class GitTrial:
    """Tries keys as the hosts of a queue use them. Calling it gives why git could not read.

    The text is empty if git could.
    """

    known_hosts: str
    """Lines of known_hosts(5); no host key is ever fetched."""
    over_443: Sequence[str] = ()
    sleep: Callable[[float], None] = field(default=time.sleep)

    def __call__(self, repository: Repository, pair: KeyPair) -> str:
        """Why git cannot read the repository with this key; empty if it can."""
        why = self._once(repository, pair)
        for pause in PAUSES:
            if not why or any(each in why.lower() for each in _FINAL):
                break
            self.sleep(pause)
            why = self._once(repository, pair)
        return why

    def _once(self, repository: Repository, pair: KeyPair) -> str:
        with tempfile.TemporaryDirectory(prefix="mayfly-trial-") as name, serving(pair) as socket:
            folder = Path(name)
            (folder / "known_hosts").write_text(f"{self.known_hosts.rstrip()}\n", "utf-8")
            # With IdentitiesOnly, ssh takes from the agent the key of this public half alone.
            (folder / "key.pub").write_text(f"{pair.public.text}\n", "utf-8")
            command = ["ssh", *self._options(repository.host, folder, socket)]
            return _why_not(repository.ssh_url, shlex.join(command), folder)

    def _options(self, host: str, folder: Path, socket: Path) -> list[str]:
        found = {
            "IdentityAgent": f'"{socket}"',
            "IdentityFile": f'"{folder / "key.pub"}"',
            "IdentitiesOnly": "yes",
            "PreferredAuthentications": "publickey",
            "UserKnownHostsFile": f'"{folder / "known_hosts"}"',
            "GlobalKnownHostsFile": os.devnull,
            "StrictHostKeyChecking": "yes",
            "UpdateHostKeys": "no",
            "BatchMode": "yes",
            "ConnectTimeout": 10,
            "ControlPath": "none",
        }
        if host in self.over_443:
            # As on the queue's hosts, which know the host's key by its usual name.
            found |= {"HostName": OVER_443.get(host, host), "Port": 443, "HostKeyAlias": host}
        # The user's own configuration may name other keys, proxies and host keys.
        return ["-F", "none", *(f"-o{name}={value}" for name, value in found.items())]


def _why_not(url: str, ssh: str, home: Path) -> str:
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "LC_ALL": "C",
        "GIT_SSH_COMMAND": ssh,
        "GIT_SSH_VARIANT": "ssh",
        "GIT_TERMINAL_PROMPT": "0",
        # A configuration may replace the address by another one, with other credentials.
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ALLOW_PROTOCOL": "ssh",
    }
    try:
        running = subprocess.Popen(
            ["git", "ls-remote", "--quiet", "--", url, "HEAD"],
            cwd=home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except FileNotFoundError:
        return "there is no git on PATH: no such file or directory"
    try:
        _, said = running.communicate(timeout=_LIMIT)
    except subprocess.TimeoutExpired:
        _end(running)
        return f"git has no answer after {_LIMIT:.0f} s"
    except BaseException:
        _end(running)
        raise
    return "" if running.returncode == 0 else _last_words(said.decode("utf-8", "replace"))


def _end(running: subprocess.Popen[bytes]) -> None:
    """End git, and the ssh that git has started."""
    with suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)
    running.wait()


def _last_words(said: str) -> str:
    """What git and ssh said, in one line."""
    advice = ("please make sure", "and the repository exists", "fatal: could not read from remote")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if not line.lower().startswith(advice)]
    return scrub("; ".join(telling or lines))[-300:] or "git gives no reason"

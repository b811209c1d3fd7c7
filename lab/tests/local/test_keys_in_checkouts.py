"""A job's keys in checkouts of the real agent: its `bootstrap` alone, with Mayfly's hooks.

Mirrors, submodules, and the hooks of operators and of the repository, for an agent with one hooks
path. `buildkite-agent` on the job's PATH does nothing, since there is no Buildkite.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import mayfly_instance
from e2e.repositories import change_private, private_server
from e2e.ssh_server import SshServer

_AGENT = shutil.which("buildkite-agent")
pytestmark = pytest.mark.skipif(
    not (_AGENT and shutil.which("ssh-agent")), reason="there is no buildkite-agent or no ssh"
)
PATIENCE = 120
"""Seconds until a checkout, of a second on two idle cores, is given up."""
LINKS = {"environment": "give-secrets", "pre-checkout": "lend-key", "post-checkout": "take-key"}
OPERATORS = (*LINKS, "pre-exit")
SAYS = """\
#!/bin/bash
echo "{name} of the operator: $(ssh-add -l | cut -d' ' -f3-)"
"""
SETTINGS = {
    "AGENT_NAME": "agent",
    "BRANCH": "main",
    "COMMAND_EVAL": "true",
    "GIT_CHECKOUT_FLAGS": "-f",
    "GIT_CLEAN_FLAGS": "-ffxdq",
    "GIT_CLONE_FLAGS": "-v",
    "GIT_CLONE_MIRROR_FLAGS": "-v",
    "GIT_FETCH_FLAGS": "-v --prune",
    "GIT_MIRRORS_LOCK_TIMEOUT": "300",
    "GIT_SUBMODULES": "true",
    "JOB_ID": "job",
    "LOCAL_HOOKS_ENABLED": "true",
    "NO_JOB_API": "true",
    "ORGANIZATION_SLUG": "acme",
    "PIPELINE_PROVIDER": "git",
    "PIPELINE_SLUG": "app",
    "PLUGINS_ENABLED": "true",
    "PULL_REQUEST": "false",
    "SHELL": "/bin/bash -e -c",
    "SSH_KEYSCAN": "false",
    "TAG": "",
}
"""What an agent tells its bootstrap, by the name after `BUILDKITE_`."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server's repositories."""
    return tmp_path_factory.mktemp("repositories")


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[SshServer]:
    with private_server(root) as server:
        yield server


@dataclass(frozen=True, slots=True)
class Job:
    """One job's directories and ssh agents."""

    home: Path
    server: SshServer
    closing: ExitStack

    @property
    def mirrors(self) -> Path:
        return self.home / "mirrors"

    def run(self, repository: str, *opens: str, keep: bool = False, commit: str = "HEAD") -> str:
        """The log of a job whose own key opens these repositories. It must pass."""
        key = self.server.key_of(*opens)
        shared, _ = self._ssh_agent("shared", self.server.key_of("greeter"))
        own, pid = self._ssh_agent("repository", key)
        self._lay_hooks(
            f"directory=''\nagent=''\nshared={shared}\nrepository={own}\npid={pid}\n"
            f"keep='{'yes' if keep else ''}'\nregion=''\n"
        )
        known = self.home / "known_hosts"
        known.write_text(self.server.deploy_key.known_hosts)
        nothing = self.home / "bin/buildkite-agent"
        nothing.parent.mkdir()
        nothing.write_text("#!/bin/bash\n")
        nothing.chmod(0o755)
        settings = {
            **SETTINGS,
            "BUILD_PATH": str(self.home / "builds"),
            "COMMAND": 'echo "command: $(ssh-add -l | cut -d" " -f3-)"',
            "COMMIT": commit,
            "GIT_MIRRORS_PATH": str(self.mirrors),
            "HOOKS_PATH": str(self.home / "hooks"),
            "PLUGINS_PATH": str(self.home / "plugins"),
            "REPO": self.server.url(repository),
        }
        done = subprocess.run(
            [_AGENT or "", "bootstrap"],
            env={
                **{f"BUILDKITE_{name}": value for name, value in settings.items()},
                "PATH": f"{nothing.parent}:{os.environ['PATH']}",
                "HOME": str(self.home),
                "GIT_SSH_COMMAND": f"ssh -o UserKnownHostsFile={known} -o BatchMode=yes",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def _ssh_agent(self, name: str, key: str) -> tuple[Path, int]:
        socket = self.home / name
        agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
        self.closing.callback(agent.wait)
        self.closing.callback(agent.kill)
        end = time.monotonic() + PATIENCE
        environment = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
        add = ["ssh-add", "-q", "-"]
        while subprocess.run(add, input=key, text=True, env=environment, check=False).returncode:
            assert time.monotonic() < end, "ssh-agent takes no key"
            time.sleep(0.01)
        return socket, agent.pid

    def _lay_hooks(self, given: str) -> None:
        """Mayfly's hooks as the host links them, and the operators' as it links those."""
        hooks = self.home / "hooks"
        shutil.copytree(Path(mayfly_instance.__file__ or "").parent / "hooks", hooks)
        (hooks / "given").write_text(given)
        (hooks / "notes").write_text("")
        for name, script in LINKS.items():
            (hooks / name).symlink_to(hooks / script)
        for name in OPERATORS:
            file = hooks / (f"{name}.operator" if name in LINKS else name)
            file.write_text(SAYS.format(name=name))


@pytest.fixture
def job(server: SshServer) -> Iterator[Job]:
    server.used.clear()
    with ExitStack() as closing:
        # A short path, since the agent's own socket lies below it.
        home = Path(closing.enter_context(TemporaryDirectory()))
        yield Job(home, server, closing)


def told(log: str) -> list[str]:
    """The lines of hooks and command."""
    lines = [line.rstrip() for line in log.splitlines()]
    return [each for each in lines if (" of the " in each and ": " in each) or "command: " in each]


def test_new_mirrors_of_repository_and_submodule_are_cloned_with_the_repositorys_key(
    job: Job,
) -> None:
    log = job.run("hooked", "hooked", "library")

    for name in ("hooked", "library"):
        directory = "".join(c if c.isalnum() else "-" for c in job.server.url(name))
        assert f'Cloning a mirror of the repository to "{job.mirrors}/{directory}"' in log
    assert {each for each in job.server.used if each[0] == "hooked library"} == {
        ("hooked library", "hooked"),
        ("hooked library", "library"),
    }


def test_each_hook_has_the_key_of_its_moment_and_the_repositorys_own_cannot_fetch(
    job: Job,
) -> None:
    log = job.run("hooked", "hooked", "library")

    own, shared = "hooked library (ED25519)", "greeter (ED25519)"
    assert [line for line in told(log) if "$" not in line] == [
        f"environment of the operator: {shared}",
        f"pre-checkout of the operator: {own}",
        f"post-checkout of the operator: {shared}",
        f"post-checkout of the repository: {shared}, reached: no",
        f"command: {shared}",
        f"pre-exit of the operator: {shared}",
    ]


def test_a_repositorys_hook_after_the_checkout_can_fetch_where_the_queue_keeps_the_key(
    job: Job,
) -> None:
    log = job.run("hooked", "hooked", "library", keep=True)

    own = "hooked library (ED25519)"
    assert f"post-checkout of the repository: {own}, reached: yes" in told(log)
    assert f"command: {own}" in told(log)


def test_a_mirror_that_the_bootstrap_script_left_is_brought_up_to_date_with_the_repositorys_key(
    job: Job, root: Path
) -> None:
    url = job.server.url("private")
    mirror = job.mirrors / "".join(c if c.isalnum() else "-" for c in url)
    job.mirrors.mkdir()
    for arguments in (
        ["clone", "--quiet", "--mirror", str(root / "private.git"), str(mirror)],
        ["-C", str(mirror), "remote", "set-url", "origin", url],
    ):
        subprocess.run(["git", *arguments], check=True)
    commit = change_private(root)
    log = job.run("private", "private", commit=commit)

    assert "Cloning a mirror" not in log
    known = ["git", "-C", str(mirror), "cat-file", "-e", commit]
    assert subprocess.run(known, check=False).returncode == 0
    assert set(job.server.used) == {("private", "private")}

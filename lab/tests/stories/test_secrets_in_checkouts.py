"""Keys and variables around a job's checkout with a real agent: mirrors, and hooks of everybody."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from buildkite_emulator import BuildRequest
from e2e.repositories import change_private, private_server
from e2e.ssh_server import SshServer
from mayfly_lab.given import put_secrets
from mayfly_lab.lab import LabChoices
from mayfly_lab.machines.machine import Door
from stories.stage import BOOT, QUICK, Stage, a_stage

_AGENT = shutil.which("buildkite-agent")
pytestmark = pytest.mark.skipif(
    not (_AGENT and shutil.which("ssh-agent")), reason="there is no buildkite-agent or no ssh"
)
_TIME = re.compile(r"\x1b_bk;t=[0-9]+\x07")
MIRRORED, KEEPING = "mirrored", "keeping"
PATH = "/vendors/buildkite/deploy"
MIRRORS = "/var/lib/mayfly-job/mirrors"
SCRIPT = """\
#!/bin/bash
set -euo pipefail
own=(-o "$MAYFLY_JOB_USER" -g "$MAYFLY_JOB_USER")
install -d -m 700 "${{own[@]}}" {mirrors}
# The script's own key, which is gone with its HOME.
install -m 600 /dev/stdin "$HOME/key" <<'END'
{private}END
install -m 600 /dev/stdin "$HOME/known_hosts" <<'END'
{known_hosts}END
export GIT_SSH_COMMAND="ssh -i $HOME/key -o UserKnownHostsFile=$HOME/known_hosts"
# The agent's name for a mirror: its URL, with a hyphen for whatever is no letter and no digit.
mirror={mirrors}/$(sed 's/[^a-zA-Z0-9]/-/g' <<<'{url}')
git clone --quiet --mirror '{url}' "$mirror"
chown -R "$MAYFLY_JOB_USER:" "$mirror"
for name in environment pre-checkout post-checkout pre-exit; do
	install -m 755 /dev/stdin "$MAYFLY_HOOKS_DIR/$name" <<END
#!/bin/bash
echo "$name of the operator: \\$(ssh-add -l | cut -d' ' -f3-), token: \\${{DEPLOY_TOKEN:+given}}"
END
done
"""
LOOK = """
echo "command: $(ssh-add -l | cut -d' ' -f3-), token: ${DEPLOY_TOKEN:+given}"
cat library/NAME
"""


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """The server's repositories."""
    with TemporaryDirectory() as directory:
        yield Path(directory)


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[SshServer]:
    with private_server(root) as server:
        yield server


@pytest.fixture(scope="module")
def stage(server: SshServer) -> Iterator[Stage]:
    common = {
        "secrets/path": PATH,
        "secrets/shared-ssh-keys": f"{PATH}/plugins/greeter",
        "ssh/known-hosts": server.deploy_key.known_hosts,
    }
    mirrored = {**common, "agent/config": f"git-mirrors-path={MIRRORS}"}
    choices = LabChoices(
        queues=(MIRRORED, KEEPING),
        agent=Path(_AGENT or ""),
        delays=QUICK,
        boot_seconds=BOOT,
        parameters={MIRRORED: mirrored, KEEPING: {**common, "secrets/ssh-during-command": "true"}},
        stacks={queue: {"SecretsPath": PATH} for queue in (MIRRORED, KEEPING)},
        doors=(Door(server.port, server),),
    )
    with ExitStack() as closing:
        stage = closing.enter_context(a_stage(choices))
        lay_down(stage, "plugins/greeter", server.key_of("greeter"))
        lay_down(stage, f"127.0.0.1-{server.port}_private.git/ssh/key", server.key_of("private"))
        hooked = server.key_of("hooked", "library")
        lay_down(stage, f"127.0.0.1-{server.port}_hooked.git/ssh/key", hooked)
        lay_down(stage, "global/env/deploy-token", "canary-of-all-4712")
        key = server.deploy_key
        text = SCRIPT.format(
            mirrors=MIRRORS,
            url=server.url("private"),
            private=key.private,
            known_hosts=key.known_hosts,
        )
        script = stage.lab.put_script(MIRRORED, "mirrors.sh", text)
        stage.lab.put_parameter(MIRRORED, "bootstrap/script", script)
        stage.until("the script is in force", lambda: stage.in_force(MIRRORED).script)
        yield stage


def lay_down(stage: Stage, name: str, value: str) -> None:
    put_secrets(stage.lab.aws.client("ssm"), {f"{PATH}/{name}": value})


@pytest.fixture(scope="module")
def jobs(stage: Stage, server: SshServer) -> dict[str, str]:
    """One job of the repository with a hook for each queue, side by side: ids by queue."""
    return {
        queue: push(stage, queue, f"hooked-{queue}", server.url("hooked"))
        for queue in (MIRRORED, KEEPING)
    }


def push(
    stage: Stage, queue: str, pipeline: str, url: str, command: str = LOOK, commit: str = "HEAD"
) -> str:
    step = {"label": pipeline, "agents": {"queue": queue}, "command": command}
    steps = json.dumps({"steps": [step]}).replace("$", "$$")
    stage.lab.buildkite.add_pipeline(pipeline, steps, url)
    request = BuildRequest(branch="main", commit=commit)
    return stage.lab.buildkite.create_build(pipeline, request).jobs[0].id


def passed(stage: Stage, job: str) -> str:
    """The log of a job that passed."""
    ended = stage.ended(job)
    log = stage.log_of(job)
    assert ended.outcome == "passed", log
    return log


def test_new_mirrors_of_repository_and_submodule_are_cloned_with_the_repositorys_key(
    stage: Stage, jobs: dict[str, str], server: SshServer
) -> None:
    log = passed(stage, jobs[MIRRORED])
    for name in ("hooked", "library"):
        directory = "".join(c if c.isalnum() else "-" for c in server.url(name))
        assert f'Cloning a mirror of the repository to "{MIRRORS}/{directory}"' in log
    assert "the library" in log
    assert "ssh-keyscan" not in log


def test_operators_hooks_follow_mayflys_and_see_the_key_of_their_moment(
    stage: Stage, jobs: dict[str, str]
) -> None:
    said = [line for line in lines(passed(stage, jobs[MIRRORED])) if ": " in line]
    own, shared = "hooked library (ED25519)", "greeter (ED25519)"
    assert [line for line in said if " of the " in line or line.startswith("command: ")] == [
        f"environment of the operator: {shared}, token: given",
        f"pre-checkout of the operator: {own}, token: given",
        f"post-checkout of the operator: {shared}, token: given",
        f"post-checkout of the repository: {shared}, reached: no",
        f"command: {shared}, token: given",
        f"pre-exit of the operator: {shared}, token: given",
    ]


def test_a_repositorys_hook_after_the_checkout_has_the_key_where_the_queue_keeps_it(
    stage: Stage, jobs: dict[str, str]
) -> None:
    said = lines(passed(stage, jobs[KEEPING]))
    assert "post-checkout of the repository: hooked library (ED25519), reached: yes" in said
    assert "command: hooked library (ED25519), token: given" in said


def test_a_mirror_that_the_script_left_is_brought_up_to_date_with_the_repositorys_key(
    stage: Stage, server: SshServer, root: Path
) -> None:
    stage.lab.put_parameter(MIRRORED, "pool/hot", "1")
    stage.ready(MIRRORED)
    commit = change_private(root)
    server.used.clear()
    job = push(stage, MIRRORED, "private", server.url("private"), "cat STATE", commit)
    log = passed(stage, job)
    assert "private, and changed" in lines(log)
    assert "Cloning a mirror" not in log
    assert f"Updating existing repository mirror to find commit {commit}" in log
    assert set(server.used) - {("", "private")} == {("private", "private")}


def lines(log: str) -> list[str]:
    """The log's lines without the agent's times."""
    return [line.rstrip() for line in _TIME.sub("", log).splitlines()]


def test_at_the_end_nothing_is_left_and_every_promise_was_kept(stage: Stage) -> None:
    stage.empty()
    assert stage.broken_promises() == []

"""The checkouts of jobs, and the hooks and plugins of their repositories."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from e2e.repositories import (
    add_history,
    add_hooks,
    add_plugin,
    add_private,
    add_submodule,
)
from e2e.runs import Run, Runs
from e2e.ssh_server import SshServer, serving
from mayfly_lab.lab import LabChoices
from mayfly_lab.machines.machine import Door

DEPLOY = "deploy"
# The script's known_hosts must suffice: the agent may not scan the server for its key.
PARAMETERS = {DEPLOY: {"agent/config": "no-ssh-keyscan=true"}}
LAY_DOWN_KEY = """\
#!/bin/bash
set -euo pipefail
home=$(getent passwd "$MAYFLY_JOB_USER" | cut -d: -f6)
own=(-o "$MAYFLY_JOB_USER" -g "$MAYFLY_JOB_USER")
install -d -m 700 "${{own[@]}}" "$home/.ssh"
install -m 600 "${{own[@]}}" /dev/stdin "$home/.ssh/id_ed25519" <<'END'
{key.private}END
install -m 644 "${{own[@]}}" /dev/stdin "$home/.ssh/known_hosts" <<'END'
{key.known_hosts}END
"""


def arrange(choices: LabChoices, closing: ExitStack) -> LabChoices:
    """Start an SSH git server beside the lab's own git server."""
    root = Path(closing.enter_context(TemporaryDirectory()))
    add_private(root)
    server = closing.enter_context(serving(root))
    return replace(choices, doors=(Door(server.port, server),))


def prepare(runs: Runs) -> None:
    lab = runs.stage.lab
    runs.commits = add_history(lab)
    for add in (add_submodule, add_hooks, add_plugin):
        add(lab)
    (door,) = lab.choices.doors
    assert isinstance(door.server, SshServer)
    runs.elsewhere = {"private": door.server.url("private")}
    script = lab.put_script(DEPLOY, "key.sh", LAY_DOWN_KEY.format(key=door.server.deploy_key))
    lab.put_parameter(DEPLOY, "bootstrap/script", script)
    runs.stage.until("the script is in force", lambda: runs.stage.in_force(DEPLOY).script)


def test_a_job_builds_the_head_of_its_branch(run: Run) -> None:
    assert run.state() == "passed"
    assert "release/2" in run.lines()


def test_a_job_builds_the_tag_of_its_build(run: Run) -> None:
    assert run.state() == "passed"
    assert {"v1", "tag v1"} <= set(run.lines())


def test_a_job_builds_the_commit_of_its_build_and_no_other(run: Run, runs: Runs) -> None:
    assert run.state() == "passed"
    assert {"first", runs.commits["first"]} <= set(run.lines())


def test_a_job_of_a_missing_branch_fails_in_its_checkout(run: Run) -> None:
    assert run.state() == "failed"
    job = run.job()
    assert (job["state"], job["exit_status"]) == ("failed", 128)
    assert "couldn't find remote ref nowhere" in run.log()
    assert "it ran" not in run.lines()


def test_a_job_has_the_submodules_of_its_repository(run: Run) -> None:
    assert run.state() == "passed"
    assert "the library" in run.lines()


def test_hooks_of_a_repository_run_around_its_commands(run: Run) -> None:
    assert run.state() == "passed"
    said = [line for line in run.lines() if line.startswith("command") or "of the repo" in line]
    assert said == [
        "post-checkout of the repository",
        "pre-command of the repository",
        "command with what it has set",
        "post-command of the repository",
        "pre-exit of the repository",
    ]


def test_a_hook_of_a_repository_that_fails_makes_its_job_fail(run: Run) -> None:
    assert run.state() == "failed"
    job = run.job()
    assert (job["state"], job["exit_status"]) == ("failed", 41)
    assert {"command", "post-command of the repository"} <= set(run.lines())


def test_a_plugin_of_a_repository_runs_around_the_command(run: Run) -> None:
    assert run.state() == "passed"
    assert {"hello, world", "command, greeted by plugin"} <= set(run.lines())


def test_a_private_repository_is_cloned_with_the_key_of_its_queue(run: Run) -> None:
    assert run.state() == "passed"
    lines = run.lines()
    assert "private" in lines
    assert any(line.startswith("ssh://git@127.0.0.1:") for line in lines)


def test_a_private_repository_is_closed_to_a_queue_without_its_key(run: Run) -> None:
    assert run.state() == "failed"
    job = run.job()
    assert (job["state"], job["exit_status"]) == ("failed", 128)
    assert "Permission denied (publickey)" in run.log()


def test_at_the_end_nothing_is_left_and_every_promise_was_kept(runs: Runs) -> None:
    runs.stage.empty()
    assert runs.stage.broken_promises() == []

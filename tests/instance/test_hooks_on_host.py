"""Mayfly's hooks, run as the agent runs them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BUNDLE = Path(__file__).parents[2] / "layers/instance/bundle.py"
JOB = {
    "BUILDKITE_JOB_ID": "job-1",
    "BUILDKITE_PIPELINE_SLUG": "deploy",
    "BUILDKITE_REPO": "git@example.org:acme/deploy.git",
    "BUILDKITE_BRANCH": "main",
    "BUILDKITE_SOURCE": "webhook",
    "BUILDKITE_PULL_REQUEST": "false",
}
OPEN: dict[str, Any] = {
    "job": "job-1",
    "rules": [],
    "repository": None,
    "refused": "",
    "facts": {},
    "has_key": False,
}

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def hook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hook in an unpacked bundle, without the repository around it."""
    code = tmp_path_factory.mktemp("mayfly")
    subprocess.run([sys.executable, str(BUNDLE), str(code / "bundle.tar.gz")], check=True)
    subprocess.run(["tar", "--extract", "--gzip", "--file", "bundle.tar.gz"], cwd=code, check=True)
    return code / "mayfly_instance/hooks/pre-bootstrap"


@pytest.fixture
def run(tmp_path: Path, hook: Path) -> Run:
    def run(
        policy: object, job: object = JOB, *, operator_hook: str = "", mode: int = 0o755
    ) -> Any:
        (tmp_path / "policy.json").write_text(json.dumps(policy))
        (tmp_path / "env.json").write_text(json.dumps(job))
        if operator_hook:
            (tmp_path / "pre-bootstrap").write_text(f"#!/bin/bash\n{operator_hook}\n")
            (tmp_path / "pre-bootstrap").chmod(mode)
        environment = {
            "PATH": os.environ["PATH"],
            "MAYFLY_POLICY": str(tmp_path / "policy.json"),
            "MAYFLY_HOOKS_DIR": str(tmp_path),
            "BUILDKITE_ENV_JSON_FILE": str(tmp_path / "env.json"),
            "BUILDKITE_JOB_ID": "job-1",
            "HOME": str(tmp_path),
        }
        # Old agents run hooks by bash, whatever their mode.
        return subprocess.run(
            ["bash", str(hook)], env=environment, capture_output=True, text=True, check=False
        )

    return run


def test_the_check_before_each_job_imports_no_slow_module(hook: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(hook.parents[2])!r})\n"
    code += "import mayfly_instance.hooks.policy\nprint(*sys.modules)"
    isolated = [sys.executable, "-I", "-S", "-c", code]
    found = subprocess.run(isolated, capture_output=True, text=True, check=True).stdout.split()

    assert "mayfly_protocol.rules" in found
    assert not {"dataclasses", "inspect", "pathlib", "typing"} & set(found)


def test_a_job_that_the_policy_allows_may_run(run: Run) -> None:
    assert run(OPEN).returncode == 0
    assert run({**OPEN, "rules": ["branch=other", "pipeline=deploy fork=no"]}).returncode == 0


def test_a_job_that_no_rule_allows_is_refused(run: Run) -> None:
    refused = run({**OPEN, "rules": ["branch=release/*", "pipeline=other"]})

    assert refused.returncode == 1
    assert refused.stderr == "mayfly: the job is refused: no rule of the queue's policy allows it\n"


def test_a_job_of_another_repository_is_refused(run: Run) -> None:
    policy = {**OPEN, "repository": "https://example.org/acme/deploy"}

    assert run(policy).returncode == 0
    assert "another repository" in run(policy, {**JOB, "BUILDKITE_REPO": "git@x:a/b"}).stderr


def test_a_job_that_was_not_assigned_to_this_host_is_refused(run: Run) -> None:
    assert "another job" in run({**OPEN, "job": "job-2"}).stderr


@pytest.mark.parametrize(
    "policy",
    [None, {}, {"job": "job-1", "rules": "pipeline=deploy", "repository": None}],
    ids=["nothing", "empty", "rules that are no list"],
)
def test_an_unreadable_policy_denies_the_job(run: Run, policy: object) -> None:
    assert run(policy).returncode == 1


FACTS = {
    "BUILDKITE_ORGANIZATION_SLUG": "",
    "BUILDKITE_PIPELINE_SLUG": "deploy",
    "BUILDKITE_BUILD_NUMBER": "",
    "BUILDKITE_REPO": "git@example.org:acme/deploy.git",
    "BUILDKITE_BRANCH": "main",
    "BUILDKITE_SOURCE": "webhook",
}


def test_a_job_with_the_facts_by_which_it_was_given_secrets_may_run(run: Run) -> None:
    assert run({**OPEN, "facts": FACTS}).returncode == 0


@pytest.mark.parametrize("name", [name for name, fact in FACTS.items() if fact])
@pytest.mark.parametrize("value", ["another", None])
def test_a_job_with_other_facts_than_those_by_which_it_was_given_secrets_is_refused(
    run: Run, name: str, value: str | None
) -> None:
    job = {key: each for key, each in JOB.items() if key != name}
    refused = run({**OPEN, "facts": FACTS}, {**job, name: value} if value else job)

    assert refused.returncode == 1
    assert refused.stderr == (
        f"mayfly: the job is refused: its {name} differs from the one by which it was given "
        "secrets or a role\n"
    )


def test_a_job_whose_secrets_could_not_be_given_is_refused_with_the_reason(run: Run) -> None:
    refused = run({**OPEN, "refused": "/p/app cannot be read: no right"})

    assert refused.returncode == 1
    assert refused.stderr == "mayfly: the job is refused: /p/app cannot be read: no right\n"


@pytest.mark.parametrize("name", ["refused", "facts", "has_key"])
def test_a_policy_without_a_word_on_secrets_denies_the_job(run: Run, name: str) -> None:
    assert run({key: value for key, value in OPEN.items() if key != name}).returncode == 1


def test_a_key_that_an_agent_holds_is_not_missing(run: Run) -> None:
    assert run(OPEN).stderr == "mayfly: there is no ssh key for example.org\n"
    assert run({**OPEN, "has_key": True}).stderr == ""


def test_the_operators_hook_may_refuse_the_job_as_well(run: Run) -> None:
    assert run(OPEN, operator_hook="[[ $BUILDKITE_JOB_ID == job-1 ]] && exit 41").returncode == 41
    assert run(OPEN, operator_hook="exit 42", mode=0o644).returncode == 42


def test_the_operators_hook_does_not_run_for_a_refused_job(run: Run, tmp_path: Path) -> None:
    refused = run({**OPEN, "rules": ["pipeline=x"]}, operator_hook=f"touch {tmp_path}/asked")

    assert refused.returncode == 1
    assert not (tmp_path / "asked").exists()


@pytest.fixture
def end(tmp_path: Path, hook: Path) -> Callable[..., str]:
    """Source the pre-exit hook as the agent does; returns its output and its status."""

    def end(events: str | None, **variables: str) -> str:
        scope = tmp_path / "cgroups" / own_cgroup().lstrip("/")
        scope.mkdir(parents=True, exist_ok=True)
        if events is not None:
            (scope / "memory.events").write_text(events)
        environment = {"PATH": os.environ["PATH"], "MAYFLY_CGROUPS": str(tmp_path / "cgroups")}
        file = tmp_path / "hooks/pre-exit"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(hook.with_name("tell-causes").read_bytes())
        shutil.copy(hook.with_name("operator-hook"), file.parent)
        wrapper = f". {file}; echo status=$?; echo FROM_HOOK=$FROM_HOOK"
        return subprocess.run(
            ["bash", "-c", wrapper], env=environment | variables, capture_output=True, text=True,
            check=True,
        ).stdout  # fmt: skip

    return end


def own_cgroup() -> str:
    path = Path("/proc/self/cgroup")
    return path.read_text().rpartition("::")[2].strip() if path.exists() else "/"


def events(kills: int, oom: int = 0) -> str:
    return f"low 0\nhigh 0\nmax 9\noom {oom}\noom_kill {kills}\noom_group_kill 0\n"


HAS_CGROUPS = pytest.mark.skipif(
    not Path("/proc/self/cgroup").exists(), reason="only Linux has control groups"
)
QUIET = "status=0\nFROM_HOOK=\n"


@HAS_CGROUPS
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            events(1),
            r"killed a process of this job for memory: the instance ran out of its \d+ MiB",
        ),
        (events(3), r"killed 3 processes of this job for memory: the instance ran out of its "),
        (events(1, oom=2), r"for memory: a memory limit inside the job was reached\n"),
    ],
)
def test_the_jobs_log_names_processes_that_the_kernel_killed_for_memory(
    end: Callable[..., str], content: str, said: str
) -> None:
    told = end(content)

    assert told.startswith("+++ Mayfly: the kernel ")
    assert re.search(said, told)
    assert told.endswith(QUIET)


@pytest.mark.parametrize(
    ("cgroup", "counts"),
    [
        ("/system.slice/mayfly-job.scope", "system.slice/mayfly-job.scope"),
        ("/system.slice/mayfly-job.scope/program", "system.slice/mayfly-job.scope"),
        ("/program", "."),
        ("/program/of/the/job", "."),
        ("/", "."),
        ("/programs.slice/other.service", "programs.slice/other.service"),
    ],
    ids=["scope", "program of a scope", "program of the top", "below", "top", "another name"],
)
def test_the_kills_of_the_whole_scope_count_wherever_its_program_sees_its_top(
    hook: Path, tmp_path: Path, cgroup: str, counts: str
) -> None:
    cgroups = tmp_path / "cgroups"
    for each in (cgroups, cgroups / counts, cgroups / cgroup.lstrip("/")):
        each.mkdir(parents=True, exist_ok=True)
        (each / "memory.events").write_text(events(0))
    (cgroups / counts / "memory.events").write_text(events(2, oom=2))
    own = tmp_path / "cgroup"
    own.write_text(f"4:memory:/v1\n0::{cgroup}\n")
    file = tmp_path / "pre-exit"
    text = hook.with_name("tell-causes").read_text()
    file.write_text(text.replace("/proc/self/cgroup", str(own)))
    shutil.copy(hook.with_name("operator-hook"), tmp_path)

    environment = {"PATH": os.environ["PATH"], "MAYFLY_CGROUPS": str(cgroups)}
    told = subprocess.run(
        ["bash", "-c", f". {file}"], env=environment, capture_output=True, text=True, check=True
    ).stdout

    assert "killed 2 processes of this job for memory: a memory limit inside" in told


@pytest.mark.parametrize("content", [None, "", events(0, oom=4)])
def test_the_jobs_log_has_no_word_of_memory_without_a_kill(
    end: Callable[..., str], content: str | None
) -> None:
    assert end(content) == QUIET


def test_the_jobs_log_tells_the_cause_for_which_the_host_stopped_the_job(
    end: Callable[..., str], tmp_path: Path
) -> None:
    lay_beside(tmp_path, cause="the queue's limit of 60 minutes is over.", no_key="no key")
    assert end(None) == f"+++ Mayfly: the queue's limit of 60 minutes is over.\n{QUIET}"


def test_the_pipelines_variables_do_not_choose_the_cause(
    end: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "forged").write_text("forged\n")
    names = ("MAYFLY_CAUSE", "MAYFLY_HOOKS_DIR", "BUILDKITE_HOOKS_PATH", "here", "line")
    assert end(None, **dict.fromkeys(names, f"{tmp_path}/forged")) == QUIET


@pytest.mark.parametrize(
    ("variables", "cloned", "told"),
    [
        ({}, False, True),
        ({}, True, False),
        ({"BUILDKITE_COMMAND_EXIT_STATUS": "128"}, False, False),
    ],
    ids=["the checkout failed", "the checkout succeeded", "the command ran"],
)
def test_the_jobs_log_tells_of_a_missing_key_after_a_failed_checkout_alone(
    end: Callable[..., str], tmp_path: Path, variables: dict[str, str], cloned: bool, told: bool
) -> None:
    lay_beside(tmp_path, no_key="queue default has no key for git.example.org.")
    checkout = tmp_path / "checkout"
    (checkout / ".git").mkdir(parents=True) if cloned else checkout.mkdir()
    log = end(None, BUILDKITE_BUILD_CHECKOUT_PATH=str(checkout), **variables)
    said = "+++ Mayfly: queue default has no key for git.example.org.\n"
    assert log == (said if told else "") + QUIET


def lay_beside(tmp_path: Path, cause: str = "", no_key: str = "") -> None:
    """Write the supervisor's files beside the hook."""
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name, text in (("cause", cause), ("no-key", no_key)):
        if text:
            (hooks / name).write_text(f"{text}\n")


@pytest.mark.parametrize(
    ("repository", "files", "host"),
    [
        ("git@git.example.org:acme/a.git", None, "git.example.org"),
        ("ssh://git@git.example.org:2222/acme/a", ["known_hosts"], "git.example.org"),
        ("git@git.example.org:acme/a.git", ["id_ed25519", "known_hosts"], ""),
        ("git@git.example.org:acme/a.git", ["config", "deploy"], ""),
        ("https://git.example.org/acme/a.git", None, ""),
        ("/srv/git/a.git", None, ""),
        ("git@x`touch /tmp/y`:a/b", None, ""),
    ],
)
def test_the_check_before_each_job_names_the_host_for_which_there_is_no_key(
    run: Run, tmp_path: Path, repository: str, files: list[str] | None, host: str
) -> None:
    if files is not None:
        (tmp_path / ".ssh").mkdir()
        for name in files:
            (tmp_path / ".ssh" / name).touch()
    done = run(OPEN, {**JOB, "BUILDKITE_REPO": repository})

    assert done.returncode == 0
    assert done.stderr == (f"mayfly: there is no ssh key for {host}\n" if host else "")


@pytest.mark.parametrize(
    ("first_line", "expected"),
    [
        ("#!/bin/bash", "operator\nstatus=7\nFROM_HOOK=x\n"),
        ("#!/usr/bin/env bash", "operator\nstatus=7\nFROM_HOOK=x\n"),
        ("#!/bin/sh -e", "operator\nstatus=7\nFROM_HOOK=x\n"),
        ("", "operator\nstatus=7\nFROM_HOOK=x\n"),
    ],
)
def test_the_operators_pre_exit_hook_runs_for_an_agent_with_one_hooks_path(
    end: Callable[..., str], tmp_path: Path, first_line: str, expected: str
) -> None:
    operator_hook = tmp_path / "hooks/pre-exit.operator"
    operator_hook.parent.mkdir()
    operator_hook.write_text(f"{first_line}\necho operator\nFROM_HOOK=x\n(exit 7)\n")

    assert end(None) == expected


def test_an_operators_pre_exit_hook_in_another_language_is_executed(
    end: Callable[..., str], tmp_path: Path
) -> None:
    operator_hook = tmp_path / "hooks/pre-exit.operator"
    operator_hook.parent.mkdir()
    operator_hook.write_text(f"#!{sys.executable}\nprint('operator')\nraise SystemExit(7)\n")
    operator_hook.chmod(0o755)

    assert end(None) == "operator\nstatus=7\nFROM_HOOK=\n"

"""Another pipeline's secrets, sought by a job that claims to be another than it is.

Names in the environment of steps and plugins, clone URLs, lists and pins of folders, and switches
that keep hooks from their work. Each job tells which values it has; all have the queue's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from attacks import given
from attacks.collector import Collector
from attacks.conftest import Seen
from attacks.given import GLOBAL, OPEN, PATH, QUEUE, VICTIM, Repositories
from attacks.rows import attack
from attacks.searching import digest, found
from stories.stage import REPOSITORY, Stage
from whole.output import lines

PARAMETERS = {QUEUE: given.PARAMETERS}
STACKS = {QUEUE: given.STACK}
_CHOSEN_BEFORE = "folders are chosen by dispatch, by Buildkite's own facts about the job"
_SWITCHES = {
    # The hook that the layout comes from reads these from the job's environment.
    "AWS_SSM_SECRETS_PLUGIN_ENABLED": "0",
    "AWS_SSM_SECRETS_PLUGIN_RUN_SSH_AGENT_DURING_COMMAND": "1",
    "AWS_PARAMSTORE_SECRETS_SECRETS_PATH": f"{PATH}/{VICTIM}",
    "AWS_PARAMSTORE_SECRETS_PATH": f"{PATH}/{VICTIM}",
    "AWS_PARAMSTORE_SECRETS_DEFAULT_KEY": VICTIM,
    "AWS_PARAMSTORE_SECRETS_GLOBAL_SSH": f"{PATH}/keeper/ssh/key",
    "AWS_PARAMSTORE_SECRETS_VERBOSE": "1",
    "BUILDKITE_HOOKS_PATH": "/nowhere",
    "BUILDKITE_REDACTED_VARS": "",
    "MAYFLY_POLICY": "/dev/null",
    "MAYFLY_HOOKS_DIR": "/nowhere",
    # Names that Mayfly's hook uses.
    "directory": "/nowhere",
    "repository": "/nowhere",
    "keep": "yes",
    "here": "/nowhere",
}
_NO_FUNCTIONS = {f"BASH_FUNC_{name}%%": "() { :; }" for name in ("source", "exit", "exec", "kill")}
_HELD = "SSH_AUTH_SOCK=/run/mayfly/ssh/repository ssh-add -l || echo the key is gone"


@pytest.fixture(scope="module")
def git() -> Iterator[Repositories]:
    with given.repositories("#!/bin/bash\n") as found:
        yield found


@pytest.fixture(scope="module")
def stage(
    git: Repositories, collector: Collector, request: pytest.FixtureRequest
) -> Iterator[Stage]:
    with given.a_stage_with(git, request.module, collector) as stage:
        yield stage


def _urls(port: int) -> Mapping[str, str]:
    """By pipeline: clone URLs that a careless parse takes for that of `open.git`."""
    return {
        "port-in-scp": f"git@127.0.0.1:{port}/open.git",
        "dotted": f"ssh://git@127.0.0.1:{port}/x/../open.git",
        "slug-as-name": f"https://git.example.org/127.0.0.1-{port}_open.git",
    }


@pytest.fixture(scope="module")
def jobs(stage: Stage, git: Repositories) -> Mapping[str, str]:
    """The ids of the jobs of this file by pipeline, pushed at once."""
    app = stage.lab.buildkite.repository_url(REPOSITORY)
    private, opened = git.server.url("private"), git.server.url("open")
    port = git.server.port
    takes = {"command": "true", "plugins": [{f"{git.server.url('taker')}#main": None}]}
    claims = {"BUILDKITE_PIPELINE_SLUG": VICTIM, "BUILDKITE_REPO": opened}
    pushed = {
        "claims": given.push(stage, "claims", app, env={**claims, **_SWITCHES}, **takes),
        "borrower": given.push(stage, "borrower", opened, **takes),
        "listed": given.push(stage, "listed", private, **takes),
        "hyphen": given.push(stage, "hyphen", f"ssh://git@127.0.0.1-{port}/pinned.git", **takes),
        "refused": given.push(stage, "refused", app, env=_NO_FUNCTIONS, command="echo it ran"),
        "obeys": given.push(stage, "obeys", app, command=_HELD),
        "keeper": given.push(stage, "keeper", app, env=_NO_FUNCTIONS, command=_HELD),
    }
    more = {each: given.push(stage, each, url, **takes) for each, url in _urls(port).items()}
    return {**pushed, **more}


def _has(stage: Stage, job: str) -> set[str]:
    """Digests of the values that the job has told; the job must have ended well."""
    ended, log = stage.ended(job), "\n".join(filter(None, lines(stage.log_of(job))))
    assert ended.outcome == "passed", log
    return found(log)


@attack(
    "A step and a plugin claim another pipeline and repository, another folder, and set every name"
    " that hooks for secrets read",
    refused_by="dispatch and the host",
    mechanism=_CHOSEN_BEFORE,
)
def test_a_claimed_name_gives_no_other_folder(
    stage: Stage, jobs: Mapping[str, str], seen: Seen
) -> None:
    assert _has(stage, jobs["claims"]) == {digest(GLOBAL)}
    seen(f"{len(_SWITCHES) + 2} variables of the step: the job has the queue's own value alone")


@attack(
    "Clone URLs that look like another repository's: a port in the scp form, dotted parts, the"
    " repository's slug as a name",
    refused_by="dispatch",
    mechanism="a slug is parsed anchored, and what is ambiguous has no folder",
)
def test_a_clone_url_that_looks_alike_gives_no_other_folder(
    stage: Stage, git: Repositories, jobs: Mapping[str, str], seen: Seen
) -> None:
    names = _urls(git.server.port)
    for each in names:
        assert _has(stage, jobs[each]) == {digest(GLOBAL)}, each
    assert digest(OPEN) in _has(stage, jobs["borrower"]), "the folder gives nobody its value"
    seen(f"{len(names)} URLs: the queue's own value alone; the repository's own URL has its value")


@attack(
    "A pipeline names a repository whose folder lists other pipelines, and by a host with a hyphen"
    " for the port one whose folder names its clone URL",
    refused_by="dispatch, before a reservation, and the host, before the job",
    mechanism="all lists of the job's folders must let it in; a folder's `repository` is compared"
    " with the job's",
)
def test_a_folder_with_a_list_or_a_pin_is_closed_to_others(
    stage: Stage, jobs: Mapping[str, str], seen: Seen
) -> None:
    listed, hyphen = (stage.ended(jobs[each]) for each in ("listed", "hyphen"))
    assert (listed.outcome, listed.exit_status) == ("failed", -1)
    assert "/allowed_pipelines" in (listed.detail or "")
    assert listed.id not in {each.job for each in stage.instances(QUEUE)}
    assert (hyphen.outcome, hyphen.exit_status) == ("failed", -1)
    machine = "i-" + (hyphen.agent_name or "").rpartition("i-")[2]
    assert "/repository names another repository" in stage.gone(machine).reason
    for each in (listed, hyphen):
        assert "searched" not in stage.log_of(each.id)
    seen(f"by dispatch: {listed.detail}; by the host: {stage.gone(machine).reason}")


@attack(
    "A pipeline of the attacker names another repository as its own, whose folder has no list",
    refused_by="nobody",
    mechanism="the folder of a repository is for every pipeline of that repository",
    remains="Whoever may make pipelines in the cluster gets the repository's secrets with steps of"
    " their own. `allowed_pipelines` in the folder closes it, or policy/rules of the queue, or the"
    " pipeline's folder in place of the repository's.",
)
def test_a_pipeline_may_name_any_repository(
    stage: Stage, jobs: Mapping[str, str], seen: Seen
) -> None:
    assert _has(stage, jobs["borrower"]) == {digest(GLOBAL), digest(OPEN)}
    seen("the job of another pipeline of the same repository has the repository's value")


@attack(
    "A step that its host must refuse replaces what hooks call, by exported functions of Bash",
    refused_by="the host",
    mechanism="the check before the job runs in the agent's environment, which no pipeline changes",
)
def test_no_variable_of_a_step_switches_the_check_off(
    stage: Stage, jobs: Mapping[str, str], seen: Seen
) -> None:
    ended = stage.ended(jobs["refused"])
    assert (ended.outcome, ended.exit_status) == ("failed", -1)
    assert "it ran" not in stage.log_of(ended.id)
    seen(f"{len(_NO_FUNCTIONS)} functions: the job is refused all the same")


@attack(
    "A step keeps the hook after its checkout from ending the agent with the repository's key, by"
    " an exported function in place of `kill`",
    refused_by="nobody",
    mechanism="the hook runs in the job's environment, as the job's user",
    remains="The command can use the key of the job's own repository, which its checkout used; no"
    " other key, and no copy of it. Deploy keys are read-only, and open one repository.",
)
def test_a_step_can_keep_its_own_key(stage: Stage, jobs: Mapping[str, str], seen: Seen) -> None:
    logs = {}
    for each in ("obeys", "keeper"):
        ended = stage.ended(jobs[each])
        logs[each] = stage.log_of(jobs[each])
        assert ended.outcome == "passed", logs[each]
    assert "the key is gone" in logs["obeys"]
    assert "greeter (ED25519)" not in logs["obeys"]
    assert "greeter (ED25519)" in logs["keeper"], logs["keeper"]
    seen("with the function the key is listed during the command, without it its agent is gone")

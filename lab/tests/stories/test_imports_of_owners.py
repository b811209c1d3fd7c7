"""Imports from a bucket of the Elastic CI Stack by people with deployed policies, and a job after.

The bucket is S3's in the lab, behind the same front door: IAM judges its calls as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from e2e.repositories import add_owned
from e2e.ssh_server import SshServer, serving
from mayfly_lab.lab import STACK
from operators.roles import output, own_policy
from stories.people import (
    NOT_YOURS,
    Person,
    choices,
    folder_of,
    folder_owner,
    needs_agent_and_ssh,
    one_step,
    person,
    secrets_owner,
    stored,
)
from stories.stage import Stage, a_stage
from stories.tool import Answer

pytestmark = needs_agent_and_ssh
QUEUE, REPOSITORY = "moved", "acme/app"
PATH = folder_of(QUEUE)
BUCKET = "acme-buildkite-secrets"
LONG = 5000
"""Characters of a value that only the advanced tier holds, which is encrypted by a data key."""
LOOK = 'cat NAME; echo "region ${REGION:+given}, token ${NPM_TOKEN:+given}, letters: ${#LONG}"'
OF_APP = {
    "app/env/LONG": "SecureString 1",
    "app/env/NPM_TOKEN": "SecureString 1",
    "app/ssh/key": "SecureString 1",
    "app/ssh/key.pub": "String 1",
}


@pytest.fixture(scope="module")
def server() -> Iterator[SshServer]:
    with TemporaryDirectory() as root:
        add_owned(Path(root), REPOSITORY)
        with serving(Path(root)) as server:
            yield server


@pytest.fixture(scope="module")
def stage(server: SshServer) -> Iterator[Stage]:
    with a_stage(choices(QUEUE, server)) as stage:
        s3 = stage.lab.aws.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        for name, text in {
            "env": "export REGION=eu-central-1\n",
            "app/private_ssh_key": server.key_of(REPOSITORY),
            "app/environment": f"LONG='{'x' * LONG}'\n",
            "app/secret-files/NPM_TOKEN": "canary-of-npm-4711\n",
        }.items():
            s3.put_object(Bucket=BUCKET, Key=name, Body=text.encode())
        yield stage


@pytest.fixture(scope="module")
def bucket(stage: Stage) -> str:
    """The ARN of a policy that reads the bucket, as docs/from-elastic-ci-stack.md has it."""
    arn = f"arn:aws:s3:::{BUCKET}"
    listing = {"Sid": "ListBucket", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": arn}
    reading = {"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{arn}/*"}
    return own_policy(stage.lab.aws, "reads-the-bucket", listing, reading)


def imported(who: Person, prefix: str = "") -> Answer:
    return who.run("import-secrets", f"s3://{BUCKET}{prefix}", "--queue", QUEUE, "--yes")


def forget(stage: Stage) -> None:
    """Delete every secret of the queue."""
    names = [f"{PATH}/{name}" for name in stored(stage, PATH)]
    if names:
        stage.lab.aws.client("ssm").delete_parameters(Names=names)


def refusal(why: str) -> str:
    return f"mayfly import-secrets: you may not {why}"


@pytest.mark.parametrize("policy", ["ViewersPolicy", "OperatorsPolicy", "SecurityOwnersPolicy"])
def test_other_people_are_told_the_right_that_they_lack_before_the_bucket_is_read(
    stage: Stage, bucket: str, policy: str
) -> None:
    aws = stage.lab.aws
    stranger = person(stage, policy, output(aws, STACK, policy), bucket)
    before = stored(stage, PATH)
    refused = imported(stranger)
    missing = f"ssm:GetParameters on /mayfly-infra/{STACK}/queues/{QUEUE}: {NOT_YOURS}"
    assert (refused.ended, refused.words) == (2, refusal(missing))
    assert {action for action, *_ in stranger.used} == {"ssm:GetParameters"}
    assert stored(stage, PATH) == before


def test_the_owner_of_a_pipelines_secrets_imports_its_folder_alone(
    stage: Stage, bucket: str
) -> None:
    forget(stage)
    owner = folder_owner(stage, QUEUE, "app", bucket)
    refused = imported(owner)
    why = f"you may not ssm:PutParameter on {PATH}/global/env/REGION: {NOT_YOURS}"
    assert refused.ended == 1, refused.said
    assert f"stopped: {why}" in refused.words
    assert "4 not written" in refused.words
    assert stored(stage, PATH) == {}
    made = imported(owner, "/app")
    assert made.ended == 0, made.said
    assert stored(stage, PATH) == OF_APP


def test_a_secrets_owner_who_may_not_read_the_bucket_is_told(stage: Stage) -> None:
    policy = output(stage.lab.aws, f"{STACK}-queue-{QUEUE}", "SecretsOwnersPolicy")
    owner = person(stage, "without-bucket", policy)
    refused = imported(owner)
    nobody = "none of the stack's policies for people allows it"
    assert (refused.ended, refused.words) == (2, refusal(f"s3:ListBucket on {BUCKET}: {nobody}"))


def test_a_secrets_owner_imports_all_with_the_rights_of_the_policy_alone_and_a_job_has_it(
    stage: Stage, server: SshServer, bucket: str
) -> None:
    forget(stage)
    owner = secrets_owner(stage, QUEUE, bucket)
    made = imported(owner)
    assert made.ended == 0, made.said
    assert "values are neither compared nor read back" in made.words
    assert stored(stage, PATH) == {"global/env/REGION": "SecureString 1", **OF_APP}
    assert "canary" not in made.said
    assert owner.used == {
        ("s3:ListBucket", "ListBucket", True),
        ("s3:GetObject", "Read", True),
        ("ssm:GetParameters", "ReadPlace", True),
        ("ssm:DescribeParameters", "List", True),
        # The attempt to compare values: this stack's owners may not read.
        ("ssm:GetParameters", "", False),
        ("ssm:PutParameter", "WriteSecrets", True),
        ("kms:Encrypt", "UseKey", True),
        ("kms:GenerateDataKey", "UseKey", True),
    }
    server.used.clear()
    job = one_step(stage, QUEUE, "app", server.url(REPOSITORY), LOOK)
    ended = stage.ended(job)
    log = stage.log_of(job)
    assert ended.outcome == "passed", log
    assert f"the repository {REPOSITORY}" in log
    assert f"region given, token given, letters: {LONG}" in log
    assert set(server.used) == {(REPOSITORY, REPOSITORY)}


def test_at_the_end_nothing_is_left_and_every_promise_was_kept(stage: Stage) -> None:
    stage.empty()
    assert stage.broken_promises() == []

"""Roles of jobs with a real agent: each pipeline has the credentials of its own role, or none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.given import make_role
from mayfly_lab.lab import LabChoices
from stories.stage import BOOT, QUICK, Stage, a_stage

_AGENT = shutil.which("buildkite-agent")
pytestmark = pytest.mark.skipif(not _AGENT, reason="there is no buildkite-agent")
QUEUE = "deploy"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/ci/app-deploy"
LINES = f"""
pipeline=app -> {ROLE} minutes=15
pipeline=broken -> arn:aws:iam::{ACCOUNT}:role/ci/unknown
"""
ASK = r"""
echo "region $AWS_REGION, imds $AWS_EC2_METADATA_DISABLED, keys ${AWS_ACCESS_KEY_ID-none}"
ls -ln "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" | cut -c1-10
curl -sS --max-time 9 "$AWS_CONTAINER_CREDENTIALS_FULL_URI" | grep -o 'AccessDenied' | head -1
cat >ask.py <<'EOF'
import json, os, urllib.request
from datetime import datetime, timezone
from mayfly_instance.aws import Aws
from mayfly_instance.clock import Clock
from mayfly_instance.sigv4 import Credentials
with open(os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]) as file:
    headers = {"Authorization": file.read()}
request = urllib.request.Request(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"], headers=headers)
found = json.load(urllib.request.urlopen(request, timeout=30))
ends = datetime.strptime(found["Expiration"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
keys = Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["Token"], ends)
aws = Aws(os.environ["AWS_REGION"], "aws", os.environ["AWS_ENDPOINT_URL"], Clock(), seconds=30)
print("I am", aws.caller(keys).arn, "with", found["RoleArn"])
EOF
PYTHONPATH=${BUILDKITE_HOOKS_PATH%/mayfly_instance/hooks} python3 -S ask.py
"""
SEEK = r"""
echo "uri ${AWS_CONTAINER_CREDENTIALS_FULL_URI-none}, file $(ls /run/mayfly/role 2>&1 | tail -1)"
"""


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    choices = LabChoices(
        queues=(QUEUE,),
        agent=Path(_AGENT or ""),
        delays=QUICK,
        boot_seconds=BOOT,
        parameters={QUEUE: {"role/deploy": LINES, "pool/hot": "1"}},
        stacks={QUEUE: {"JobRolePath": "/ci/"}},
    )
    with a_stage(choices) as stage:
        sandbox_role = stage.published(QUEUE)["sandbox_role"]
        make_role(stage.lab.aws.client("iam"), "/ci/app-deploy", sandbox_role, "app")
        yield stage


def test_a_job_has_the_role_of_its_pipeline_under_its_own_name(stage: Stage) -> None:
    job = stage.build("app", QUEUE, ASK)
    ended = stage.ended(job)
    log = stage.log_of(job)
    assert ended.outcome == "passed", log
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/app-deploy/app-1-{job}"
    assert f"I am {session} with {ROLE}" in log
    assert f"region {stage.lab.aws.config.region}, imds true, keys none" in log
    assert "-r--------" in log
    assert "AccessDenied" in log  # without the token


def test_a_job_of_another_pipeline_has_no_credentials_and_its_log_says_so(stage: Stage) -> None:
    job = stage.build("other", QUEUE, SEEK)
    assert stage.ended(job).outcome == "passed"
    log = stage.log_of(job)
    assert "uri none, file" in log
    assert "/run/mayfly/role" in log
    assert "# Mayfly: " in log
    assert "role" in log.partition("# Mayfly: ")[2].splitlines()[0]


def test_a_job_whose_role_cannot_be_assumed_does_not_run(stage: Stage) -> None:
    job = stage.build("broken", QUEUE, "echo it ran")
    ended = stage.ended(job)
    assert (ended.outcome, ended.exit_status) == ("failed", -1)
    assert "it ran" not in stage.log_of(job)
    machine = "i-" + (ended.agent_name or "").rpartition("i-")[2]
    reason = stage.gone(machine).reason
    assert reason.startswith(
        f"the job is refused: the role arn:aws:iam::{ACCOUNT}:role/ci/unknown cannot be assumed"
    )
    assert "403 AccessDenied" in reason

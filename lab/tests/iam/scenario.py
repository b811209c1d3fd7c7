"""A run of the lab in which every principal does what it has rights for.

Three queues: one on spot instances with a hot pool, encrypted volumes and a pinned script, one that
is restricted by policy, one with a stopped pool. People tune and look; instances fail, are
interrupted and are ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import asyncssh

from iam.people import operate, secure
from mayfly.records.model import Instance
from mayfly.records.states import InstanceState
from mayfly_lab.agents.server import ArchiveServer
from mayfly_lab.aws.clients import client
from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.aws.deploy.stacks import TOKEN_PARAMETER, Deployment
from mayfly_lab.aws.front.call import Kind
from mayfly_lab.contracts import Keys
from mayfly_lab.lab import STACK, Lab, LabChoices
from operators.account_lab import account_environment
from stories.stage import BOOT, QUICK, Stage, furnish
from tests.cli.real_account import run

HOT, RELEASE, WARM = "hot", "release", "warm"
REGISTRY = "/buildkite/pipelines/{pipeline}/repository"
OPERATORS_OWN, JOBS = "OperatorsOwn", "ecr:GetAuthorizationToken"
"""Statement and action of the policy that an operator attaches to the sandbox roles."""
SECRETS, ROLES = "/vendors/buildkite/hot", "/ci/"
PIPELINES = [f"{HOT}-{number}" for number in range(1, 20)]
"""Slugs of the pipelines that `Stage.push` makes for the queue."""
ROLE = f"arn:aws:iam::{ACCOUNT}:role{ROLES}deploy"
SCRIPT = "#!/bin/bash\nset -eu\necho set up\n"


class LabWithOwnKeys(Lab):
    """A lab whose token and volumes are encrypted with keys of the account."""

    def _deployment(self, archives: ArchiveServer) -> Deployment:
        made = super()._deployment(archives)
        kms, ssm = self.aws.client("kms"), self.aws.client("ssm")
        key, volumes = (
            kms.create_key(Tags=[{"TagKey": "mayfly-stack", "TagValue": STACK}])["KeyMetadata"][
                "Arn"
            ]
            for _ in range(2)
        )
        # Without the stack's tag, which keeps hosts from a key.
        secrets = kms.create_key()["KeyMetadata"]["Arn"]
        ssm.put_parameter(Name=TOKEN_PARAMETER, Value=made.token, Type="SecureString", KeyId=key)
        # Only where no stack is deleted: moto does not detach a role's policies, as AWS does.
        of_hot = {
            "SandboxPolicies": self._policy_of_jobs(),
            "SecretsPath": SECRETS,
            "SecretsKey": secrets,
            "JobRolePath": ROLES,
        }
        own = {HOT: of_hot}
        queues = tuple(
            replace(
                queue,
                parameters={
                    **queue.parameters,
                    "RootVolumeKey": volumes,
                    **own.get(queue.key, {}),
                },
            )
            for queue in made.queues
        )
        parameters = {**made.parameters, "TokenKmsKey": key}
        return replace(made, token="", queues=queues, parameters=parameters)

    def _policy_of_jobs(self) -> str:
        """The ARN of a policy that an operator made for jobs."""
        allow = {"Sid": OPERATORS_OWN, "Effect": "Allow", "Action": JOBS, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        made = self.aws.client("iam").create_policy(PolicyName="jobs", PolicyDocument=document)
        return str(made["Policy"]["Arn"])


@contextmanager
def a_run() -> Iterator[Stage]:
    """The stage at the end of the run: nothing runs any more, the stacks are still deployed."""
    choices = LabChoices(
        queues=(HOT, RELEASE, WARM),
        delays=replace(QUICK, minute=10.0),
        boot_seconds=BOOT,
        roles={HOT: [f"{ROLES}deploy"]},
        parameters={
            HOT: {
                "pool/hot": "1",
                "launch/purchase": "spot-then-on-demand",
                "secrets/path": SECRETS,
                "secrets/shared-ssh-keys": f"{SECRETS}/shared/ssh/key",
                "role/deploy": f"pipeline={','.join(PIPELINES)} -> {ROLE}",
            },
            RELEASE: {
                "policy/rules/releases": "pipeline=app branch=release/* fork=no",
                "policy/repository-from": REGISTRY,
            },
            WARM: {"pool/stopped": "1", "pool/grace-minutes": "0"},
        },
    )
    with LabWithOwnKeys(choices) as lab:
        stage = Stage(lab)
        furnish(stage)
        _set_up_by_scripts(stage)
        _give(stage)
        _run_jobs(stage)
        _lose_instances(stage)
        _meet_strays(stage)
        _as_people(stage)
        stage.empty()
        _uninstall(stage)
        yield stage


def _set_up_by_scripts(stage: Stage) -> None:
    """One queue's script is pinned by version and digest, the other's by its digest alone."""
    lab = stage.lab
    lab.put_parameter(HOT, "bootstrap/script", lab.put_script(HOT, "set-up.sh", SCRIPT))
    where, *options = lab.put_script(RELEASE, "set-up.sh", SCRIPT).split()
    kept = [each for each in options if not each.startswith("version=")]
    lab.put_parameter(RELEASE, "bootstrap/script", " ".join((where, *kept)))


def _give(stage: Stage) -> None:
    """Secrets for the jobs of a queue, with a list of the pipelines that may have them."""
    ssm = stage.lab.aws.client("ssm")
    key = stage.published(HOT)["secrets_key"]
    private = asyncssh.generate_private_key("ssh-ed25519").export_private_key("openssh")
    hidden = {"global/env/token": "a token of 20 letters", "shared/ssh/key": private.decode()}
    for name, value in hidden.items():
        ssm.put_parameter(Name=f"{SECRETS}/{name}", Value=value, Type="SecureString", KeyId=key)
    own = "\n".join(PIPELINES)
    ssm.put_parameter(Name=f"{SECRETS}/global/allowed_pipelines", Value=own, Type="String")


def _run_jobs(stage: Stage) -> None:
    """A job on a hot instance, a cold and a stopped one, and one that policy denies."""
    own = stage.lab.buildkite.repository_url("app")
    name = REGISTRY.replace("{pipeline}", "app")
    stage.lab.aws.client("ssm").put_parameter(Name=name, Value=own, Type="String")
    stage.ready(HOT)
    jobs = [
        stage.push(HOT),
        stage.build("app", RELEASE, branch="release/1"),
        stage.build("app", RELEASE, branch="main"),
    ]
    assert [stage.ended(job).outcome for job in jobs] == ["passed", "passed", "failed"]
    stage.until("an instance is stopped", lambda: _stopped(stage))
    assert stage.ended(stage.push(WARM)).outcome == "passed"


def _stopped(stage: Stage) -> list[Instance]:
    return [i for i in stage.instances(WARM) if i.state is InstanceState.STOPPED]


def _lose_instances(stage: Stage) -> None:
    """EC2 interrupts the instance of a running job, one dies, one fails, an answer is lost."""
    job = stage.push(HOT, "echo started; sleep 300")
    taken = stage.running(job)
    stage.lab.aws.ec2.interrupt(taken, 5)
    stage.ended(job)
    stage.gone(taken)
    stage.ready(HOT)
    # Without this fault the agent may acquire the job first.
    stage.lab.buildkite.faults.answer("agent.acquire", 503)
    job = stage.push(HOT)
    dead = stage.assigned(job)
    stage.lab.crash(dead)
    stage.lab.buildkite.faults.clear()
    stage.ended(job)
    stage.until("the last words are kept", lambda: stage.last_words(dead))
    _fail_in_set_up(stage)
    _refuse_a_launch(stage)


def _fail_in_set_up(stage: Stage) -> None:
    """A script fails on an instance."""
    lab, before = stage.lab, len(stage.launched(RELEASE))
    spec = stage.queue(RELEASE).spec
    where = lab.put_script(RELEASE, "fails.sh", "#!/bin/bash\nexit 3\n")
    lab.put_parameter(RELEASE, "bootstrap/script", where)
    stage.until("the script is in force", lambda: stage.queue(RELEASE).spec != spec)
    job = stage.build("app", RELEASE, branch="release/1")
    failed = stage.until("an instance is launched", lambda: stage.launched(RELEASE)[before:])[0]
    # Without the cancel another instance would be launched, and fail in the same way.
    lab.buildkite.cancel_job(job)
    stage.gone(failed)


def _refuse_a_launch(stage: Stage) -> None:
    """EC2 refuses a launch for good, so the function looks whether an earlier try launched."""
    lab = stage.lab
    lab.aws.faults.set("error", "ec2:CreateFleet", value="InvalidLaunchTemplateId.NotFound")
    job = stage.build("app", RELEASE, branch="release/1")
    stage.until(
        "provision looks for instances", lambda: _called(lab, "provision", "ec2:DescribeInstances")
    )
    lab.buildkite.cancel_job(job)
    lab.aws.faults.clear()


def _called(lab: Lab, function: str, action: str) -> bool:
    return any(
        each.action == action
        and str(each.context.get("lambda:SourceFunctionArn", "")).endswith(f"-{function}")
        for entry in lab.aws.journal.select(kind=Kind.FUNCTION)
        for each in entry.iam
    )


def _meet_strays(stage: Stage) -> None:
    """An instance with the stack's tag and without a record, which ends by itself."""
    ec2 = stage.lab.aws.client("ec2")
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    tags = [{"Key": "mayfly-stack", "Value": STACK}]
    stray = ec2.run_instances(
        ImageId=image,
        InstanceType="m7i.large",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )["Instances"][0]["InstanceId"]
    table = f"{STACK}-fleet"
    key = {"pk": {"S": f"stray#{stray}"}}
    items = stage.lab.aws.client("dynamodb")

    def known() -> bool:
        stage.tick("reap")
        return "Item" in items.get_item(TableName=table, Key=key, ConsistentRead=True)

    stage.until("the stray is known", known)
    ec2.terminate_instances(InstanceIds=[stray])
    stage.until("the stray is forgotten", lambda: not known())


def _uninstall(stage: Stage) -> None:
    """Delete a queue by the operators' tool, as an administrator."""
    aws = stage.lab.aws
    environment = account_environment(
        aws.endpoint, aws.administrator, aws.config.region, stage.lab.home
    )
    endpoint = f"--agent-endpoint={stage.lab.buildkite.agent_endpoint}"
    ended = run("uninstall", endpoint, f"--queue={RELEASE}", "--yes", environment=environment)
    assert ended.status == 0, ended.err
    known = stage.lab.records.queues
    stage.until("the queue is forgotten", lambda: RELEASE not in known())


def _as_people(stage: Stage) -> None:
    def clients(keys: Keys) -> Any:
        aws = stage.lab.aws
        return lambda service: client(service, aws.endpoint, aws.config.region, keys)

    waiting = stage.ready(HOT)
    # An account has this role once it has bought a spot instance.
    stage.lab.aws.client("iam").create_service_linked_role(AWSServiceName="spot.amazonaws.com")
    operate(clients(stage.lab.aws.operator), HOT, iter(waiting * 2))
    secure(clients(stage.lab.aws.security_owner), HOT)

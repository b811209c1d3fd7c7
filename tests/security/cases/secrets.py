"""Cases: secrets of jobs, their keys, and roles that jobs are given."""

from __future__ import annotations

from mayfly_cli.templates.resolution import ACCOUNT
from tests.security import deployed
from tests.security.case import ABSENT, Case
from tests.security.principals import NOTHING
from tests.security.thing import Context
from tests.security.things_of_data import VIA_SSM, parameter_arn

ADMIN, POWER, SSM_FULL = "AdministratorAccess", "PowerUserAccess", "AmazonSSMFullAccess"
DECRYPT = "kms:Decrypt"
OURS = deployed.secrets_path()
NO_VIA = {"kms:ViaService": ABSENT}


def _job() -> tuple[Case, ...]:
    read, by_path = "ssm:GetParameters", "ssm:GetParametersByPath"
    above = (
        ("the folder above the queue's", parameter_arn(OURS.rpartition("/")[0])),
        ("all parameters of the account", parameter_arn("/")),
        ("another queue's folder of secrets", "secret-path/queue-2"),
    )
    return (
        Case("A job can read a secret of its queue", "job", read, "secret/repository"),
        Case("A job can read a repository's folder", "job", by_path, "secret-path/repository"),
        Case(
            "A job can decrypt a secret of its queue", "job", DECRYPT, "secret-key/global", VIA_SSM
        ),
        Case("A job cannot read a secret of another queue", "job", read, "secret/queue-2"),
        *(Case(f"A job cannot list {what}", "job", by_path, thing) for what, thing in above),
        Case("A job cannot list the names of all parameters", "job", "ssm:DescribeParameters", "*"),
        Case(
            "A job cannot decrypt a secret without Parameter Store",
            "job",
            DECRYPT,
            "secret-key/repository",
        ),
        Case(
            "A job cannot decrypt through S3",
            "job",
            DECRYPT,
            "secret-key/repository",
            {"kms:ViaService": "s3.eu-west-1.amazonaws.com"},
        ),
        Case(
            "A job cannot decrypt what has no encryption context",
            "job",
            DECRYPT,
            "secret-key/repository",
            {**VIA_SSM, "kms:EncryptionContext:PARAMETER_ARN": ABSENT},
        ),
        *(
            Case(
                f"A job with AdministratorAccess cannot {way}", "job", action, thing, context, ADMIN
            )
            for way, action, thing, context in (
                ("change a secret", "ssm:PutParameter", "secret/repository", {}),
                ("delete a secret", "ssm:DeleteParameters", "secret/global", {}),
                ("read older secrets", "ssm:GetParameterHistory", "secret/global", {}),
                ("decrypt another queue's secret", DECRYPT, "secret-key/queue-2", VIA_SSM),
                ("encrypt with the key", "kms:Encrypt", "secret-key/global", VIA_SSM),
                ("change the key's policy", "kms:PutKeyPolicy", "secret-key/global", {}),
                ("grant the key's use", "kms:CreateGrant", "secret-key/global", {}),
            )
        ),
        Case(
            "A job of another queue with AdministratorAccess cannot decrypt a secret",
            "job-of-queue-2",
            DECRYPT,
            "secret-key/repository",
            VIA_SSM,
            ADMIN,
        ),
        Case(
            "A job of another queue cannot read a secret",
            "job-of-queue-2",
            read,
            "secret/repository",
        ),
        Case(
            "A session that somebody opened by the sandbox role's trust cannot decrypt a secret",
            "impostor",
            DECRYPT,
            "secret-key/repository",
            VIA_SSM,
        ),
    )


def _set_up() -> tuple[Case, ...]:
    ways: tuple[tuple[str, str, str, Context, str], ...] = (
        ("read a secret", "ssm:GetParameter", "secret/repository", {}, SSM_FULL),
        ("read secrets", "ssm:GetParameters", "secret/global", {}, SSM_FULL),
        ("read a repository's folder", "ssm:GetParametersByPath", "secret-path/repository", {}, ""),
        ("read the queue's folder", "ssm:GetParametersByPath", "secret-path/queue", {}, SSM_FULL),
        ("change a secret", "ssm:PutParameter", "secret/repository", {}, SSM_FULL),
        ("decrypt a secret", DECRYPT, "secret-key/repository", VIA_SSM, POWER),
        ("encrypt a secret again", "kms:ReEncryptFrom", "secret-key/repository", {}, POWER),
    )
    return tuple(
        Case(
            f"Set-up with {attached or ADMIN} cannot {way}",
            "bootstrap",
            action,
            thing,
            context,
            attached or ADMIN,
        )
        for way, action, thing, context, attached in ways
    )


def _strangers() -> tuple[Case, ...]:
    """A role with AdministratorAccess may edit IAM; so it stands for every deploy role."""
    uses = (
        ("decrypt a secret", DECRYPT),
        ("encrypt a secret", "kms:Encrypt"),
        ("change the key's policy", "kms:PutKeyPolicy"),
        ("grant the key's use", "kms:CreateGrant"),
        ("delete the key", "kms:ScheduleKeyDeletion"),
    )
    who = (
        ("foreign", "A person with PowerUserAccess", POWER),
        ("foreign", "A deploy role that may edit IAM", ADMIN),
        ("operator", "An operator with AdministratorAccess", ADMIN),
        ("dispatch", "The function dispatch with AdministratorAccess", ADMIN),
    )
    return (
        *(
            Case(f"{title} cannot {way}", name, action, "secret-key/repository", VIA_SSM, attached)
            for name, title, attached in who
            for way, action in uses
        ),
        *(
            Case(f"{title} cannot {way}", name, action, thing, context)
            for name, title in (
                ("viewer", "A viewer"),
                ("operator", "An operator"),
                ("security-owner", "A security owner"),
                ("dispatch", "The function dispatch"),
                ("provision", "The function provision"),
            )
            for way, action, thing, context in (
                ("read a job's secret", "ssm:GetParameter", "secret/repository", {}),
                ("decrypt a job's secret", DECRYPT, "secret-key/repository", VIA_SSM),
                ("change a job's secret", "ssm:PutParameter", "secret/global", {}),
            )
        ),
        Case(
            "A deploy role that may edit IAM cannot take the sandbox role as it is",
            "foreign",
            "sts:AssumeRole",
            "role/sandbox",
            attached=ADMIN,
        ),
        Case(
            "A deploy role that may edit IAM can change whom the sandbox role trusts",
            "foreign",
            "iam:UpdateAssumeRolePolicy",
            "role/sandbox",
            attached=ADMIN,
        ),
    )


def _owners() -> tuple[Case, ...]:
    write, key = "ssm:PutParameter", "secret-key/repository"
    rows = (
        ("secrets-owner", "A secrets owner of the queue"),
        ("repository-owner", "A secrets owner of one repository"),
    )
    return (
        *(
            Case(f"{title} {says}", who, action, thing, context, NOTHING)
            for who, title in rows
            for says, action, thing, context in (
                ("can write the repository's secret", write, "secret/repository", {}),
                ("can encrypt the repository's secret", "kms:Encrypt", key, VIA_SSM),
                ("cannot encrypt without Parameter Store", "kms:Encrypt", key, NO_VIA),
                ("cannot read a secret", "ssm:GetParameter", "secret/repository", {}),
                ("cannot decrypt a secret", DECRYPT, key, VIA_SSM),
                ("cannot write another queue's secret", write, "secret/queue-2", {}),
                ("cannot encrypt for another queue", "kms:Encrypt", "secret-key/queue-2", VIA_SSM),
                ("cannot change the key's policy", "kms:PutKeyPolicy", key, {}),
                ("cannot change a parameter of Mayfly", write, "parameter/policy", {}),
                ("cannot read the agent token", "ssm:GetParameter", "parameter/token", {}),
            )
        ),
        Case(
            "A secrets owner of the queue can write a secret of the whole queue",
            "secrets-owner",
            write,
            "secret/global",
        ),
        Case(
            "A secrets owner of the queue can say which pipelines use a folder",
            "secrets-owner",
            write,
            "secret/list",
        ),
        Case(
            "A secrets owner of one repository cannot write a secret of the whole queue",
            "repository-owner",
            write,
            "secret/global",
        ),
        Case(
            "A secrets owner of one repository cannot encrypt a secret of the whole queue",
            "repository-owner",
            "kms:Encrypt",
            "secret-key/global",
            VIA_SSM,
        ),
        Case(
            "A secrets owner of one repository cannot say which pipelines use its folder",
            "repository-owner",
            write,
            "secret/list",
        ),
        *(
            Case(
                f"An administrator of the queue's key {says}",
                "administrator",
                action,
                key,
                VIA_SSM,
                ADMIN,
            )
            for says, action in (
                ("can change the key's policy", "kms:PutKeyPolicy"),
                ("can delete the key", "kms:ScheduleKeyDeletion"),
                ("cannot decrypt a secret", DECRYPT),
                ("cannot grant the key's use", "kms:CreateGrant"),
            )
        ),
    )


SECRETS = (*_job(), *_set_up(), *_strangers(), *_owners())


def _given() -> tuple[Case, ...]:
    here, there = f"arn:aws:iam::{ACCOUNT}:role", "arn:aws:iam::210987654321:role"
    trust = (
        {
            "Effect": "Allow",
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        },
    )
    return (
        *(
            Case(
                f"A job {word} {way} a role {which}",
                "job",
                action,
                arn,
                trust=trust,
            )
            for way, action in (("assume", "sts:AssumeRole"), ("tag", "sts:TagSession"))
            for word, which, arn in (
                ("can", "below its queue's path of roles", f"{here}/ci/linux/shop"),
                ("can", "below that path in another account", f"{there}/ci/linux/shop"),
                ("cannot", "below another queue's path of roles", f"{here}/ci/linux2/shop"),
                ("cannot", "whose path begins alike", f"{here}/ci/linux-other/shop"),
                ("cannot", "without that path", f"{here}/shop"),
                ("cannot", "whose name contains that path", f"{here}/x/ci/linux/shop"),
            )
        ),
        Case(
            "Set-up cannot assume a role below its queue's path of roles",
            "bootstrap",
            "sts:AssumeRole",
            f"{here}/ci/linux/shop",
            trust=trust,
        ),
        Case(
            "A job cannot assume the sandbox role of another queue",
            "job",
            "sts:AssumeRole",
            "role/queue-2",
        ),
    )


GIVEN = _given()

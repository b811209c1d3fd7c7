"""Cases: profiles and roles, the bootstrap script."""

from __future__ import annotations

from mayfly_cli.templates.resolution import ACCOUNT
from tests.security.case import ABSENT, Case
from tests.security.principals import profile_arn

REPLACE = "ec2:ReplaceIamInstanceProfileAssociation"
TO_SANDBOX = {"ec2:NewInstanceProfile": profile_arn("sandbox")}
TO_BOOTSTRAP = {"ec2:NewInstanceProfile": profile_arn("bootstrap")}
TO_EC2 = {"iam:PassedToService": "ec2.amazonaws.com"}
POWER, ADMIN, EC2_FULL = "PowerUserAccess", "AdministratorAccess", "AmazonEC2FullAccess"
SSM_FULL, S3_FULL = "AmazonSSMFullAccess", "AmazonS3FullAccess"
DEPLOY = f"arn:aws:iam::{ACCOUNT}:role/teams/deploy"
TRUSTS_THE_ACCOUNT = (
    {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    },
)
TRUSTS_EC2 = (
    {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}},
)

PROFILES = (
    Case(
        "The function sandbox can replace the bootstrap profile by the sandbox profile",
        "sandbox",
        REPLACE,
        "instance/bootstrap",
        TO_SANDBOX,
    ),
    Case(
        "The function sandbox cannot set the bootstrap profile again",
        "sandbox",
        REPLACE,
        "instance/ready",
        TO_BOOTSTRAP,
    ),
    Case(
        "The function sandbox cannot replace a sandbox profile by a sandbox profile",
        "sandbox",
        REPLACE,
        "instance/ready",
        TO_SANDBOX,
    ),
    *(
        Case(
            f"The function sandbox cannot set {which}",
            "sandbox",
            REPLACE,
            "instance/bootstrap",
            {"ec2:NewInstanceProfile": profile},
        )
        for which, profile in (
            ("the sandbox profile of another queue", profile_arn("sandbox", "linux2")),
            ("the sandbox profile of another stack", profile_arn("sandbox", "linux", "acme-2")),
            (
                "a profile outside Mayfly",
                f"arn:aws:iam::{ACCOUNT}:instance-profile/admin",
            ),
            (
                "a profile whose name contains the path",
                f"arn:aws:iam::{ACCOUNT}:instance-profile/x/mayfly/acme/sandbox/linux/P",
            ),
        )
    ),
    *(
        Case(
            f"The function sandbox cannot replace {which}",
            "sandbox",
            REPLACE,
            "instance/bootstrap",
            TO_SANDBOX | {"ec2:InstanceProfile": profile},
        )
        for which, profile in (
            ("the bootstrap profile of another queue", profile_arn("bootstrap", "linux2")),
            ("the bootstrap profile of another stack", profile_arn("bootstrap", "linux", "acme-2")),
            ("a profile outside Mayfly", f"arn:aws:iam::{ACCOUNT}:instance-profile/admin"),
            ("a profile that EC2 does not name", ABSENT),
        )
    ),
    *(
        Case(
            f"The function sandbox cannot replace the profile of an instance {which}",
            "sandbox",
            REPLACE,
            "instance/bootstrap",
            TO_SANDBOX | {f"aws:ResourceTag/mayfly-{key}": value},
        )
        for which, key, value in (
            ("without the stack's tag", "stack", ABSENT),
            ("without the queue's tag", "queue", ABSENT),
            ("with another stack's tag", "stack", "acme-2"),
            ("with the stack's tag in another case", "stack", "ACME"),
            ("with another queue's tag", "queue", "linux2"),
            ("with the queue's tag in another case", "queue", "Linux"),
            ("whose queue's tag is an asterisk", "queue", "*"),
            ("whose queue's tag has a slash", "queue", "linux/x"),
        )
    ),
    Case(
        "The function sandbox cannot remove a profile",
        "sandbox",
        "ec2:DisassociateIamInstanceProfile",
        "instance/bootstrap",
    ),
    Case(
        "The function sandbox cannot give a profile to an instance without one",
        "sandbox",
        "ec2:AssociateIamInstanceProfile",
        "instance/bootstrap",
        TO_SANDBOX | {"ec2:InstanceProfile": ABSENT},
    ),
    Case(
        "The function sandbox can pass the sandbox role to EC2",
        "sandbox",
        "iam:PassRole",
        "role/sandbox",
        TO_EC2,
    ),
    Case(
        "The function sandbox cannot pass the sandbox role to Lambda",
        "sandbox",
        "iam:PassRole",
        "role/sandbox",
        {"iam:PassedToService": "lambda.amazonaws.com"},
    ),
    Case(
        "The function sandbox cannot pass the sandbox role without a service",
        "sandbox",
        "iam:PassRole",
        "role/sandbox",
    ),
    Case(
        "The function sandbox cannot pass the bootstrap role",
        "sandbox",
        "iam:PassRole",
        "role/bootstrap",
        TO_EC2,
    ),
    Case(
        "The function sandbox cannot pass a role of another stack",
        "sandbox",
        "iam:PassRole",
        "role/stack-2",
        TO_EC2,
    ),
    *(
        Case(
            f"The function {who} cannot replace a profile",
            who,
            REPLACE,
            "instance/bootstrap",
            TO_SANDBOX,
        )
        for who in ("dispatch", "provision", "reap")
    ),
    *(
        Case(
            f"A job with AdministratorAccess cannot {way}",
            "job",
            action,
            thing,
            context,
            ADMIN,
        )
        for way, action, thing, context in (
            ("pass the bootstrap role", "iam:PassRole", "role/bootstrap", TO_EC2),
            ("pass a function's role to Lambda", "iam:PassRole", "role/dispatch", {}),
            ("attach a policy to its own role", "iam:AttachRolePolicy", "role/sandbox", {}),
            ("delete the Denies of its own role", "iam:DeleteRolePolicy", "role/sandbox", {}),
            (
                "change the trust of the bootstrap role",
                "iam:UpdateAssumeRolePolicy",
                "role/bootstrap",
                {},
            ),
            (
                "put the bootstrap role into a profile",
                "iam:AddRoleToInstanceProfile",
                "profile/sandbox",
                {},
            ),
            ("change the operators' policy", "iam:CreatePolicyVersion", "policy/operators", {}),
            ("assume the bootstrap role", "sts:AssumeRole", "role/bootstrap", {}),
            ("assume a function's role", "sts:AssumeRole", "role/dispatch", {}),
            ("change a role of another queue", "iam:PutRolePolicy", "role/queue-2", {}),
            ("change a role of another stack", "iam:PutRolePolicy", "role/stack-2", {}),
        )
    ),
    Case(
        "A foreign role with AdministratorAccess cannot assume the sandbox role",
        "foreign",
        "sts:AssumeRole",
        "role/sandbox",
        {},
        ADMIN,
    ),
    Case(
        "A job with PowerUserAccess can assume a role outside Mayfly that trusts its account",
        "job",
        "sts:AssumeRole",
        DEPLOY,
        {},
        POWER,
        trust=TRUSTS_THE_ACCOUNT,
    ),
    Case(
        "A job with PowerUserAccess cannot assume a role outside Mayfly that trusts EC2 alone",
        "job",
        "sts:AssumeRole",
        DEPLOY,
        {},
        POWER,
        trust=TRUSTS_EC2,
    ),
)

SCRIPT = (
    Case(
        "Set-up can read the bootstrap script",
        "bootstrap",
        "s3:GetObject",
        "script/object",
    ),
    Case("A job cannot read the bootstrap script", "job", "s3:GetObject", "script/object"),
    *(
        Case(
            f"{title} with {attached} cannot {way}",
            who,
            f"s3:{action}",
            thing,
            attached=attached,
        )
        for who, title in (("job", "A job"), ("bootstrap", "Set-up"))
        for attached in (S3_FULL, ADMIN)
        for way, action, thing in (
            ("replace the bootstrap script", "PutObject", "script/object"),
            ("delete the bootstrap script", "DeleteObject", "script/object"),
            ("delete a version of the bootstrap script", "DeleteObjectVersion", "script/object"),
            ("change the ACL of the bootstrap script", "PutObjectAcl", "script/object"),
        )
    ),
    *(
        Case(
            f"A job with AmazonS3FullAccess cannot {way} of the bootstrap script's bucket",
            "job",
            f"s3:{action}",
            "script/bucket",
            attached=S3_FULL,
        )
        for way, action in (
            ("change the policy", "PutBucketPolicy"),
            ("remove the policy", "DeleteBucketPolicy"),
            ("change the versioning", "PutBucketVersioning"),
            ("change the lifecycle rules", "PutLifecycleConfiguration"),
            ("change the replication", "PutReplicationConfiguration"),
        )
    ),
    Case(
        "A job with AmazonS3FullAccess cannot write another queue's script in that bucket",
        "job",
        "s3:PutObject",
        "arn:aws:s3:::acme-ci/other-queue/set-up.sh",
        {},
        S3_FULL,
    ),
    Case(
        "A job with AmazonS3FullAccess can write into another bucket",
        "job",
        "s3:PutObject",
        "arn:aws:s3:::acme-ci-caches/npm.tar",
        {},
        S3_FULL,
    ),
    Case(
        "Set-up cannot read other objects of that bucket",
        "bootstrap",
        "s3:GetObject",
        "arn:aws:s3:::acme-ci/secrets/key",
    ),
    *(
        Case(
            f"The function {who} cannot read the bootstrap script",
            who,
            "s3:GetObject",
            "script/object",
        )
        for who in ("dispatch", "provision", "sandbox", "reap")
    ),
)

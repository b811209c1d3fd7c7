"""Cases: instances on their way, their parts, profiles and roles, the bootstrap script."""

from __future__ import annotations

from mayfly_cli.templates.resolution import ACCOUNT, REGION
from tests.security.case import ABSENT, Case
from tests.security.principals import profile_arn

EC2 = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
FOREIGN = f"{EC2}:instance/i-0f"
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


def _denied_on_instances() -> tuple[Case, ...]:
    """Ways to act as an instance that is still bootstrap, or to change what it is."""
    ways = (
        ("replace the root volume", "ec2:CreateReplaceRootVolumeTask", EC2_FULL),
        ("change the user data", "ec2:ModifyInstanceAttribute", EC2_FULL),
        ("open the metadata service", "ec2:ModifyInstanceMetadataOptions", EC2_FULL),
        ("make an image", "ec2:CreateImage", EC2_FULL),
        ("make snapshots", "ec2:CreateSnapshots", EC2_FULL),
        ("attach a volume", "ec2:AttachVolume", EC2_FULL),
        ("detach a volume", "ec2:DetachVolume", EC2_FULL),
        ("attach a network interface", "ec2:AttachNetworkInterface", EC2_FULL),
        ("read the password", "ec2:GetPasswordData", EC2_FULL),
        ("read the console", "ec2:GetConsoleOutput", EC2_FULL),
        ("reboot it", "ec2:RebootInstances", EC2_FULL),
        ("stop it", "ec2:StopInstances", EC2_FULL),
        ("start it", "ec2:StartInstances", EC2_FULL),
        ("terminate it", "ec2:TerminateInstances", EC2_FULL),
        ("send an SSH key", "ec2-instance-connect:SendSSHPublicKey", POWER),
        (
            "send a key to the serial console",
            "ec2-instance-connect:SendSerialConsoleSSHPublicKey",
            POWER,
        ),
        ("run a command by SSM", "ssm:SendCommand", SSM_FULL),
        ("open a session by SSM", "ssm:StartSession", SSM_FULL),
        ("register an association of SSM", "ssm:CreateAssociation", SSM_FULL),
    )
    return tuple(
        Case(
            f"{title} with {attached} cannot {way} on an instance that is still bootstrap",
            who,
            action,
            "instance/bootstrap",
            attached=attached,
        )
        for who, title in (("job", "A job"), ("bootstrap", "Set-up"))
        for way, action, attached in ways
    )


INSTANCES = (
    *_denied_on_instances(),
    *(
        Case(
            f"A job with AdministratorAccess cannot {verb} the profile of {which}",
            "job",
            f"ec2:{action}IamInstanceProfile{rest}",
            thing,
            attached=ADMIN,
        )
        for verb, action, rest in (
            ("replace", "Replace", "Association"),
            ("remove", "Disassociate", ""),
            ("set", "Associate", ""),
        )
        for which, thing in (
            ("its own instance", "instance/own"),
            ("an instance of another queue", "instance/queue-2"),
            ("an instance of another stack", "instance/stack-2"),
        )
    ),
    Case(
        "Set-up with AdministratorAccess cannot replace the profile of its own instance",
        "bootstrap",
        REPLACE,
        "instance/own",
        TO_SANDBOX,
        ADMIN,
    ),
    Case(
        "A job with AdministratorAccess cannot replace the profile of an instance of others",
        "job",
        REPLACE,
        FOREIGN,
        {},
        ADMIN,
    ),
    Case(
        "A job with AmazonEC2FullAccess cannot take Mayfly's tag off its own instance",
        "job",
        "ec2:DeleteTags",
        "instance/own",
        {"aws:TagKeys": ["mayfly-stack"]},
        EC2_FULL,
    ),
    *(
        Case(
            f"A job with AmazonEC2FullAccess cannot give an instance of others the tag {key}",
            "job",
            "ec2:CreateTags",
            FOREIGN,
            {"aws:TagKeys": ["Name", key]},
            EC2_FULL,
        )
        for key in ("mayfly-stack", "Mayfly-Stack", "MAYFLY-QUEUE", "mayfly-launch")
    ),
    Case(
        "A job with AmazonEC2FullAccess can give an instance of others another tag",
        "job",
        "ec2:CreateTags",
        FOREIGN,
        {"aws:TagKeys": ["Name"]},
        EC2_FULL,
    ),
    Case(
        "A job with AmazonEC2FullAccess can terminate an instance of others",
        "job",
        "ec2:TerminateInstances",
        FOREIGN,
        {},
        EC2_FULL,
    ),
    Case(
        "A job with AmazonEC2FullAccess can list instances",
        "job",
        "ec2:DescribeInstances",
        "*",
        {},
        EC2_FULL,
    ),
    Case("A job cannot list instances", "job", "ec2:DescribeInstances", "*"),
    Case(
        "A foreign role with AmazonEC2FullAccess can replace the profile of an instance",
        "foreign",
        REPLACE,
        "instance/bootstrap",
        TO_SANDBOX,
        EC2_FULL,
    ),
)

PARTS = (
    *(
        Case(
            f"A job with AmazonEC2FullAccess cannot {way}",
            "job",
            f"ec2:{action}",
            f"part/{part}",
            attached=EC2_FULL,
        )
        for way, action, part in (
            ("make a snapshot of an instance's volume", "CreateSnapshot", "volume"),
            ("detach an instance's volume", "DetachVolume", "volume"),
            ("delete an instance's volume", "DeleteVolume", "volume"),
            ("move an instance's interface", "DetachNetworkInterface", "interface"),
            (
                "change the security groups of an instance's interface",
                "ModifyNetworkInterfaceAttribute",
                "interface",
            ),
            ("mirror an instance's traffic", "CreateTrafficMirrorSession", "interface"),
            (
                "open the queue's security group",
                "AuthorizeSecurityGroupIngress",
                "security-group",
            ),
            ("delete the queue's security group", "DeleteSecurityGroup", "security-group"),
            (
                "add a version to the launch template",
                "CreateLaunchTemplateVersion",
                "launch-template",
            ),
            ("change the launch template's default", "ModifyLaunchTemplate", "launch-template"),
            ("delete the launch template", "DeleteLaunchTemplate", "launch-template"),
            ("launch an instance from the launch template", "RunInstances", "launch-template"),
            ("end a launch's fleet", "DeleteFleets", "fleet"),
        )
    ),
    Case(
        "A job with AmazonEC2FullAccess can make a snapshot of a volume of others",
        "job",
        "ec2:CreateSnapshot",
        f"{EC2}:volume/vol-0f",
        {},
        EC2_FULL,
    ),
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
        "A job with AmazonS3FullAccess can write other objects of that bucket",
        "job",
        "s3:PutObject",
        "arn:aws:s3:::acme-ci/caches/npm.tar",
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

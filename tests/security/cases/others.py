"""Cases: other queues, other stacks, permissions boundaries."""

from __future__ import annotations

from tests.security.case import Case
from tests.security.things_of_data import parameter_arn

ADMIN, POWER, DYNAMODB = "AdministratorAccess", "PowerUserAccess", "AmazonDynamoDBFullAccess"
EC2_FULL, SSM_FULL = "AmazonEC2FullAccess", "AmazonSSMFullAccess"
HOSTS = (("job", "A job"), ("bootstrap", "Set-up"))

ROOM_FOR_NOTHING = ({"Effect": "Allow", "Action": "s3:*", "Resource": "*"},)

OTHERS = (
    *(
        Case(
            f"{title} with AdministratorAccess cannot {way} of queue linux",
            who,
            action,
            thing,
            {},
            ADMIN,
        )
        for who, title in (
            ("job-of-queue-2", "A job of the queue linux2"),
            ("job-of-stack-2", "A job of the stack acme-2"),
            ("bootstrap-of-queue-2", "Set-up of the queue linux2"),
            ("bootstrap-of-stack-2", "Set-up of the stack acme-2"),
        )
        for way, action, thing in (
            ("terminate an instance", "ec2:TerminateInstances", "instance/ready"),
            (
                "replace the root volume of an instance",
                "ec2:CreateReplaceRootVolumeTask",
                "instance/bootstrap",
            ),
            ("replace a profile", "ec2:ReplaceIamInstanceProfileAssociation", "instance/bootstrap"),
            ("change a role", "iam:PutRolePolicy", "role/sandbox"),
            ("change a parameter", "ssm:PutParameter", "parameter/script"),
            ("change the published facts", "ssm:PutParameter", "parameter/published"),
        )
    ),
    *(
        Case(
            f"Set-up of the queue linux2 cannot read the parameter {name} of the queue linux",
            "bootstrap-of-queue-2",
            "ssm:GetParameter",
            parameter_arn(f"/mayfly/acme/queues/linux/{name}"),
        )
        for name in ("bootstrap/script", "job/root", "agent/config")
    ),
    *(
        Case(f"{title} with {policy} {way}", who, f"ssm:{action}", parameter_arn(path), {}, policy)
        for who, title in HOSTS
        for policy in (SSM_FULL, POWER)
        for way, action, path in (
            (
                "cannot read another control plane's token",
                "GetParameter",
                "/buildkite/mayfly/token-of-acme-2",
            ),
            (
                "cannot replace another control plane's token",
                "PutParameter",
                "/buildkite/mayfly/token-of-acme-2",
            ),
            ("can read other parameters of builds", "GetParameters", "/buildkite/shop/npm"),
        )
    ),
    Case(
        "Set-up of the stack acme-2 cannot fetch the bundle's layer of the stack acme",
        "bootstrap-of-stack-2",
        "lambda:GetLayerVersion",
        "layer/instance-version",
    ),
    *(
        Case(f"{who} {way}", name, action, thing, context, POWER)
        for name, who in (
            ("job-of-stack-2", "A job of the stack acme-2 with PowerUserAccess"),
            ("bootstrap-of-stack-2", "Set-up of the stack acme-2 with PowerUserAccess"),
        )
        for way, action, thing, context in (
            (
                "cannot update the stack acme that carries Mayfly's tag",
                "cloudformation:UpdateStack",
                "stack/control",
                {"aws:ResourceTag/mayfly-stack": "acme"},
            ),
            (
                "can update the stack acme that does not carry Mayfly's tag",
                "cloudformation:UpdateStack",
                "stack/control",
                {},
            ),
            (
                "can delete a version of a layer of the stack acme",
                "lambda:DeleteLayerVersion",
                "layer/instance-version",
                {},
            ),
            (
                "cannot change the code of a function of the stack acme",
                "lambda:UpdateFunctionCode",
                "function/dispatch",
                {},
            ),
        )
    ),
    *(
        Case(
            f"A job of queue linux2 with {POWER} {word} replace linux's script in a bucket {which}",
            "job-of-queue-2",
            "s3:PutObject",
            "script/object",
            context,
            POWER,
        )
        for word, which, context in (
            ("can", "without Mayfly's tag", {}),
            ("cannot", "with Mayfly's tag", {"aws:ResourceTag/mayfly-stack": "acme"}),
        )
    ),
    Case(
        "A job with AdministratorAccess cannot use S3 under a permissions boundary without it",
        "job",
        "s3:PutObject",
        "arn:aws:s3:::others/object",
        {},
        ADMIN,
        ({"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"},),
    ),
    Case(
        "A job cannot write its report under a permissions boundary without DynamoDB",
        "job",
        "dynamodb:UpdateItem",
        "row/own/report",
        {},
        boundary=ROOM_FOR_NOTHING,
    ),
)

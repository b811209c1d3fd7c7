"""Requests of the functions, and whether their roles allow them."""

from __future__ import annotations

from typing import Any

from mayfly_cli.templates.resolution import ACCOUNT, REGION

FLEET = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/acme-fleet"
MAILBOX = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/acme-mailbox"
EC2 = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
IAM = f"arn:aws:iam::{ACCOUNT}"
SQS = f"arn:aws:sqs:{REGION}:{ACCOUNT}"
SSM = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter"
INSTANCE = f"{EC2}:instance/i-1"
LAST_WORDS = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/mayfly/acme/last-words:log-stream:i-1"
TEMPLATE = f"{EC2}:launch-template/lt-1"
BOOTSTRAP = f"{IAM}:instance-profile/mayfly/acme/bootstrap"
SANDBOX = f"{IAM}:instance-profile/mayfly/acme/sandbox"
LAUNCH = {
    "aws:RequestTag/mayfly-stack": "acme",
    "aws:RequestTag/mayfly-queue": "linux",
    "aws:RequestTag/mayfly-launch": "l1",
    "ec2:InstanceProfile": f"{BOOTSTRAP}/linux/P",
    "ec2:InstanceType": "m7g.large",
    "ec2:LaunchTemplate": TEMPLATE,
    "ec2:MetadataHttpTokens": "required",
}
MAYFLYS_TAGS = [key for key in LAUNCH if key.startswith("aws:RequestTag/")]
SWAP = {
    "aws:ResourceTag/mayfly-stack": "acme",
    "aws:ResourceTag/mayfly-queue": "linux",
    "ec2:InstanceProfile": f"{BOOTSTRAP}/linux/P",
    "ec2:NewInstanceProfile": f"{SANDBOX}/linux/P",
}
OURS = {"aws:ResourceTag/mayfly-stack": "acme"}
TO_EC2 = {"iam:PassedToService": "ec2.amazonaws.com"}
NOTICE = {
    "dynamodb:LeadingKeys": ["notice/AROA1:i-1"],
    "dynamodb:Attributes": ["key", "notice", "expires"],
}
ASSIGNMENT = {
    "dynamodb:EnclosingOperation": "TransactWriteItems",
    "dynamodb:LeadingKeys": ["AROA1:i-1"],
    "dynamodb:Attributes": ["key", "assignment", "expires"],
}
RETURNED = {"dynamodb:ReturnValues": "ALL_NEW"}
REPORT = {"dynamodb:Attributes": ["key", "report"], "dynamodb:Select": "SPECIFIC_ATTRIBUTES"}


def without(context: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in context.items() if key not in keys}


ENCLOSING, PARAMETER = "dynamodb:EnclosingOperation", "kms:EncryptionContext:PARAMETER_ARN"
TRANSACTION = {ENCLOSING: "TransactWriteItems"}
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
FROM_TEMPLATE = {"ec2:LaunchTemplate": TEMPLATE, "ec2:IsLaunchTemplateResource": "true"}
OVERRIDDEN = FROM_TEMPLATE | {"ec2:IsLaunchTemplateResource": "false"}
IMAGE, GROUP = f"arn:aws:ec2:{REGION}::image/ami-1", f"{EC2}:security-group/sg-1"
HOPS = "ec2:MetadataHttpPutResponseHopLimit"
AT_LAUNCH = {"ec2:CreateAction": "RunInstances", "aws:RequestTag/mayfly-stack": "acme"}
RUN, SWAP_ACTION = "ec2:RunInstances", "ec2:ReplaceIamInstanceProfileAssociation"
CASES = [
    # dispatch: the token and the assignments, and nothing of EC2
    ("dispatch", True, "ssm:GetParameter", f"{SSM}/buildkite/mayfly/agent-token", {}),
    ("dispatch", False, "ssm:GetParameter", f"{SSM}/buildkite/other", {}),
    ("dispatch", True, "ssm:GetParameters", f"{SSM}/buildkite/pipelines/deploy/repository", {}),
    ("dispatch", False, "ssm:GetParameters", f"{SSM}/buildkite/pipelines/deploy/key", {}),
    *(
        ("dispatch", allowed, action, f"{SSM}/vendors/buildkite/linux/web/{name}", {})
        for allowed, action, name in (
            (True, "ssm:GetParameters", "allowed_pipelines"),
            (True, "ssm:GetParameters", "allowed_teams"),
            (False, "ssm:GetParameters", "env/TOKEN"),
            (False, "ssm:GetParameters", "ssh/key"),
            (False, "ssm:GetParameters", "allowed_pipelines/old"),
            (False, "ssm:GetParameter", "allowed_pipelines"),
            (False, "ssm:GetParametersByPath", "allowed_pipelines"),
            (False, "ssm:PutParameter", "allowed_teams"),
        )
    ),
    ("dispatch", True, "dynamodb:UpdateItem", MAILBOX, ASSIGNMENT),
    ("dispatch", False, "dynamodb:UpdateItem", MAILBOX, ASSIGNMENT | RETURNED),
    # AWS states nowhere that a transaction's update has dynamodb:Attributes.
    ("dispatch", True, "dynamodb:UpdateItem", MAILBOX, TRANSACTION),
    ("dispatch", False, "dynamodb:UpdateItem", MAILBOX, TRANSACTION | RETURNED),
    # Never outside a transaction, and never the proof.
    ("dispatch", False, "dynamodb:UpdateItem", MAILBOX, {}),
    ("dispatch", False, "dynamodb:UpdateItem", MAILBOX, without(ASSIGNMENT, ENCLOSING)),
    ("dispatch", False, "dynamodb:UpdateItem", MAILBOX, ASSIGNMENT | {ENCLOSING: "other"}),
    *(
        (
            *("dispatch", False, "dynamodb:UpdateItem", MAILBOX),
            ASSIGNMENT | {"dynamodb:Attributes": ["key", "assignment", "expires", name]},
        )
        for name in ("report", "notice", "Assignment")
    ),
    ("dispatch", False, "dynamodb:PutItem", MAILBOX, ASSIGNMENT),
    # A repository's parameter is no secret, whatever its name.
    ("dispatch", False, "kms:Decrypt", KEY, {PARAMETER: f"{SSM}/buildkite/secret/repository"}),
    ("dispatch", False, "dynamodb:GetItem", MAILBOX, REPORT),
    ("dispatch", True, "dynamodb:Query", f"{FLEET}/index/open", {}),
    ("dispatch", False, "dynamodb:Scan", FLEET, {}),
    ("dispatch", False, "ec2:DescribeInstances", "*", {}),
    ("dispatch", True, "sqs:SendMessage", f"{SQS}:NudgeQueue", {}),
    ("dispatch", True, "sqs:SendMessage", f"{SQS}:ReapQueue", {}),
    ("dispatch", False, "sqs:SendMessage", f"{SQS}:DeadLetters", {}),
    ("dispatch", False, "sqs:ReceiveMessage", f"{SQS}:ReapQueue", {}),
    ("dispatch", False, "ec2:TerminateInstances", INSTANCE, OURS),
    # provision: launches from our templates, with our tags, as bootstrap
    ("provision", True, RUN, INSTANCE, LAUNCH),
    ("provision", False, RUN, INSTANCE, without(LAUNCH, "aws:RequestTag/mayfly-stack")),
    ("provision", False, RUN, INSTANCE, without(LAUNCH, "aws:RequestTag/mayfly-queue")),
    ("provision", False, RUN, INSTANCE, without(LAUNCH, "aws:RequestTag/mayfly-launch")),
    ("provision", False, RUN, INSTANCE, without(LAUNCH, "ec2:LaunchTemplate")),
    ("provision", False, RUN, INSTANCE, without(LAUNCH, "ec2:InstanceProfile")),
    ("provision", False, RUN, INSTANCE, LAUNCH | {"aws:RequestTag/mayfly-stack": "other"}),
    ("provision", False, RUN, INSTANCE, LAUNCH | {"aws:RequestTag/mayfly-queue": "other"}),
    ("provision", False, RUN, INSTANCE, LAUNCH | {"aws:RequestTag/mayfly-queue": "*"}),
    ("provision", False, RUN, INSTANCE, LAUNCH | {"ec2:InstanceProfile": f"{SANDBOX}/linux/P"}),
    ("provision", False, RUN, INSTANCE, LAUNCH | {"ec2:MetadataHttpTokens": "optional"}),
    ("provision", True, RUN, INSTANCE, LAUNCH | {HOPS: "1"}),
    ("provision", False, RUN, INSTANCE, LAUNCH | {HOPS: "2"}),
    ("provision", False, RUN, INSTANCE, LAUNCH | {"ec2:InstanceType": "u7i-12tb.224xlarge"}),
    ("provision", True, RUN, f"{EC2}:subnet/subnet-1", {"ec2:LaunchTemplate": TEMPLATE}),
    ("provision", False, RUN, f"{EC2}:subnet/subnet-1", {}),
    # The fleet chooses subnets; image and security groups are the template's.
    ("provision", True, RUN, f"{EC2}:subnet/subnet-1", OVERRIDDEN),
    ("provision", True, RUN, f"{EC2}:network-interface/*", OVERRIDDEN),
    ("provision", True, RUN, f"{EC2}:volume/*", FROM_TEMPLATE),
    *(
        ("provision", allowed, RUN, resource, context)
        for resource in (IMAGE, GROUP, f"{EC2}:snapshot/snap-1")
        for allowed, context in (
            (True, FROM_TEMPLATE),
            (False, OVERRIDDEN),
            (False, {"ec2:LaunchTemplate": TEMPLATE}),
            (False, {"ec2:IsLaunchTemplateResource": "true"}),
            (False, {}),
        )
    ),
    ("provision", False, RUN, f"{EC2}:key-pair/mine", FROM_TEMPLATE),
    # This resource type has no condition key for the launch template.
    ("provision", True, RUN, f"{EC2}:spot-instances-request/sir-1", {}),
    ("provision", True, RUN, TEMPLATE, OURS),
    ("provision", False, RUN, TEMPLATE, {}),
    ("provision", True, "ssm:GetParametersByPath", f"{SSM}/mayfly/acme/queues", {}),
    ("provision", True, "ssm:GetParametersByPath", f"{SSM}/mayfly-infra/acme", {}),
    ("provision", False, "ssm:GetParametersByPath", f"{SSM}/mayfly/acme-2/queues", {}),
    ("provision", False, "ssm:GetParametersByPath", f"{SSM}/buildkite", {}),
    ("provision", True, "ssm:GetParameterHistory", f"{SSM}/mayfly/acme/queues/q/paused", {}),
    ("provision", False, "ssm:GetParameterHistory", f"{SSM}/mayfly-infra/acme/bundle", {}),
    ("provision", False, "ssm:GetParameterHistory", f"{SSM}/buildkite/mayfly/agent-token", {}),
    ("provision", True, "dynamodb:Query", f"{FLEET}/index/closed", {}),
    ("dispatch", False, "dynamodb:Query", f"{FLEET}/index/closed", {}),
    ("reap", False, "dynamodb:Query", f"{FLEET}/index/closed", {}),
    ("provision", True, "ec2:CreateFleet", f"{EC2}:fleet/f", LAUNCH),
    ("provision", False, "ec2:CreateFleet", f"{EC2}:fleet/f", {}),
    *(
        ("provision", False, "ec2:CreateFleet", f"{EC2}:fleet/f", without(LAUNCH, tag))
        for tag in MAYFLYS_TAGS
    ),
    ("provision", True, "ec2:CreateFleet", TEMPLATE, OURS),
    ("provision", False, "ec2:CreateFleet", TEMPLATE, {"aws:ResourceTag/mayfly-stack": "other"}),
    ("provision", True, "ec2:CreateTags", INSTANCE, {"ec2:CreateAction": "RunInstances"}),
    ("provision", True, "ec2:CreateTags", INSTANCE, {"ec2:CreateAction": "CreateFleet"}),
    ("provision", True, "ec2:CreateTags", INSTANCE, AT_LAUNCH),
    (
        *("provision", False, "ec2:CreateTags", INSTANCE),
        AT_LAUNCH | {"aws:RequestTag/mayfly-stack": "other"},
    ),
    ("provision", False, "ec2:CreateTags", INSTANCE, {}),
    ("provision", True, "iam:PassRole", f"{IAM}:role/mayfly/acme/bootstrap/linux/R", TO_EC2),
    ("provision", False, "iam:PassRole", f"{IAM}:role/mayfly/acme/sandbox/linux/R", TO_EC2),
    ("provision", False, "iam:PassRole", f"{IAM}:role/admin", TO_EC2),
    ("provision", False, "iam:PassRole", f"{IAM}:role/mayfly/acme/bootstrap/linux/R", {}),
    ("provision", True, "iam:GetRole", f"{IAM}:role/mayfly/acme/sandbox/linux/R", {}),
    ("provision", True, "iam:GetRolePolicy", f"{IAM}:role/mayfly/acme/bootstrap/linux/R", {}),
    ("provision", False, "iam:GetRole", f"{IAM}:role/mayfly/acme/functions/R", {}),
    ("provision", False, "iam:GetRolePolicy", f"{IAM}:role/mayfly/other/sandbox/linux/R", {}),
    ("provision", False, "iam:GetRolePolicy", f"{IAM}:role/admin", {}),
    ("provision", True, "iam:GetPolicyVersion", "arn:aws:iam::aws:policy/PowerUserAccess", {}),
    ("provision", True, "iam:GetPolicy", f"{IAM}:policy/teams/read-packages", {}),
    ("provision", False, "iam:GetPolicy", "arn:aws:iam::210987654321:policy/x", {}),
    ("provision", False, "iam:PutRolePolicy", f"{IAM}:role/mayfly/acme/sandbox/linux/R", {}),
    ("provision", False, "iam:CreatePolicyVersion", f"{IAM}:policy/teams/read-packages", {}),
    ("provision", False, "ssm:GetParameter", f"{SSM}/buildkite/mayfly/agent-token", {}),
    # sandbox: one way only, within one queue
    ("sandbox", True, SWAP_ACTION, INSTANCE, SWAP),
    ("sandbox", False, SWAP_ACTION, INSTANCE, SWAP | {"aws:ResourceTag/mayfly-stack": "other"}),
    ("sandbox", False, SWAP_ACTION, INSTANCE, SWAP | {"aws:ResourceTag/mayfly-queue": "other"}),
    ("sandbox", False, SWAP_ACTION, INSTANCE, SWAP | {"aws:ResourceTag/mayfly-queue": "*"}),
    ("sandbox", False, SWAP_ACTION, INSTANCE, without(SWAP, "aws:ResourceTag/mayfly-queue")),
    ("sandbox", False, SWAP_ACTION, INSTANCE, without(SWAP, "ec2:InstanceProfile")),
    ("sandbox", False, SWAP_ACTION, INSTANCE, without(SWAP, "ec2:NewInstanceProfile")),
    *(
        ("sandbox", False, SWAP_ACTION, INSTANCE, SWAP | {"ec2:NewInstanceProfile": profile})
        for profile in (
            f"{BOOTSTRAP}/linux/P",
            f"{SANDBOX}/other/P",
            f"{IAM}:instance-profile/mayfly/other/sandbox/linux/P",
            f"{IAM}:instance-profile/admin",
        )
    ),
    *(
        ("sandbox", False, SWAP_ACTION, INSTANCE, SWAP | {"ec2:InstanceProfile": profile})
        for profile in (f"{SANDBOX}/linux/P", f"{BOOTSTRAP}/other/P")
    ),
    ("sandbox", False, "ec2:AssociateIamInstanceProfile", INSTANCE, SWAP),
    ("sandbox", False, "ec2:DisassociateIamInstanceProfile", INSTANCE, SWAP),
    ("sandbox", True, "iam:PassRole", f"{IAM}:role/mayfly/acme/sandbox/linux/R", TO_EC2),
    ("sandbox", False, "iam:PassRole", f"{IAM}:role/mayfly/acme/bootstrap/linux/R", TO_EC2),
    ("sandbox", True, "dynamodb:BatchGetItem", MAILBOX, REPORT),
    ("sandbox", False, "dynamodb:BatchGetItem", MAILBOX, {}),
    ("sandbox", False, "dynamodb:BatchGetItem", MAILBOX, ASSIGNMENT),
    ("sandbox", True, "dynamodb:UpdateItem", FLEET, {}),
    ("sandbox", False, "dynamodb:UpdateItem", MAILBOX, NOTICE),
    # reap: ends what is ours, writes notices and no assignment
    ("reap", True, "ec2:TerminateInstances", INSTANCE, OURS),
    ("reap", False, "ec2:TerminateInstances", INSTANCE, {}),
    ("reap", False, "ec2:TerminateInstances", INSTANCE, {"aws:ResourceTag/mayfly-stack": "other"}),
    ("reap", True, "ec2:GetConsoleOutput", INSTANCE, OURS),
    ("reap", False, "ec2:GetConsoleOutput", INSTANCE, {}),
    ("reap", True, "dynamodb:UpdateItem", MAILBOX, NOTICE),
    ("reap", False, "dynamodb:UpdateItem", MAILBOX, NOTICE | RETURNED),
    ("reap", False, "dynamodb:UpdateItem", MAILBOX, ASSIGNMENT),
    ("reap", False, "dynamodb:UpdateItem", MAILBOX, {}),
    # A row of an instance may hold a token, which a failing condition could return.
    *(
        ("reap", False, "dynamodb:UpdateItem", MAILBOX, NOTICE | {"dynamodb:LeadingKeys": keys})
        for keys in (["AROA1:i-1"], ["notice/AROA1:i-1", "AROA1:i-1"], ["Notice/AROA1:i-1"], [])
    ),
    ("reap", False, "dynamodb:UpdateItem", MAILBOX, without(NOTICE, "dynamodb:LeadingKeys")),
    ("reap", False, "dynamodb:UpdateItem", MAILBOX, without(NOTICE, "dynamodb:Attributes")),
    ("reap", False, "dynamodb:DeleteItem", MAILBOX, {"dynamodb:Attributes": ["key"]}),
    ("reap", True, "dynamodb:BatchGetItem", FLEET, {}),
    ("reap", False, "dynamodb:BatchWriteItem", FLEET, {}),
    *(
        ("reap", allowed, f"sqs:{action}", f"{SQS}:{queue}", {})
        for action in ("DeleteMessage", "GetQueueAttributes", "ReceiveMessage")
        for queue, allowed in (("ReapQueue", True), ("NudgeQueue", False))
    ),
    ("reap", False, "sqs:SendMessage", f"{SQS}:ReapQueue", {}),
    ("reap", False, "sqs:PurgeQueue", f"{SQS}:ReapQueue", {}),
    ("reap", True, "dynamodb:BatchGetItem", MAILBOX, REPORT),
    ("reap", False, "dynamodb:BatchGetItem", MAILBOX, ASSIGNMENT),
    ("reap", True, "dynamodb:BatchWriteItem", MAILBOX, {"dynamodb:Attributes": ["key"]}),
    ("reap", False, "dynamodb:BatchWriteItem", MAILBOX, ASSIGNMENT),
    ("reap", False, "dynamodb:BatchWriteItem", MAILBOX, {}),
    ("reap", True, "logs:PutLogEvents", LAST_WORDS, {}),
    ("sandbox", False, "logs:PutLogEvents", LAST_WORDS, {}),
]

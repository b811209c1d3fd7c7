"""Attacks on records, roles, the cluster's token, configuration, and the control plane."""

from __future__ import annotations

from mayfly_cli.templates.resolution import ACCOUNT, REGION
from tests.template.attacks import (
    CLOUDFORMATION,
    DYNAMODB,
    ELSEWHERE,
    FOREIGN,
    KEY,
    TOKEN,
    TOKEN_KEY,
    UNTAGGED,
    Row,
)
from tests.template.test_host_rights import IAM, LAMBDA, NOTICE, SSM, TAGGED, UPDATE

OTHER_TOKEN = f"arn:aws:ssm:us-east-2:{ACCOUNT}:parameter/buildkite/mayfly/token-of-acme-2"

RECORDS: list[Row] = [
    (
        f"touch {what}, {how}",
        (
            "dynamodb:DeleteTable dynamodb:GetItem dynamodb:PutItem dynamodb:PutResourcePolicy"
            " dynamodb:Query dynamodb:RestoreTableToPointInTime dynamodb:Scan dynamodb:UpdateItem"
            " dynamodb:ExportTableToPointInTime dynamodb:PartiQLSelect dynamodb:UpdateTable"
        ),
        resource,
        keys,
    )
    for how, keys in (
        ("with its own row's key", UPDATE),
        ("with a record's key", UPDATE | {"dynamodb:LeadingKeys": ["claim/1"]}),
        ("as a whole", UNTAGGED),
    )
    for what, resource in (
        ("the records", f"{DYNAMODB}/acme-fleet"),
        ("the records' index", f"{DYNAMODB}/acme-fleet/index/open"),
        ("a backup of the records", f"{DYNAMODB}/acme-fleet/backup/1"),
        ("records of another stack", f"{DYNAMODB}/other-fleet"),
        ("a replica of the records", f"{ELSEWHERE}/acme-fleet"),
        ("another stack's mailbox", f"{DYNAMODB}/other-mailbox"),
        ("a replica of the mailbox", f"{ELSEWHERE}/acme-mailbox"),
        ("the mailbox's stream", f"{DYNAMODB}/acme-mailbox/stream/2026"),
    )
] + [
    (
        "read a notice in another stack's mailbox",
        "dynamodb:GetItem",
        f"{DYNAMODB}/other-mailbox",
        NOTICE,
    ),
    (
        "read a row of another stack's mailbox",
        "dynamodb:GetItem",
        f"{DYNAMODB}/other-mailbox",
        {"dynamodb:LeadingKeys": ["AROA2:i-0c"]},
    ),
    (
        "copy, restore or open the mailbox",
        (
            "dynamodb:CreateBackup dynamodb:DeleteTable dynamodb:EnableKinesisStreamingDestination"
            " dynamodb:PutResourcePolicy dynamodb:UpdateTable dynamodb:CreateGlobalTable"
        ),
        f"{DYNAMODB}/acme-mailbox",
        UNTAGGED,
    ),
]

IDENTITY: list[Row] = [
    (
        "become, pass or change a role of Mayfly",
        (
            "iam:AttachRolePolicy iam:DeleteRolePolicy iam:GetRolePolicy iam:PassRole"
            " iam:PutRolePolicy sts:AssumeRole sts:AssumeRoleWithSAML"
            " sts:AssumeRoleWithWebIdentity sts:TagSession"
            " ec2:AssociateEnclaveCertificateIamRole ssm:UpdateManagedInstanceRole"
        ),
        f"{IAM}:role/mayfly/acme/bootstrap/linux/R",
        UNTAGGED,
    ),
    (
        "become a function of another stack",
        "sts:AssumeRole iam:PassRole",
        f"{IAM}:role/mayfly/other/functions/R",
        UNTAGGED,
    ),
    (
        "put another role into a profile",
        "iam:AddRoleToInstanceProfile iam:RemoveRoleFromInstanceProfile",
        f"{IAM}:instance-profile/mayfly/acme/sandbox/linux/P",
        UNTAGGED,
    ),
    (
        "change a policy of people",
        "iam:CreatePolicyVersion iam:SetDefaultPolicyVersion",
        f"{IAM}:policy/mayfly/acme/people/P",
        UNTAGGED,
    ),
    (
        "make a role without these Denies",
        "iam:CreateRole iam:AttachRolePolicy iam:PutRolePolicy iam:UpdateAssumeRolePolicy",
        f"{IAM}:role/mine",
        UNTAGGED,
    ),
    ("make a user", "iam:CreateUser iam:CreateAccessKey", f"{IAM}:user/mine", UNTAGGED),
    ("become root of an account", "sts:AssumeRoot", "arn:aws:iam::210987654321:root", UNTAGGED),
]

SECRETS: list[Row] = [
    (
        "read or change the token",
        (
            "ssm:GetParameter ssm:GetParameterHistory ssm:GetParameters ssm:PutParameter"
            " ssm:LabelParameterVersion ssm:PutResourcePolicy"
        ),
        TOKEN,
        UNTAGGED,
    ),
    (
        "read or change the token of another control plane, at its usual place, in any region",
        "ssm:GetParameter ssm:GetParameters ssm:GetParameterHistory ssm:PutParameter",
        OTHER_TOKEN,
        UNTAGGED,
    ),
    (
        "decrypt the token's text of another control plane",
        "kms:Decrypt kms:ReEncryptFrom",
        KEY,
        {"kms:EncryptionContext:PARAMETER_ARN": OTHER_TOKEN},
    ),
    (
        "decrypt the token's text, or encrypt it again under an own key",
        "kms:Decrypt kms:ReEncryptFrom",
        KEY,
        {"kms:EncryptionContext:PARAMETER_ARN": TOKEN},
    ),
    (
        "use or change the token's own key",
        "kms:CreateGrant kms:Decrypt kms:PutKeyPolicy kms:ReplicateKey kms:ScheduleKeyDeletion",
        TOKEN_KEY,
        UNTAGGED,
    ),
    ("use the key of root volumes", "kms:CreateGrant kms:Decrypt", KEY, TAGGED),
]

OWN_SECRETS_PATH = f"{SSM}/vendors/buildkite/linux"
OWN_SECRET = f"{OWN_SECRETS_PATH}/app/env/token"
OWN_SECRETS: list[Row] = [
    # Of a queue with SecretsPath. Set-up reads none of them, a job's credentials change none.
    (
        "change the queue's secrets, or read older ones",
        (
            "ssm:AddTagsToResource ssm:DeleteParameter ssm:DeleteParameters ssm:GetParameterHistory"
            " ssm:LabelParameterVersion ssm:PutParameter ssm:PutResourcePolicy"
        ),
        OWN_SECRET,
        UNTAGGED,
    ),
]
SECRETS_OF_JOBS: list[Row] = [
    (
        "read the queue's secrets",
        "ssm:GetParameter ssm:GetParameters ssm:GetParametersByPath",
        OWN_SECRET,
        UNTAGGED,
    ),
    ("list the queue's secrets", "ssm:GetParametersByPath", OWN_SECRETS_PATH, UNTAGGED),
    ("list the queue's secrets by a slash", "ssm:GetParametersByPath", f"{OWN_SECRETS_PATH}/", {}),
    (
        "decrypt the queue's secrets, or encrypt them again under an own key",
        "kms:Decrypt kms:ReEncryptFrom",
        KEY,
        {"kms:EncryptionContext:PARAMETER_ARN": OWN_SECRET},
    ),
]

CONFIGURATION: list[Row] = [
    (
        f"change or list {what}",
        (
            "ssm:AddTagsToResource ssm:DeleteParameter ssm:DeleteParameters ssm:GetParameterHistory"
            " ssm:GetParameters ssm:GetParametersByPath ssm:LabelParameterVersion ssm:PutParameter"
            " ssm:PutResourcePolicy"
        ),
        f"{SSM}{name}",
        UNTAGGED,
    )
    for what, name in (
        ("the rules of the queue", "/mayfly/acme/queues/linux/policy/rules/all"),
        ("the script of another queue", "/mayfly/acme/queues/other/bootstrap/script"),
        ("the configuration of another stack", "/mayfly/other/queues/linux/imds"),
        ("what the queue's stack publishes", "/mayfly-infra/acme/queues/linux"),
        ("the bundle", "/mayfly-infra/acme/bundle"),
        ("the name of the token's parameter", "/mayfly-infra/acme/token-parameter"),
        ("all configuration", "/mayfly"),
        ("all published parameters", "/mayfly-infra"),
    )
] + [("read all parameters at once", "ssm:GetParametersByPath", f"{SSM}/", UNTAGGED)]

CONTROL_PLANE: list[Row] = [
    (
        "run or change a function",
        (
            "lambda:AddPermission lambda:GetFunction lambda:InvokeFunction"
            " lambda:UpdateFunctionCode lambda:PutFunctionConcurrency"
            " lambda:UpdateFunctionConfiguration"
        ),
        f"{LAMBDA}:function:acme-dispatch",
        UNTAGGED,
    ),
    (
        "change a function of another stack",
        "lambda:UpdateFunctionCode",
        f"{LAMBDA}:function:other-reap:1",
        FOREIGN,
    ),
    (
        "change a layer",
        "lambda:AddLayerVersionPermission lambda:DeleteLayerVersion lambda:PublishLayerVersion",
        f"{LAMBDA}:layer:acme-instance:7",
        UNTAGGED,
    ),
    (
        "wake a function by an event source, or let it sleep",
        (
            "lambda:CreateEventSourceMapping lambda:DeleteEventSourceMapping"
            " lambda:UpdateEventSourceMapping"
        ),
        f"{LAMBDA}:event-source-mapping:1",
        {"lambda:FunctionArn": f"{LAMBDA}:function:acme-provision"},
    ),
    (
        "let the function of another stack sleep",
        "lambda:DeleteEventSourceMapping lambda:UpdateEventSourceMapping",
        f"{LAMBDA}:event-source-mapping:2",
        {"lambda:FunctionArn": f"{LAMBDA}:function:other-reap"},
    ),
    (
        "change a stack whose service role may more",
        (
            "cloudformation:CreateChangeSet cloudformation:DeleteStack"
            " cloudformation:ExecuteChangeSet cloudformation:SetStackPolicy"
            " cloudformation:UpdateStack"
        ),
        f"{CLOUDFORMATION}/acme/1",
        UNTAGGED,
    ),
    (
        "change the nested stack of the first queue",
        "cloudformation:UpdateStack",
        f"{CLOUDFORMATION}/acme-FirstQueue-1X/1",
        UNTAGGED,
    ),
    (
        "change the queue's own stack",
        "cloudformation:UpdateStack",
        f"{CLOUDFORMATION}/acme-linux/00000000-0000-4000-8000-000000000000",
        UNTAGGED,
    ),
    (
        "change a tagged stack of another queue",
        "cloudformation:UpdateStack",
        f"{CLOUDFORMATION}/team-b-runners/1",
        TAGGED,
    ),
    (
        "exchange a template that the next deployment runs",
        "s3:DeleteObject s3:PutObject",
        "arn:aws:s3:::aws-sam-cli-managed-default-samclisourcebucket-1x/acme/0a.template",
        UNTAGGED,
    ),
    (
        "stop the schedule",
        "events:DeleteRule events:DisableRule events:PutRule events:PutTargets",
        f"arn:aws:events:{REGION}:{ACCOUNT}:rule/acme-dispatch",
        UNTAGGED,
    ),
    (
        "fill or empty a queue of nudges",
        (
            "sqs:DeleteMessage sqs:PurgeQueue sqs:ReceiveMessage sqs:SendMessage"
            " sqs:SetQueueAttributes"
        ),
        f"arn:aws:sqs:{REGION}:{ACCOUNT}:acme-NudgeQueue-1X",
        UNTAGGED,
    ),
    (
        "mislead people",
        "sns:Publish sns:SetTopicAttributes",
        f"arn:aws:sns:{REGION}:{ACCOUNT}:acme-AlarmTopic-1X",
        UNTAGGED,
    ),
    (
        "keep alarms from people",
        "sns:SetSubscriptionAttributes sns:Unsubscribe",
        "*",
        UNTAGGED,
    ),
    ("read all logs", "logs:PutAccountPolicy", "*", UNTAGGED),
    (
        "silence an alarm of the control plane",
        (
            "cloudwatch:DeleteAlarms cloudwatch:DisableAlarmActions cloudwatch:PutMetricAlarm"
            " cloudwatch:SetAlarmState"
        ),
        f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:acme-DispatchErrors-1X",
        UNTAGGED,
    ),
    (
        "silence an alarm of another queue",
        "cloudwatch:DeleteAlarms",
        f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:acme-queue/runners/JobsWaitTooLong",
        TAGGED,
    ),
    (
        "send metrics in Mayfly's name",
        "cloudwatch:PutMetricData",
        "*",
        {"cloudwatch:namespace": "Mayfly"},
    ),
    (
        "read or write a function's log",
        "logs:DeleteLogGroup logs:GetLogEvents logs:PutLogEvents logs:PutSubscriptionFilter",
        f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/acme-dispatch:log-stream:1",
        UNTAGGED,
    ),
    (
        "read or write last words of any stack",
        "logs:FilterLogEvents logs:PutLogEvents logs:PutRetentionPolicy logs:StartQuery",
        f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/mayfly/other/last-words:*",
        UNTAGGED,
    ),
]

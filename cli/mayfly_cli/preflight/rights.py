"""IAM actions that a deployment needs, by resource type and by property of the templates.

CloudFormation acts with the rights of its caller. The actions are the permissions of each type's
handlers in CloudFormation's registry (`handlers` of the type's schema, as kept in
hashicorp/terraform-provider-awscc, 2026-08-07).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from mayfly_cli.checkout import ROOT
from mayfly_cli.templates.reading import read


@dataclass(frozen=True, slots=True)
class Handlers:
    """The actions of a type's handlers; each value is one service and its actions, as `a:B C D`."""

    create: tuple[str, ...]
    update: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()
    by_property: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Further actions of create and update that only a property needs, by the property's name."""


HANDLERS: Mapping[str, Handlers] = {
    "AWS::CloudFormation::Stack": Handlers(
        # CloudFormation reads a nested stack's template as its caller.
        create=("cloudformation:CreateStack DescribeStacks", "s3:GetObject"),
        update=("cloudformation:UpdateStack",),
        delete=("cloudformation:DeleteStack",),
    ),
    "AWS::CloudWatch::Alarm": Handlers(
        create=("cloudwatch:DescribeAlarms PutMetricAlarm TagResource",),
        update=("cloudwatch:UntagResource",),
        delete=("cloudwatch:DeleteAlarms",),
    ),
    "AWS::CloudWatch::Dashboard": Handlers(
        create=("cloudwatch:GetDashboard PutDashboard TagResource",),
        update=("cloudwatch:ListTagsForResource UntagResource",),
        delete=("cloudwatch:DeleteDashboards",),
    ),
    "AWS::DynamoDB::Table": Handlers(
        create=(
            (
                "dynamodb:CreateTable DescribeContinuousBackups DescribeContributorInsights"
                " DescribeKinesisStreamingDestination DescribeTable DescribeTimeToLive"
                " GetResourcePolicy ListTagsOfResource TagResource UpdateTable"
            ),
        ),
        update=("dynamodb:UntagResource",),
        delete=("dynamodb:DeleteTable",),
        by_property={
            "ContributorInsightsSpecification": ("dynamodb:UpdateContributorInsights",),
            "ImportSourceSpecification": ("dynamodb:DescribeImport ImportTable",),
            "KinesisStreamSpecification": ("dynamodb:EnableKinesisStreamingDestination",),
            "KMSMasterKeyId": ("kms:CreateGrant Decrypt DescribeKey",),
            "PointInTimeRecoverySpecification": ("dynamodb:UpdateContinuousBackups",),
            "ResourcePolicy": ("dynamodb:DeleteResourcePolicy PutResourcePolicy",),
            "TimeToLiveSpecification": ("dynamodb:UpdateTimeToLive",),
        },
    ),
    "AWS::EC2::LaunchTemplate": Handlers(
        create=("ec2:CreateLaunchTemplate DescribeLaunchTemplateVersions DescribeLaunchTemplates",),
        update=("ec2:CreateLaunchTemplateVersion",),
        delete=("ec2:DeleteLaunchTemplate",),
        by_property={"TagSpecifications": ("ec2:CreateTags DeleteTags",)},
    ),
    "AWS::EC2::SecurityGroup": Handlers(
        create=("ec2:CreateSecurityGroup CreateTags DescribeSecurityGroups",),
        update=("ec2:DeleteTags",),
        delete=("ec2:DeleteSecurityGroup DescribeInstances",),
        by_property={
            "SecurityGroupEgress": (
                (
                    "ec2:AuthorizeSecurityGroupEgress RevokeSecurityGroupEgress"
                    " UpdateSecurityGroupRuleDescriptionsEgress"
                ),
            ),
            "SecurityGroupIngress": (
                (
                    "ec2:AuthorizeSecurityGroupIngress RevokeSecurityGroupIngress"
                    " UpdateSecurityGroupRuleDescriptionsIngress"
                ),
            ),
        },
    ),
    "AWS::Events::Rule": Handlers(
        create=("events:DescribeRule PutRule PutTargets TagResource",),
        update=("events:RemoveTargets UntagResource",),
        delete=("events:DeleteRule ListTargetsByRule",),
    ),
    "AWS::IAM::InstanceProfile": Handlers(
        create=("iam:AddRoleToInstanceProfile CreateInstanceProfile GetInstanceProfile PassRole",),
        update=("iam:RemoveRoleFromInstanceProfile",),
        delete=("iam:DeleteInstanceProfile",),
    ),
    "AWS::IAM::ManagedPolicy": Handlers(
        create=("iam:CreatePolicy GetPolicy",),
        update=("iam:CreatePolicyVersion DeletePolicyVersion ListPolicyVersions",),
        delete=("iam:DeletePolicy ListEntitiesForPolicy",),
        by_property={
            "Groups": ("iam:AttachGroupPolicy DetachGroupPolicy",),
            "Users": ("iam:AttachUserPolicy DetachUserPolicy",),
        },
    ),
    "AWS::IAM::Role": Handlers(
        create=("iam:CreateRole GetRole GetRolePolicy PutRolePolicy TagRole",),
        update=(
            (
                "iam:DeleteRolePolicy UntagRole UpdateAssumeRolePolicy UpdateRole"
                " UpdateRoleDescription"
            ),
        ),
        delete=("iam:DeleteRole ListAttachedRolePolicies ListRolePolicies",),
        by_property={
            "ManagedPolicyArns": ("iam:AttachRolePolicy DetachRolePolicy",),
            "PermissionsBoundary": (
                "iam:DeleteRolePermissionsBoundary PutRolePermissionsBoundary",
            ),
        },
    ),
    "AWS::Lambda::EventInvokeConfig": Handlers(
        create=("lambda:PutFunctionEventInvokeConfig",),
        update=("lambda:UpdateFunctionEventInvokeConfig",),
        delete=("lambda:DeleteFunctionEventInvokeConfig",),
    ),
    "AWS::Lambda::EventSourceMapping": Handlers(
        create=("lambda:CreateEventSourceMapping GetEventSourceMapping TagResource",),
        update=("lambda:UntagResource UpdateEventSourceMapping",),
        delete=("lambda:DeleteEventSourceMapping",),
    ),
    "AWS::Lambda::Function": Handlers(
        create=(
            (
                "lambda:CreateFunction GetCodeSigningConfig GetFunction"
                " GetFunctionCodeSigningConfig GetFunctionRecursionConfig GetLayerVersion"
                " GetRuntimeManagementConfig TagResource"
            ),
            "iam:PassRole",
            "s3:GetObject GetObjectVersion",
        ),
        update=("lambda:UntagResource UpdateFunctionCode UpdateFunctionConfiguration",),
        delete=("lambda:DeleteFunction",),
        by_property={
            "CodeSigningConfigArn": (
                "lambda:DeleteFunctionCodeSigningConfig PutFunctionCodeSigningConfig",
            ),
            "FileSystemConfigs": ("elasticfilesystem:DescribeMountTargets",),
            "KmsKeyArn": ("kms:CreateGrant Decrypt Encrypt GenerateDataKey",),
            "RecursiveLoop": ("lambda:PutFunctionRecursionConfig",),
            "ReservedConcurrentExecutions": (
                "lambda:DeleteFunctionConcurrency PutFunctionConcurrency",
            ),
            "RuntimeManagementConfig": ("lambda:PutRuntimeManagementConfig",),
            "VpcConfig": ("ec2:DescribeNetworkInterfaces DescribeSubnets DescribeVpcs",),
        },
    ),
    "AWS::Lambda::LayerVersion": Handlers(
        create=("lambda:GetLayerVersion PublishLayerVersion", "s3:GetObject GetObjectVersion"),
        delete=("lambda:DeleteLayerVersion",),
    ),
    "AWS::Lambda::Permission": Handlers(
        create=("lambda:AddPermission",), delete=("lambda:RemovePermission",)
    ),
    "AWS::Logs::LogGroup": Handlers(
        create=("logs:CreateLogGroup DescribeLogGroups GetDataProtectionPolicy TagResource",),
        update=("logs:UntagResource",),
        delete=("logs:DeleteLogGroup",),
        by_property={
            "DataProtectionPolicy": ("logs:DeleteDataProtectionPolicy PutDataProtectionPolicy",),
            "KmsKeyId": ("logs:AssociateKmsKey DisassociateKmsKey",),
            "RetentionInDays": ("logs:DeleteRetentionPolicy PutRetentionPolicy",),
        },
    ),
    "AWS::SNS::Topic": Handlers(
        create=("sns:CreateTopic GetTopicAttributes TagResource",),
        update=(
            (
                "sns:GetDataProtectionPolicy ListSubscriptionsByTopic ListTagsForResource"
                " SetTopicAttributes UntagResource"
            ),
        ),
        delete=("sns:DeleteTopic",),
        by_property={"Subscription": ("sns:Subscribe Unsubscribe",)},
    ),
    "AWS::SQS::Queue": Handlers(
        create=("sqs:CreateQueue GetQueueAttributes GetQueueUrl ListQueueTags TagQueue",),
        update=("sqs:SetQueueAttributes UntagQueue",),
        delete=("sqs:DeleteQueue",),
    ),
    "AWS::SQS::QueuePolicy": Handlers(create=("sqs:SetQueueAttributes",)),
    "AWS::SSM::Parameter": Handlers(
        create=("ssm:AddTagsToResource GetParameters PutParameter",),
        update=("ssm:RemoveTagsFromResource",),
        delete=("ssm:DeleteParameter",),
    ),
}
"""By type of resource in the translated templates. A type's `update` and `delete` add to `create`.

Left out: actions of options that neither template has and that no property names alone, such as
table replicas and delivery logs.
"""

OF_OPTIONS: Mapping[str, Handlers] = {
    "AWS::KMS::Key": Handlers(
        create=(
            (
                "kms:CreateKey DescribeKey EnableKeyRotation GetKeyPolicy GetKeyRotationStatus"
                " ListResourceTags PutKeyPolicy TagResource"
            ),
        ),
        update=("kms:UntagResource UpdateKeyDescription",),
    ),
}
"""Types that only an option of stacks/queue.yaml makes. A key stays when its stack goes."""
SECRETS_KEY = "AWS::KMS::Key"
"""The type that `SecretsKey=own` makes."""


_SAM = (
    (
        "cloudformation:CreateChangeSet DeleteChangeSet DescribeChangeSet DescribeStackEvents"
        " DescribeStacks ExecuteChangeSet GetTemplateSummary"
    ),
    "s3:GetObject PutObject",
)


_FUNCTION = "AWS::Lambda::Function"
# SAM passes the properties on to these types under the same names.
_SERVERLESS = {
    "AWS::Serverless::Application": "AWS::CloudFormation::Stack",
    "AWS::Serverless::Function": _FUNCTION,
    "AWS::Serverless::LayerVersion": "AWS::Lambda::LayerVersion",
}


@dataclass(frozen=True, slots=True)
class Rights:
    """The actions that a deployer needs."""

    create: frozenset[str]
    """For the first deployment."""
    later: frozenset[str]
    """For an upgrade, the rollback of a failed deployment, and `uninstall`; none of `create`."""


def needed(properties: Mapping[str, Collection[str]], options: Collection[str] = ()) -> Rights:
    """The actions for resources that set these properties, by type; a type may be missing.

    `options`: the types of OF_OPTIONS that the deployment makes as well.
    """
    create = {each for text in _SAM for each in _actions(text)}
    later: set[str] = set()
    made = {**HANDLERS, **{kind: OF_OPTIONS[kind] for kind in options}}
    for kind, handlers in made.items():
        create.update(each for text in handlers.create for each in _actions(text))
        later.update(e for text in (*handlers.update, *handlers.delete) for e in _actions(text))
        for name, texts in handlers.by_property.items():
            if name in properties.get(kind, ()):
                create.update(each for text in texts for each in _actions(text))
    return Rights(frozenset(create), frozenset(later - create))


def of_templates(options: Collection[str] = ()) -> Rights:
    """The actions for template.yaml and stacks/queue.yaml as they stand in the checkout.

    `options`: as of `needed`.
    """
    found: dict[str, set[str]] = {}
    for template in (read(ROOT / "template.yaml"), read(ROOT / "stacks" / "queue.yaml")):
        for resource in template["Resources"].values():
            kind = _SERVERLESS.get(resource["Type"], resource["Type"])
            found.setdefault(kind, set()).update(_names(resource.get("Properties")))
        found[_FUNCTION].update(_names(template.get("Globals", {}).get("Function")))
    return needed(found, options)


def _actions(text: str) -> Iterator[str]:
    service, _, names = text.partition(":")
    return (f"{service}:{name}" for name in names.split())


def _names(node: object) -> Iterator[str]:
    """Every key of the node, at any depth."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            yield str(name)
            yield from _names(value)
    elif isinstance(node, list):
        for each in node:
            yield from _names(each)

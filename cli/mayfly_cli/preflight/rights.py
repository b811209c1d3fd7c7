"""What whoever deploys must be allowed to do: an action for each kind of resource."""

from __future__ import annotations

MAKES = {
    "AWS::CloudFormation::Stack": ("cloudformation:CreateStack",),
    "AWS::CloudWatch::Alarm": ("cloudwatch:PutMetricAlarm",),
    "AWS::DynamoDB::Table": ("dynamodb:CreateTable", "dynamodb:PutResourcePolicy"),
    "AWS::EC2::LaunchTemplate": ("ec2:CreateLaunchTemplate",),
    "AWS::EC2::SecurityGroup": ("ec2:CreateSecurityGroup",),
    "AWS::Events::Rule": ("events:PutRule", "events:PutTargets"),
    "AWS::IAM::InstanceProfile": ("iam:CreateInstanceProfile", "iam:AddRoleToInstanceProfile"),
    "AWS::IAM::ManagedPolicy": ("iam:CreatePolicy",),
    "AWS::IAM::Role": ("iam:CreateRole", "iam:PutRolePolicy", "iam:PassRole"),
    "AWS::Lambda::EventInvokeConfig": ("lambda:PutFunctionEventInvokeConfig",),
    "AWS::Lambda::EventSourceMapping": ("lambda:CreateEventSourceMapping",),
    "AWS::Lambda::Function": ("lambda:CreateFunction",),
    "AWS::Lambda::LayerVersion": ("lambda:PublishLayerVersion",),
    "AWS::Lambda::Permission": ("lambda:AddPermission",),
    "AWS::Logs::LogGroup": ("logs:CreateLogGroup", "logs:PutRetentionPolicy"),
    "AWS::SNS::Topic": ("sns:CreateTopic",),
    "AWS::SQS::Queue": ("sqs:CreateQueue",),
    "AWS::SSM::Parameter": ("ssm:PutParameter",),
}
"""By type of CloudFormation resource."""

ACTIONS = frozenset(
    {
        "cloudformation:CreateChangeSet",
        "cloudformation:ExecuteChangeSet",
        "s3:PutObject",
        *(action for actions in MAKES.values() for action in actions),
    }
)
"""All of it, with what `sam deploy` itself does."""

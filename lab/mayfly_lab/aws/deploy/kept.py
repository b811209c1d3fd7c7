"""Properties that the lab keeps, by resource type.

A property outside this table stops the deployment. To add a property, see that moto, `completions`
or the recorded configuration of functions and triggers keeps it, and add a line to the test that
reads the property through the API.
"""

from __future__ import annotations

KEPT: dict[str, frozenset[str]] = {
    kind: frozenset(names.split())
    for kind, names in {
        "AWS::CloudFormation::Stack": "Parameters Tags TemplateURL",
        "AWS::CloudWatch::Alarm": (
            "AlarmActions AlarmDescription AlarmName ComparisonOperator DatapointsToAlarm"
            " Dimensions EvaluationPeriods InsufficientDataActions MetricName Metrics Namespace"
            " OKActions Period Statistic Tags Threshold TreatMissingData"
        ),
        "AWS::CloudWatch::Dashboard": "DashboardBody DashboardName Tags",
        "AWS::DynamoDB::Table": (
            "AttributeDefinitions BillingMode GlobalSecondaryIndexes KeySchema"
            " PointInTimeRecoverySpecification ResourcePolicy SSESpecification StreamSpecification"
            " TableName TimeToLiveSpecification Tags"
        ),
        "AWS::EC2::LaunchTemplate": "LaunchTemplateData LaunchTemplateName TagSpecifications",
        "AWS::EC2::SecurityGroup": "GroupDescription SecurityGroupEgress Tags VpcId",
        "AWS::Events::Rule": (
            "Description EventBusName EventPattern Name ScheduleExpression State Tags Targets"
        ),
        "AWS::IAM::InstanceProfile": "InstanceProfileName Path Roles",
        "AWS::IAM::ManagedPolicy": "Description ManagedPolicyName Path PolicyDocument",
        "AWS::IAM::Role": (
            "AssumeRolePolicyDocument Description ManagedPolicyArns MaxSessionDuration Path"
            " PermissionsBoundary Policies RoleName Tags"
        ),
        "AWS::KMS::Key": "Description EnableKeyRotation KeyPolicy Tags",
        "AWS::Lambda::EventInvokeConfig": (
            "DestinationConfig FunctionName MaximumEventAgeInSeconds MaximumRetryAttempts Qualifier"
        ),
        "AWS::Lambda::EventSourceMapping": (
            "BatchSize BisectBatchOnFunctionError DestinationConfig EventSourceArn FilterCriteria"
            " FunctionName FunctionResponseTypes MaximumBatchingWindowInSeconds"
            " MaximumRecordAgeInSeconds MaximumRetryAttempts ScalingConfig StartingPosition"
        ),
        "AWS::Lambda::Function": (
            "Architectures Code Description Environment FunctionName Handler Layers LoggingConfig"
            " MemorySize ReservedConcurrentExecutions Role Runtime Tags Timeout"
        ),
        "AWS::Lambda::LayerVersion": (
            "CompatibleArchitectures CompatibleRuntimes Content Description LayerName LicenseInfo"
        ),
        "AWS::Lambda::Permission": "Action FunctionName Principal SourceArn",
        "AWS::Logs::LogGroup": "LogGroupName RetentionInDays Tags",
        "AWS::SNS::Topic": "DisplayName Subscription Tags TopicName",
        "AWS::SQS::Queue": (
            "MessageRetentionPeriod QueueName RedrivePolicy SqsManagedSseEnabled Tags"
            " VisibilityTimeout"
        ),
        "AWS::SQS::QueuePolicy": "PolicyDocument Queues",
        "AWS::SSM::Parameter": "Description Name Tags Type Value",
    }.items()
}

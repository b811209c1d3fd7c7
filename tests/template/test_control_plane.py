"""Resources of template.yaml, apart from rights."""

from __future__ import annotations

from typing import Any

import pytest

from mayfly.events import SPOT_NOTICE
from mayfly.iam.evaluation import Request, decide
from mayfly_cli.preflight.checks_account import CONCURRENCY
from mayfly_cli.templates.resolution import ACCOUNT, REGION, Deployment

Resources = dict[str, dict[str, Any]]

FUNCTIONS = ("dispatch", "provision", "sandbox", "reap")
COMMON = {
    "MAYFLY_STACK": "acme",
    "MAYFLY_FLEET_TABLE": "acme-fleet",
    "POWERTOOLS_METRICS_NAMESPACE": "Mayfly",
    "POWERTOOLS_LOG_LEVEL": "INFO",
}
MAILBOX = {"MAYFLY_MAILBOX_TABLE": "acme-mailbox"}
NUDGES = {"MAYFLY_NUDGE_QUEUE_URL": "NudgeQueue"}
REAP_NUDGES = {"MAYFLY_REAP_QUEUE_URL": "ReapQueue"}
OWN_VARIABLES = {
    "dispatch": {
        "MAYFLY_ACCOUNT": ACCOUNT,
        "MAYFLY_BUILDKITE_ENDPOINT": "https://agent.buildkite.com/v3",
        "MAYFLY_TOKEN_PARAMETER": "/buildkite/mayfly/agent-token",
        **MAILBOX,
        **NUDGES,
        **REAP_NUDGES,
    },
    "provision": {
        **MAILBOX,
        "MAYFLY_INSTANCE_SIZES": "medium,large,xlarge,2xlarge,4xlarge",
        "MAYFLY_TOKEN_PARAMETER": "/buildkite/mayfly/agent-token",
        **NUDGES,
        **REAP_NUDGES,
    },
    "sandbox": MAILBOX | NUDGES | REAP_NUDGES,
    "reap": {"MAYFLY_LAST_WORDS_GROUP": "/mayfly/acme/last-words", **MAILBOX, **NUDGES},
}
TIMEOUTS = {"dispatch": 90, "provision": 60, "sandbox": 75, "reap": 60}


def resources_of_type(resources: Resources, kind: str) -> Resources:
    return {name: resource for name, resource in resources.items() if resource["Type"] == kind}


def function(resources: Resources, name: str) -> dict[str, Any]:
    properties: dict[str, Any] = resources[f"{name.capitalize()}Function"]["Properties"]
    return properties


def rules_of(resources: Resources, name: str) -> list[dict[str, Any]]:
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:{name.capitalize()}Function"
    rules = [
        rule["Properties"] for rule in resources_of_type(resources, "AWS::Events::Rule").values()
    ]
    return [rule for rule in rules if [target["Arn"] for target in rule["Targets"]] == [arn]]


def test_a_guided_deployment_asks_at_most_eleven_questions(written: dict[str, Any]) -> None:
    assert len(written["Parameters"]) <= 11
    assert all("Description" in parameter for parameter in written["Parameters"].values())


def test_dispatch_is_in_no_vpc_unless_it_is_given_subnets(
    control: Resources, control_template: dict[str, Any]
) -> None:
    assert not [name for name in FUNCTIONS if "VpcConfig" in function(control, name)]
    given = {
        "DispatchSubnets": "subnet-0a,subnet-0b",
        "DispatchSecurityGroups": "sg-0a,sg-0b",
    }
    deployed = Deployment(control_template, "acme", given).resources
    assert function(deployed, "dispatch")["VpcConfig"] == {
        "SubnetIds": ["subnet-0a", "subnet-0b"],
        "SecurityGroupIds": ["sg-0a", "sg-0b"],
    }
    others = set(FUNCTIONS) - {"dispatch"}
    assert not [name for name in others if "VpcConfig" in function(deployed, name)]


def test_every_parameter_has_a_working_default(control_template: dict[str, Any]) -> None:
    resources = Deployment(control_template, "acme", {}).resources
    assert "FirstQueue" not in resources
    assert "AlarmTopic" not in resources


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_run_python_on_arm_with_both_layers(control: Resources, name: str) -> None:
    properties = function(control, name)
    assert properties["FunctionName"] == f"acme-{name}"
    assert properties["Runtime"] == "python3.13"
    assert properties["Architectures"] == ["arm64"]
    assert properties["Handler"] == f"app.{name}"
    assert properties["MemorySize"] == 512
    assert properties["Timeout"] == TIMEOUTS[name]
    assert len(properties["Layers"]) == 2


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_gets_exactly_its_environment_variables(
    control: Resources, name: str
) -> None:
    variables = function(control, name)["Environment"]["Variables"]
    assert variables == COMMON | {"POWERTOOLS_SERVICE_NAME": name} | OWN_VARIABLES[name]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_logs_into_its_own_group(control: Resources, name: str) -> None:
    group = f"/aws/lambda/acme-{name}"
    assert function(control, name)["LoggingConfig"] == {"LogGroup": group}
    assert control[f"{name.capitalize()}Logs"]["Properties"]["LogGroupName"] == group


def test_log_groups_keep_logs_for_thirty_days(control: Resources) -> None:
    groups = resources_of_type(control, "AWS::Logs::LogGroup")
    assert len(groups) == 5
    assert all(group["Properties"]["RetentionInDays"] == 30 for group in groups.values())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_late_tick_is_dropped(control: Resources, name: str) -> None:
    invoke = control[f"{name.capitalize()}FunctionEventInvokeConfig"]["Properties"]
    assert invoke["MaximumRetryAttempts"] == 0
    assert invoke["MaximumEventAgeInSeconds"] == 60
    for rule in rules_of(control, name):
        retry = rule["Targets"][0]["RetryPolicy"]
        assert retry == {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_invoked_each_minute(control: Resources, name: str) -> None:
    schedules = [rule for rule in rules_of(control, name) if "ScheduleExpression" in rule]
    assert [rule["ScheduleExpression"] for rule in schedules] == ["rate(1 minute)"]


def test_event_rules_may_invoke_their_targets(control: Resources) -> None:
    rules = resources_of_type(control, "AWS::Events::Rule")
    allowed = {
        (permission["Properties"]["SourceArn"], permission["Properties"]["FunctionName"])
        for permission in resources_of_type(control, "AWS::Lambda::Permission").values()
    }
    for name, rule in rules.items():
        arn, target = f"arn:aws:events:{REGION}:{ACCOUNT}:{name}", rule["Properties"]["Targets"][0]
        if target["Arn"].startswith("arn:aws:sqs:"):
            assert may_send(control, arn, target["Arn"])
        else:
            assert (arn, target["Arn"].rsplit(":", 1)[1]) in allowed


REAP_QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:ReapQueue"
RULE = f"arn:aws:events:{REGION}:{ACCOUNT}:"


def may_send(resources: Resources, rule: str, queue: str) -> bool:
    """Whether EventBridge may send the events of a rule to a queue."""
    context = {"aws:SourceArn": rule}
    statements = resources["ReapQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    allowing = [each["Principal"] for each in statements if each["Effect"] == "Allow"]
    assert allowing == [{"Service": "events.amazonaws.com"}]
    return decide(Request("sqs:SendMessage", queue, context), statements).allowed


def test_only_events_of_the_two_rules_may_be_sent_to_reaps_queue(control: Resources) -> None:
    assert control["ReapQueuePolicy"]["Properties"]["Queues"] == ["ReapQueue"]
    for rule in ("InstanceStateChange", "SpotWarning"):
        assert may_send(control, RULE + rule, REAP_QUEUE)
    assert not may_send(control, RULE + "ReapFunctionTick", REAP_QUEUE)
    other = "arn:aws:events:us-east-1:999999999999:rule/InstanceStateChange"
    assert not may_send(control, other, REAP_QUEUE)
    statements = control["ReapQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    without = Request("sqs:SendMessage", REAP_QUEUE, {})
    assert not decide(without, statements).allowed


@pytest.mark.parametrize(
    ("context", "allowed"),
    [
        ({"aws:SourceArn": f"{RULE}SpotWarning"}, True),
        ({"aws:SourceArn": f"{RULE}InstanceStateChange"}, True),
        ({"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/mayfly/acme/functions/R"}, True),
        ({"aws:SourceArn": f"{RULE}ProvisionFunctionTick"}, False),
        ({"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/mayfly/other/functions/R"}, False),
        ({"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/administrator"}, False),
        ({}, False),
    ],
)
def test_nobody_but_functions_and_the_two_rules_tells_reap_of_a_warning(
    control: Resources, context: dict[str, str], allowed: bool
) -> None:
    policy = control["ReapQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    everything = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    request = Request("sqs:SendMessage", REAP_QUEUE, context)
    assert decide(request, policy, everything).allowed is allowed


@pytest.mark.parametrize("queue", ["NudgeQueue", "ReapQueue", "DeadLetters"])
def test_no_role_of_a_queue_reaches_a_queue_of_the_control_plane(
    control: Resources, queue: str
) -> None:
    resource = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}"
    policies = [
        policy["Properties"]["PolicyDocument"]["Statement"]
        for policy in resources_of_type(control, "AWS::SQS::QueuePolicy").values()
        if queue in policy["Properties"]["Queues"]
    ]
    everything = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    for action in ("SendMessage", "ReceiveMessage", "DeleteMessage", "PurgeQueue", "DeleteQueue"):
        for path, allowed in (
            ("mayfly/acme/bootstrap/linux/R", False),
            ("mayfly/acme/sandbox/linux/acme-linux-sandbox", False),
            ("mayfly/other/sandbox/linux/R", False),
            ("mayfly/acme/functions/R", True),
            ("administrator", (queue, action) != ("ReapQueue", "SendMessage")),
        ):
            principal = {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/{path}"}
            request = Request(f"sqs:{action}", resource, principal)
            assert decide(request, *policies, everything).allowed is allowed, path


def test_events_of_the_accounts_instances_reach_functions_only_through_a_queue(
    control: Resources,
) -> None:
    """Neither event carries tags, so no pattern leaves out the instances of others."""
    rules = resources_of_type(control, "AWS::Events::Rule").values()
    foreign = [r for r in rules if r["Properties"].get("EventPattern", {}).get("source") == EC2]
    assert len(foreign) == 2
    for rule in foreign:
        (target,) = rule["Properties"]["Targets"]
        assert target["Arn"] == REAP_QUEUE
        assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 3}


EC2 = ["aws.ec2"]


def test_the_functions_need_no_more_invocations_at_once_than_a_new_account_has(
    control: Resources,
) -> None:
    """Beside changes of parameters, which people make. One is left for `dispatch`'s handover."""
    schedules = [rule for name in FUNCTIONS for rule in rules_of(control, name)]
    ticks = sum("ScheduleExpression" in rule for rule in schedules)
    mappings = [
        each["Properties"]
        for each in resources_of_type(control, "AWS::Lambda::EventSourceMapping").values()
    ]
    queues = [m for m in mappings if m["EventSourceArn"].startswith("arn:aws:sqs:")]
    streams = [m for m in mappings if m not in queues]
    at_once = sum(mapping["ScalingConfig"]["MaximumConcurrency"] for mapping in queues)
    at_once += sum(mapping.get("ParallelizationFactor", 1) for mapping in streams)
    assert ticks + at_once + 1 == CONCURRENCY


def test_a_message_to_reap_lives_as_long_as_a_spot_warning(control: Resources) -> None:
    queue = control["ReapQueue"]["Properties"]
    notice = SPOT_NOTICE.total_seconds()
    assert queue["MessageRetentionPeriod"] == queue["VisibilityTimeout"] == notice
    assert queue["SqsManagedSseEnabled"] is True
    # Lambda refuses a mapping whose function may run longer than its messages are hidden.
    assert queue["VisibilityTimeout"] >= TIMEOUTS["reap"]
    mapping = control["ReapFunctionNudge"]["Properties"]
    # A batch of more than ten needs a window of a second, for which every event would wait.
    assert (mapping["BatchSize"], mapping.get("MaximumBatchingWindowInSeconds", 0)) == (10, 0)
    assert "FunctionResponseTypes" not in mapping


def test_the_fleet_table_has_backups_encryption_and_its_indexes(control: Resources) -> None:
    table = control["FleetTable"]["Properties"]
    assert table["TableName"] == "acme-fleet"
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["KeySchema"] == [{"AttributeName": "pk", "KeyType": "HASH"}]
    assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    # False is DynamoDB's own key; true is a key in KMS, whose calls cost money.
    assert table["SSESpecification"] == {"SSEEnabled": False}
    assert control["MailboxTable"]["Properties"]["SSESpecification"] == {"SSEEnabled": False}
    keys = {
        index["IndexName"]: [key["AttributeName"] for key in index["KeySchema"]]
        for index in table["GlobalSecondaryIndexes"]
    }
    assert keys == {"open": ["open_queue", "open_state"], "closed": ["closed_queue", "closed_at"]}
    assert all(
        i["Projection"] == {"ProjectionType": "ALL"} for i in table["GlobalSecondaryIndexes"]
    )


def test_the_mailbox_table_keeps_no_copy_of_a_token(control: Resources) -> None:
    table = control["MailboxTable"]["Properties"]
    assert table["TableName"] == "acme-mailbox"
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["KeySchema"] == [{"AttributeName": "key", "KeyType": "HASH"}]
    assert table["StreamSpecification"] == {"StreamViewType": "KEYS_ONLY"}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is False


def test_failing_nudges_go_to_the_dead_letter_queue(control: Resources) -> None:
    queue = control["NudgeQueue"]["Properties"]
    assert queue["RedrivePolicy"]["deadLetterTargetArn"].endswith(":DeadLetters")
    kept = queue["VisibilityTimeout"] * queue["RedrivePolicy"]["maxReceiveCount"]
    assert queue["VisibilityTimeout"] >= 6 * TIMEOUTS["provision"]
    # Else a nudge expires before its last attempt.
    assert queue["MessageRetentionPeriod"] > kept


def test_stream_events_are_retried_briefly_then_go_to_the_dead_letter_queue(
    control: Resources,
) -> None:
    mapping = control["SandboxFunctionMail"]["Properties"]
    assert mapping["EventSourceArn"].startswith(f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/acme-m")
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["MaximumRetryAttempts"] == 2
    assert mapping["MaximumRecordAgeInSeconds"] == 60
    assert mapping["DestinationConfig"]["OnFailure"]["Destination"].endswith(":DeadLetters")
    assert control["ProvisionFunctionNudge"]["Properties"]["EventSourceArn"].endswith("NudgeQueue")
    assert control["ReapFunctionNudge"]["Properties"]["EventSourceArn"].endswith("ReapQueue")


def test_the_bundle_parameter_names_the_layer(control: Resources) -> None:
    parameter = control["BundleParameter"]["Properties"]
    assert parameter["Name"] == "/mayfly-infra/acme/bundle"
    assert parameter["Value"].startswith(f'{{"layer":"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:')


def test_layers_are_named_after_the_stack_and_deleted_with_it(written: dict[str, Any]) -> None:
    for name in ("dependencies", "mayfly", "instance"):
        layer = written["Resources"][f"{name.capitalize()}Layer"]
        assert layer["Properties"]["LayerName"] == {"Fn::Sub": f"${{AWS::StackName}}-{name}"}
        assert layer["Properties"]["RetentionPolicy"] == "Delete"
        assert layer["Metadata"]["BuildMethod"] == "makefile"


def test_alarms_watch_failures_silence_late_and_dead_letters_capacity_and_strays(
    control: Resources,
) -> None:
    alarms = resources_of_type(control, "AWS::CloudWatch::Alarm")
    watched = {
        (alarm["Properties"]["Namespace"], alarm["Properties"]["MetricName"])
        for alarm in alarms.values()
        if "MetricName" in alarm["Properties"]
    }
    assert watched == {
        ("AWS/Lambda", "Errors"),
        ("AWS/SQS", "ApproximateAgeOfOldestMessage"),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
        ("Mayfly", "Braked"),
        ("Mayfly", "NoCapacity"),
        ("Mayfly", "Strays"),
        ("Mayfly", "TokenRefused"),
    }
    failing = {f"{name.capitalize()}Errors" for name in FUNCTIONS}
    assert failing <= alarms.keys()
    assert all("AlarmActions" not in alarm["Properties"] for alarm in alarms.values())


def test_the_alarm_for_bad_configuration_sums_all_functions(control: Resources) -> None:
    """Powertools adds the dimensions `service` and `stack` to every metric."""
    total, *metrics = control["BadConfigurationFound"]["Properties"]["Metrics"]
    assert total["Expression"] == "SUM(METRICS())"
    for name, metric in zip(FUNCTIONS, metrics, strict=True):
        assert metric["MetricStat"]["Metric"] == {
            "Namespace": "Mayfly",
            "MetricName": "BadConfiguration",
            "Dimensions": [
                {"Name": "service", "Value": name},
                {"Name": "stack", "Value": "acme"},
            ],
        }


def test_alarms_are_sent_to_the_address(control_template: dict[str, Any]) -> None:
    parameters = {"AlarmAddress": "ci@example.org"}
    resources = Deployment(control_template, "acme", parameters).resources
    topic = resources["AlarmTopic"]["Properties"]
    assert topic["Subscription"] == [{"Protocol": "email", "Endpoint": "ci@example.org"}]
    for alarm in resources_of_type(resources, "AWS::CloudWatch::Alarm").values():
        assert alarm["Properties"]["AlarmActions"] == ["AlarmTopic"]
    assert resources["DispatchSilent"]["Properties"]["InsufficientDataActions"] == ["AlarmTopic"]


def test_the_first_queue_deploys_the_queue_template(
    control: Resources, queue_template: dict[str, Any]
) -> None:
    stack = control["FirstQueue"]["Properties"]
    assert stack["TemplateURL"].endswith("stacks/queue.yaml")
    given = stack["Parameters"]
    assert given.keys() <= queue_template["Parameters"].keys()
    needed = {n for n, p in queue_template["Parameters"].items() if "Default" not in p}
    assert needed <= given.keys()
    assert given["Subnets"] == "subnet-1,subnet-2"
    assert given["ControlStack"] == "acme"

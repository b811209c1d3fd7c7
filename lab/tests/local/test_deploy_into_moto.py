"""The shipped templates, deployed into the local AWS: every resource and every property exists."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.deployed_account import (
    ENDPOINT,
    STACK,
    TOKEN,
    Account,
    inline_policies,
)
from mayfly_cli.templates.reading import read
from mayfly_cli.templates.translation import translate
from mayfly_lab.aws.deploy.stacks import ARTIFACTS

# ------------------------------------------------------------------ everything is made


def test_both_stacks_and_the_nested_queue_are_complete(account: Account) -> None:
    stacks = account.client("cloudformation").describe_stacks()["Stacks"]
    assert {each["StackStatus"] for each in stacks} == {"CREATE_COMPLETE"}
    assert len(stacks) == 3


def test_every_resource_of_the_templates_is_made(account: Account, sources: Path) -> None:
    # A layer's logical id contains a hash of its code's path.
    translation = translate(sources / "template.yaml", "us-east-1", ARTIFACTS)
    control = translation.template["Resources"]
    assert account.resources(STACK).keys() == control.keys()
    queue = read(sources / "stacks" / "queue.yaml")["Resources"]
    assert account.resources(f"{STACK}-queue-deploy").keys() == queue.keys()


def test_deployed_resources_have_their_published_names(account: Account) -> None:
    made = account.resources(STACK)
    assert made["FleetTable"]["PhysicalResourceId"] == "mayfly-fleet"
    assert made["MailboxTable"]["PhysicalResourceId"] == "mayfly-mailbox"
    for name in ("dispatch", "provision", "sandbox", "reap"):
        assert made[f"{name.title()}Function"]["PhysicalResourceId"] == f"mayfly-{name}"
    layers = account.client("lambda").list_layers()["Layers"]
    names = {each["LayerName"] for each in layers}
    assert names == {"mayfly-dependencies", "mayfly-mayfly", "mayfly-instance"}


def test_the_token_is_a_secure_string_and_never_in_the_journal(account: Account) -> None:
    parameter = account.client("ssm").get_parameter(
        Name="/buildkite/mayfly/agent-token", WithDecryption=True
    )["Parameter"]
    assert (parameter["Type"], parameter["Value"]) == ("SecureString", TOKEN)
    assert TOKEN not in str([(entry, entry.request) for entry in account.lab.aws.journal])


# ------------------------------------------------------------------ no property is lost


def test_the_deployed_tables_match_the_template(account: Account) -> None:
    dynamodb = account.client("dynamodb")
    fleet = dynamodb.describe_table(TableName="mayfly-fleet")["Table"]
    index = fleet["GlobalSecondaryIndexes"][0]
    assert fleet["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert [each["AttributeName"] for each in index["KeySchema"]] == ["open_queue", "open_state"]
    assert index["Projection"] == {"ProjectionType": "ALL"}
    mailbox = dynamodb.describe_table(TableName="mayfly-mailbox")["Table"]
    assert mailbox["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    for table in (fleet, mailbox):
        name = table["TableName"]
        assert "SSEDescription" not in table  # DynamoDB's own key; a key in KMS is described
        ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
        backups = dynamodb.describe_continuous_backups(TableName=name)
        recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        status = "ENABLED" if name == "mayfly-fleet" else "DISABLED"
        assert recovery["PointInTimeRecoveryStatus"] == status
    policy = json.loads(dynamodb.get_resource_policy(ResourceArn=mailbox["TableArn"])["Policy"])
    assert "OnlyTheOwnRow" in {each["Sid"] for each in policy["Statement"]}
    assert "${aws:userid}" in json.dumps(policy)
    policy = json.loads(dynamodb.get_resource_policy(ResourceArn=fleet["TableArn"])["Policy"])
    assert "OnlyFunctionsWrite" in {each["Sid"] for each in policy["Statement"]}


def test_the_tag_of_the_stack_is_on_one_resource_of_every_type(account: Account) -> None:
    made = {name: each["PhysicalResourceId"] for name, each in account.resources(STACK).items()}
    client = account.client
    (topic,) = client("sns").list_topics()["Topics"]
    alarms = client("cloudwatch").describe_alarms(AlarmNames=[made["StraysFound"]])["MetricAlarms"]
    rule = client("events").describe_rule(Name=made["SpotWarning"])["Arn"]
    table = client("dynamodb").describe_table(TableName=made["FleetTable"])["Table"]["TableArn"]
    function = client("lambda").get_function(FunctionName=made["ReapFunction"])
    logs = client("logs").list_tags_log_group(logGroupName=made["LastWords"])
    parameter = client("ssm").list_tags_for_resource(
        ResourceType="Parameter", ResourceId=made["BundleParameter"]
    )
    lists = [
        client("sns").list_tags_for_resource(ResourceArn=topic["TopicArn"])["Tags"],
        client("cloudwatch").list_tags_for_resource(ResourceARN=alarms[0]["AlarmArn"])["Tags"],
        client("events").list_tags_for_resource(ResourceARN=rule)["Tags"],
        client("dynamodb").list_tags_of_resource(ResourceArn=table)["Tags"],
        client("iam").list_role_tags(RoleName=made["ReapFunctionRole"])["Tags"],
        parameter["TagList"],
    ]
    maps = [function["Tags"], logs["tags"]]
    maps.append(client("sqs").list_queue_tags(QueueUrl=made["NudgeQueue"])["Tags"])
    maps += [{tag["Key"]: tag["Value"] for tag in tags} for tags in lists]
    assert [each.get("mayfly-stack") for each in maps] == [STACK] * len(maps)


def test_the_deployed_functions_match_the_template(account: Account) -> None:
    client = account.client("lambda")
    configuration = client.get_function_configuration(FunctionName="mayfly-dispatch")
    assert configuration["Runtime"] == "python3.13"
    assert configuration["Architectures"] == ["arm64"]
    assert (configuration["Timeout"], configuration["MemorySize"]) == (90, 512)
    assert [each["Arn"].split(":")[-2] for each in configuration["Layers"]] == [
        "mayfly-dependencies",
        "mayfly-mayfly",
    ]
    variables = configuration["Environment"]["Variables"]
    assert variables["MAYFLY_BUILDKITE_ENDPOINT"] == ENDPOINT
    assert variables["MAYFLY_FLEET_TABLE"] == "mayfly-fleet"
    assert variables["MAYFLY_NUDGE_QUEUE_URL"].startswith("http")
    for name in ("dispatch", "provision", "sandbox", "reap"):
        limits = client.get_function_event_invoke_config(FunctionName=f"mayfly-{name}")
        assert (limits["MaximumRetryAttempts"], limits["MaximumEventAgeInSeconds"]) == (0, 60)


def test_the_functions_run_with_the_templates_settings(account: Account, sources: Path) -> None:
    spec = account.lab.aws.functions.spec("mayfly-dispatch")
    assert spec.code == sources / "functions"
    assert spec.handler == "app.dispatch"
    assert spec.layers == (sources / "layers" / "mayfly", sources / "layers" / "protocol")
    assert (spec.timeout, spec.max_retries, spec.max_event_age) == (90, 0, 60)
    assert spec.log_group == "/aws/lambda/mayfly-dispatch"
    assert spec.variables["MAYFLY_STACK"] == STACK


def test_the_deployed_triggers_match_the_template(account: Account) -> None:
    mappings = account.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    by_function = {each["FunctionArn"].rpartition(":")[2]: each for each in mappings}
    mail, nudge = by_function["mayfly-sandbox"], by_function["mayfly-provision"]
    assert mail["BisectBatchOnFunctionError"] is True
    assert (mail["MaximumRetryAttempts"], mail["MaximumRecordAgeInSeconds"]) == (2, 60)
    assert mail["StartingPosition"] == "LATEST"
    assert "DeadLetters" in mail["DestinationConfig"]["OnFailure"]["Destination"]
    assert "INSERT" in mail["FilterCriteria"]["Filters"][0]["Pattern"]
    assert nudge["ScalingConfig"] == {"MaximumConcurrency": 2}
    assert "ReapQueue" in by_function["mayfly-reap"]["EventSourceArn"]
    events = account.client("events")
    rules = {each["Name"].split("-")[1]: each for each in events.list_rules()["Rules"]}
    schedules = [each for each in rules.values() if "ScheduleExpression" in each]
    assert {each["ScheduleExpression"] for each in schedules} == {"rate(1 minute)"}
    assert len(schedules) == 4
    change = json.loads(rules["parameters"]["EventPattern"])
    assert {"prefix": "/mayfly/mayfly/"} in change["detail"]["name"]
    for name, rule in rules.items():
        target = events.list_targets_by_rule(Rule=rule["Name"])["Targets"][0]
        assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] == 60
        assert ("ReapQueue" in target["Arn"]) == (name in {"InstanceStateChange", "SpotWarning"})
    assert by_function["mayfly-reap"]["ScalingConfig"] == {"MaximumConcurrency": 2}


def test_reaps_queue_takes_the_events_of_its_two_rules(account: Account) -> None:
    resources = account.resources(STACK)
    url = resources["ReapQueue"]["PhysicalResourceId"]
    answer = account.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    attributes = answer["Attributes"]
    assert attributes["VisibilityTimeout"] == attributes["MessageRetentionPeriod"] == "120"
    statement, *others = json.loads(attributes["Policy"])["Statement"]
    assert [each["Effect"] for each in (statement, *others)] == ["Allow", "Deny", "Deny"]
    assert statement["Resource"] == attributes["QueueArn"]
    names = {rule["Name"]: rule["Arn"] for rule in account.client("events").list_rules()["Rules"]}
    sources = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert set(sources) == {
        arn for name, arn in names.items() if "InstanceStateChange" in name or "SpotWarning" in name
    }
    assert len(sources) == 2


def test_queues_redrive_and_logs_have_a_retention(account: Account) -> None:
    url = account.resources(STACK)["NudgeQueue"]["PhysicalResourceId"]
    attributes = account.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    assert json.loads(attributes["Attributes"]["RedrivePolicy"])["maxReceiveCount"] == 3
    assert attributes["Attributes"]["VisibilityTimeout"] == "360"
    assert attributes["Attributes"]["MessageRetentionPeriod"] == "3600"
    groups = account.client("logs").describe_log_groups()["logGroups"]
    names = {each["logGroupName"] for each in groups}
    functions = {f"/aws/lambda/mayfly-{n}" for n in ("dispatch", "provision", "sandbox", "reap")}
    assert names == functions | {"/mayfly/mayfly/last-words"}
    assert all(each["retentionInDays"] > 0 for each in groups)


QUEUE_ALARMS = {"BadConfiguration", "HostsFail", "JobsWaitTooLong", "NoCapacity"}


def names(alarm: Mapping[str, Any]) -> set[str]:
    """The parts of an alarm's name, its logical id or own name among them."""
    return set(re.split("[-/]", alarm["AlarmName"]))


def test_every_alarm_is_deployed_with_an_action_and_a_subscription(
    account: Account, sources: Path
) -> None:
    template = translate(sources / "template.yaml", "us-east-1").template["Resources"]
    wanted = [name for name, each in template.items() if each["Type"] == "AWS::CloudWatch::Alarm"]
    deployed = account.client("cloudwatch").describe_alarms()["MetricAlarms"]
    alarms = [each for each in deployed if not names(each) & QUEUE_ALARMS]
    assert len(alarms) == len(wanted)
    assert all(each["AlarmActions"] for each in alarms)
    queues = [each for each in deployed if names(each) & QUEUE_ALARMS]
    assert len(queues) % len(QUEUE_ALARMS) == 0
    (told,) = {action for each in queues for action in each["AlarmActions"]}
    assert [told] == alarms[0]["AlarmActions"]
    errors = next(each for each in alarms if "DispatchErrors" in each["AlarmName"])
    assert errors["Dimensions"] == [{"Name": "FunctionName", "Value": "mayfly-dispatch"}]
    topics = account.client("sns").list_subscriptions()["Subscriptions"]
    assert [each["Endpoint"] for each in topics] == ["ops@example.org"]


def test_the_functions_roles_have_inline_policies_and_no_managed_ones(account: Account) -> None:
    iam = account.client("iam")
    for name in ("dispatch", "provision", "sandbox", "reap"):
        role = account.resources(STACK)[f"{name.title()}FunctionRole"]["PhysicalResourceId"]
        documents = inline_policies(account, role)
        assert list(documents) == [name]
        assert all(documents[name]["Statement"])  # a false condition leaves no null
        assert "Fn::" not in json.dumps(documents)
        assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
        assert iam.get_role(RoleName=role)["Role"]["Path"] == "/mayfly/mayfly/functions/"


def test_policy_variables_stay_in_the_deployed_policies(account: Account) -> None:
    role = account.resources(STACK)["ProvisionFunctionRole"]["PhysicalResourceId"]
    text = json.dumps(inline_policies(account, role))
    assert "instance-profile/mayfly/mayfly/bootstrap/${aws:RequestTag/mayfly-queue}/*" in text
    assert '"*.medium"' in text
    assert '"*.large"' in text


def test_the_deployed_bundle_has_the_hash_of_the_parameter(account: Account) -> None:
    value = account.client("ssm").get_parameter(Name="/mayfly-infra/mayfly/bundle")
    bundle = json.loads(value["Parameter"]["Value"])
    layer = account.client("lambda").get_layer_version_by_arn(Arn=bundle["layer"])
    assert layer["LayerVersionArn"] == bundle["layer"]
    assert layer["Content"]["Location"].startswith(account.lab.aws.endpoint)
    name = bundle["layer"].split(":")[-2]
    by_name = account.client("lambda").get_layer_version(LayerName=name, VersionNumber=1)
    assert by_name["Content"]["CodeSha256"] == layer["Content"]["CodeSha256"]

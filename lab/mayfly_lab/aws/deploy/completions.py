"""Completes resources that moto's CloudFormation creates without some of their properties."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from moto.awslambda.models import LayerVersion
from moto.backends import get_backend
from moto.kms.models import Key
from moto.ssm.models import Parameter

from mayfly_lab.aws.patches import Patch

Properties = Mapping[str, Any]
Complete = Callable[[Any, Properties, str, str], None]


def complete_table(table: Any, properties: Properties, account_id: str, region: str) -> None:
    """Set encryption, time to live, point-in-time recovery and resource policy of a table."""
    if encryption := properties.get("SSESpecification"):
        # CloudFormation calls it SSEEnabled, the API Enabled; moto does not translate the name.
        table.sse_specification["Enabled"] = encryption["SSEEnabled"]
    backend = get_backend("dynamodb")[account_id][region]
    if ttl := properties.get("TimeToLiveSpecification"):
        backend.update_time_to_live(table.name, ttl)
    if recovery := properties.get("PointInTimeRecoverySpecification"):
        backend.update_continuous_backups(table.name, recovery)
    if policy := properties.get("ResourcePolicy"):
        document = json.dumps(policy["PolicyDocument"])
        backend.put_resource_policy(table.table_arn, document, None)


def complete_role(role: Any, properties: Properties, account_id: str, _: str) -> None:
    """Attach managed policies, and put inline policies in the form that the API shows."""
    backend = get_backend("iam")[account_id]["aws"]
    for arn in properties.get("ManagedPolicyArns", ()):
        backend.attach_role_policy(arn, role.name)
    for policy in properties.get("Policies", ()):
        role.put_policy(policy["PolicyName"], json.dumps(policy["PolicyDocument"]))


def complete_function(function: Any, properties: Properties, _: str, __: str) -> None:
    """Set layers, architectures and tags of a function."""
    if "Layers" in properties:
        function.update_configuration({"Layers": properties["Layers"]})
    if "Architectures" in properties:
        function.architectures = properties["Architectures"]
    function.tags = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", ())}


def complete_group(group: Any, properties: Properties, account_id: str, region: str) -> None:
    """Set the outgoing rules of a security group; moto keeps its default rules."""
    rules = properties.get("SecurityGroupEgress")
    if rules is None:
        return
    group.egress_rules.clear()
    backend = get_backend("ec2")[account_id][region]
    for rule in rules:
        ranges = [{key: rule[key] for key in ("CidrIp", "CidrIpv6", "Description") if key in rule}]
        backend.authorize_security_group_egress(
            group.id,
            rule["IpProtocol"],
            rule.get("FromPort"),
            rule.get("ToPort"),
            ranges,
            vpc_id=group.vpc_id,
        )


def complete_key(key: Any, properties: Properties, _: str, __: str) -> None:
    """Put a key's policy in the form that the API shows."""
    key.policy = json.dumps(properties["KeyPolicy"])


def complete_layer(layer: Any, properties: Properties, account_id: str, region: str) -> None:
    """Set a layer version's architectures and its ARN for `Ref`; delete it with its stack."""
    layer.physical_resource_id = layer.arn
    layer.compatible_architectures = properties.get("CompatibleArchitectures", [])
    backend = get_backend("lambda")[account_id][region]
    layer.delete = lambda _, __: backend.delete_layer_version(layer.name, str(layer.version))


def complete_policy(policy: Any, _: Properties, account_id: str, __: str) -> None:
    """Delete a managed policy with its stack."""
    backend = get_backend("iam")[account_id]["aws"]
    policy.delete = lambda _, __: backend.delete_policy(policy.arn)


def complete_parameter(parameter: Any, _: Properties, account_id: str, region: str) -> None:
    """Delete a parameter with its stack; a missing parameter is no error, as in CloudFormation."""
    backend = get_backend("ssm")[account_id][region]
    parameter.delete = lambda _, __: backend.delete_parameters([parameter.name])


def complete_topic(topic: Any, properties: Properties, account_id: str, region: str) -> None:
    """Set the tags of a topic."""
    tags = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", ())}
    get_backend("sns")[account_id][region].tag_resource(topic.arn, tags)


COMPLETIONS: dict[str, Complete] = {
    "AWS::DynamoDB::Table": complete_table,
    "AWS::EC2::SecurityGroup": complete_group,
    "AWS::IAM::ManagedPolicy": complete_policy,
    "AWS::IAM::Role": complete_role,
    "AWS::KMS::Key": complete_key,
    "AWS::Lambda::Function": complete_function,
    "AWS::Lambda::LayerVersion": complete_layer,
    "AWS::SNS::Topic": complete_topic,
    "AWS::SSM::Parameter": complete_parameter,
}


def patches() -> list[Patch]:
    """A layer gets its LayerName, for which moto generates a name; parameters and keys get tags."""

    def cloudformation_name_type() -> str:
        return "LayerName"

    def with_tags(stock: Callable[..., Any], read: Callable[[Any], Any]) -> Any:
        """Moto's constructor with tags in the form that it reads."""

        def create_from_cloudformation_json(
            name: str, given: Properties, *rest: str, **more: Any
        ) -> Any:
            properties = dict(given["Properties"])
            properties["Tags"] = read(properties.get("Tags") or ())
            return stock(name, {**given, "Properties": properties}, *rest, **more)

        return staticmethod(create_from_cloudformation_json)

    made = "create_from_cloudformation_json"
    parameters = "resource_name, cloudformation_json, account_id, region_name, kwargs"
    return [
        Patch(LayerVersion, "cloudformation_name_type", staticmethod(cloudformation_name_type), ""),
        Patch(Parameter, made, with_tags(getattr(Parameter, made), _pairs), parameters),
        Patch(Key, made, with_tags(getattr(Key, made), _of_keys), parameters),
    ]


def _pairs(tags: Any) -> list[dict[str, str]]:
    """CloudFormation has a map of a parameter's tags; moto reads the list of the API."""
    return [{"Key": key, "Value": value} for key, value in dict(tags).items()]


def _of_keys(tags: Any) -> list[dict[str, Any]]:
    """KMS has names of its own for a tag's parts, and CloudFormation has not."""
    return [{"TagKey": each["Key"], "TagValue": each["Value"]} for each in tags]

"""Calls that credentials of an instance must not be able to make, by kind of thing.

The same calls are made on Mayfly's things, and on things of the attacker: there they must pass, or
the refusal would say nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attacks.asking import Ask
from attacks.things import (
    ALARM,
    EVENTS_ARN,
    EVERYTHING,
    OWN,
    TEMPLATE,
    TRUSTS_THE_ACCOUNT,
    Table,
    Things,
    code,
)
from mayfly_lab.lab import STACK

Named = list[tuple[str, Mapping[str, Any]]]
"""Methods of boto3 with their parameters."""
REPORT = {"M": {"protocol": {"N": "1"}, "phase": {"S": "sandboxed"}, "boot": {"S": "forged"}}}


def write(table: Table, attribute: str = "report", **more: Any) -> Mapping[str, Any]:
    """Parameters of an update that writes an attribute of the row."""
    return {
        "TableName": table.name,
        "Key": table.key,
        "UpdateExpression": f"SET {attribute} = :v",
        "ExpressionAttributeValues": {":v": REPORT},
        **more,
    }


def rows(table: Table) -> Sequence[Ask]:
    """Reads and writes of the row and the table."""
    where = {"TableName": table.name, "Key": table.key}
    item = {"TableName": table.name, "Item": table.key}
    keys = {"Keys": [table.key]}
    named = f'"{table.name}" WHERE "{table.key_name}" = \'{table.row}\''
    asks: Named = [
        ("put_item", item),
        ("get_item", where),
        ("update_item", write(table)),
        ("update_item", write(table, "assignment")),
        ("update_item", write(table, "notice")),
        ("update_item", write(table, "expires")),
        ("update_item", write(table, ReturnValues="ALL_OLD")),
        ("scan", {"TableName": table.name}),
        ("query", {"TableName": table.name, **_by_key(table)}),
        ("batch_get_item", {"RequestItems": {table.name: keys}}),
        ("batch_write_item", {"RequestItems": {table.name: [{"PutRequest": {"Item": table.key}}]}}),
        ("transact_get_items", {"TransactItems": [{"Get": where}]}),
        ("transact_write_items", {"TransactItems": [{"Update": dict(write(table))}]}),
        ("transact_write_items", {"TransactItems": [{"Put": item}]}),
        ("execute_statement", {"Statement": f"SELECT * FROM {named}"}),
        ("execute_statement", {"Statement": f'SELECT * FROM "{table.name}"'}),
        ("delete_item", where),
    ]
    return [Ask("dynamodb", method, given) for method, given in asks]


def _by_key(table: Table) -> Mapping[str, Any]:
    return {
        "KeyConditionExpression": "#k = :k",
        "ExpressionAttributeNames": {"#k": table.key_name},
        "ExpressionAttributeValues": {":k": {"S": table.row}},
    }


def table_control(table: Table) -> Sequence[Ask]:
    """Copies and changes of the table."""
    name = {"TableName": table.name}
    expiry = {"Enabled": True, "AttributeName": "at"}
    asks: Named = [
        ("describe_table", name),
        ("create_backup", {**name, "BackupName": "stolen"}),
        (
            "export_table_to_point_in_time",
            {"TableArn": table.arn, "S3Bucket": OWN, "S3Prefix": "x"},
        ),
        ("update_table", {**name, "BillingMode": "PAY_PER_REQUEST"}),
        ("update_time_to_live", {**name, "TimeToLiveSpecification": expiry}),
        ("put_resource_policy", {"ResourceArn": table.arn, "Policy": _policy(table)}),
        ("delete_resource_policy", {"ResourceArn": table.arn}),
        ("tag_resource", {"ResourceArn": table.arn, "Tags": [{"Key": "a", "Value": "b"}]}),
        ("delete_table", name),
    ]
    return [Ask("dynamodb", method, given) for method, given in asks]


def _policy(table: Table) -> str:
    return EVERYTHING.replace('"Resource": "*"', f'"Resource": "{table.arn}", "Principal": "*"')


def streams(things: Things) -> Sequence[Ask]:
    """Reads of the table's stream, which names the rows that change."""
    stream = {"StreamArn": things.stream}
    return [Ask("dynamodbstreams", "describe_stream", stream)]


def instances(things: Things) -> Sequence[Ask]:
    """Changes of an instance, its volume and its template, and commands on it."""
    one, many = {"InstanceId": things.instance}, {"InstanceIds": [things.instance]}
    template = {"LaunchTemplateId": things.template}
    tag = [{"Key": "team", "Value": "x"}]
    number = {"MinCount": 1, "MaxCount": 1}
    asks: Named = [
        ("get_console_output", one),
        ("create_tags", {"Resources": [things.instance], "Tags": tag}),
        ("delete_tags", {"Resources": [things.instance], "Tags": tag}),
        ("modify_instance_attribute", {**one, "DisableApiTermination": {"Value": False}}),
        ("modify_instance_attribute", {**one, "SourceDestCheck": {"Value": False}}),
        # moto wants the text encoded that boto3 then encodes once more.
        ("modify_instance_attribute", {**one, "UserData": {"Value": b"IyEvYmluL2Jhc2g="}}),
        ("modify_instance_metadata_options", {**one, "HttpTokens": "optional"}),
        ("create_replace_root_volume_task", one),
        ("create_image", {**one, "Name": f"stolen-{things.instance}"}),
        ("create_snapshot", {"VolumeId": things.volume}),
        ("monitor_instances", many),
        ("reboot_instances", many),
        ("create_launch_template_version", {**template, **_USER_DATA}),
        ("modify_launch_template", {**template, "DefaultVersion": "1"}),
        ("run_instances", {"LaunchTemplate": template, **number, "ImageId": things.image}),
        ("delete_launch_template", template),
        ("start_instances", many),
        ("stop_instances", many),
        ("terminate_instances", many),
    ]
    command = {**many, "DocumentName": "AWS-RunShellScript", "Parameters": {"commands": ["id"]}}
    connect = {**one, "InstanceOSUser": "root", "SSHPublicKey": "ssh-ed25519 " + "A" * 68}
    return [
        Ask("ssm", "send_command", command),
        Ask("ec2-instance-connect", "send_ssh_public_key", connect),
        *(Ask("ec2", method, given) for method, given in asks),
    ]


_USER_DATA = {"LaunchTemplateData": {"UserData": "IyEvYmluL2Jhc2g="}}


def parameters(things: Things) -> Sequence[Ask]:
    """Reads of the token and changes of parameters."""
    plain, secret = things.parameter, things.secret
    new = {"Value": "evil", "Type": "String", "Overwrite": True}
    tags = {"ResourceType": "Parameter", "ResourceId": plain}
    asks: Named = [
        ("get_parameter", {"Name": secret, "WithDecryption": True}),
        ("get_parameter", {"Name": secret}),
        ("get_parameters", {"Names": [secret]}),
        ("get_parameter_history", {"Name": secret, "WithDecryption": True}),
        (
            "get_parameters_by_path",
            {"Path": secret.rpartition("/")[0], "Recursive": True, "WithDecryption": True},
        ),
        ("get_parameters", {"Names": [plain]}),
        ("get_parameter_history", {"Name": plain}),
        ("get_parameters_by_path", {"Path": plain.rpartition("/")[0]}),
        ("add_tags_to_resource", {**tags, "Tags": [{"Key": "a", "Value": "b"}]}),
        ("label_parameter_version", {"Name": plain, "Labels": ["evil"]}),
        ("put_parameter", {"Name": plain, **new}),
        ("put_parameter", {"Name": f"{plain}-new", **new}),
        ("delete_parameter", {"Name": f"{plain}-new"}),
        ("put_parameter", {"Name": secret, **new, "Type": "SecureString"}),
        ("delete_parameters", {"Names": [plain]}),
        ("delete_parameter", {"Name": secret}),
    ]
    return [Ask("ssm", method, given) for method, given in asks]


def scripts(things: Things) -> Sequence[Ask]:
    """Changes of the object, and of the bucket around it."""
    bucket = {"Bucket": things.bucket}
    where = {**bucket, "Key": things.object}
    here = f"{things.bucket}/{things.object}"
    asks: Named = [
        ("put_object", {**where, "Body": b"#!/bin/bash\n# evil\n"}),
        ("copy_object", {**where, "CopySource": here, "MetadataDirective": "REPLACE"}),
        ("create_multipart_upload", where),
        ("put_object_tagging", {**where, "Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}}),
        ("put_object_acl", {**where, "ACL": "private"}),
        ("delete_objects", {**bucket, "Delete": {"Objects": [{"Key": things.object}]}}),
        ("put_object", {**bucket, "Key": f"{things.object}-2", "Body": b"#"}),
        ("put_bucket_versioning", {**bucket, "VersioningConfiguration": {"Status": "Suspended"}}),
        ("put_bucket_policy", {**bucket, "Policy": _for_all(things.bucket)}),
        ("delete_bucket_policy", bucket),
        ("delete_object", where),
        ("delete_object", {**bucket, "Key": f"{things.object}-2"}),
    ]
    return [Ask("s3", method, given) for method, given in asks]


def _for_all(bucket: str) -> str:
    where = f'"Resource": "arn:aws:s3:::{bucket}/*", "Principal": "*"'
    return EVERYTHING.replace('"Resource": "*"', where)


def functions(things: Things) -> Sequence[Ask]:
    """Changes of a function, of a layer, and of what wakes the function."""
    function = {"FunctionName": things.function}
    permission = {
        "StatementId": "evil",
        "Action": "lambda:InvokeFunction",
        "Principal": "s3.amazonaws.com",
    }
    layer = {"LayerName": things.layer}
    asks: Named = [
        ("get_function", function),
        ("get_function_configuration", function),
        ("update_function_code", {**function, "ZipFile": code()}),
        ("update_function_configuration", {**function, "Timeout": 1}),
        ("add_permission", {**function, **permission}),
        ("put_function_concurrency", {**function, "ReservedConcurrentExecutions": 0}),
        ("publish_layer_version", {**layer, "Content": {"ZipFile": code()}}),
        ("delete_layer_version", {**layer, "VersionNumber": 1}),
        ("create_event_source_mapping", {**function, "EventSourceArn": EVENTS_ARN}),
        ("delete_function", function),
    ]
    return [Ask("lambda", method, given) for method, given in asks]


def keys(things: Things) -> Sequence[Ask]:
    """The ciphertext made plain, or encrypted under a key of the attacker."""
    text = {"CiphertextBlob": things.ciphertext}
    other = {"SourceEncryptionContext": things.context, "DestinationKeyId": things.key}
    return [
        Ask("kms", "decrypt", {**text, "KeyId": things.key, "EncryptionContext": things.context}),
        Ask("kms", "re_encrypt", {**text, "SourceKeyId": things.key, **other}),
    ]


def surroundings(things: Things) -> Sequence[Ask]:
    """The stack, the queue of nudges, rules, logs, metrics and alarms."""
    stack = {"StackName": things.stack}
    queue = {"QueueUrl": things.queue}
    target = [{"Id": "evil", "Arn": EVENTS_ARN}]
    new = {"ChangeSetName": "evil", "TemplateBody": TEMPLATE}
    data = {"Namespace": things.namespace, "MetricData": [{"MetricName": "m", "Value": 1.0}]}
    log = {"logGroupName": things.log_group}
    return [
        Ask("cloudformation", "get_template", stack),
        Ask("cloudformation", "create_change_set", {**stack, **new}),
        Ask("cloudformation", "update_stack", {**stack, "TemplateBody": TEMPLATE}),
        Ask("cloudformation", "delete_stack", stack),
        Ask("sqs", "send_message", {**queue, "MessageBody": "{}"}),
        Ask("sqs", "receive_message", queue),
        Ask("sqs", "purge_queue", queue),
        Ask("sqs", "delete_queue", queue),
        Ask("events", "put_targets", {"Rule": things.rule, "Targets": target}),
        Ask("events", "disable_rule", {"Name": things.rule}),
        Ask("logs", "put_retention_policy", {**log, "retentionInDays": 1}),
        Ask("logs", "delete_log_group", log),
        Ask("cloudwatch", "put_metric_data", data),
        Ask("cloudwatch", "put_metric_alarm", {"AlarmName": things.alarm, **ALARM}),
        Ask("cloudwatch", "delete_alarms", {"AlarmNames": [things.alarm]}),
    ]


def of_iam(role: str) -> Sequence[Ask]:
    """Changes of IAM around a role, and new principals: no host may make one, on any role."""
    named = {"RoleName": role}
    all_rights = {"PolicyName": "all", "PolicyDocument": EVERYTHING}
    asks: Named = [
        ("put_role_policy", {**named, **all_rights}),
        ("delete_role_policy", {**named, "PolicyName": "all"}),
        (
            "attach_role_policy",
            {**named, "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
        ),
        (
            "detach_role_policy",
            {**named, "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
        ),
        ("update_assume_role_policy", {**named, "PolicyDocument": TRUSTS_THE_ACCOUNT}),
        ("tag_role", {**named, "Tags": [{"Key": "a", "Value": "b"}]}),
        ("create_role", {"RoleName": "another", "AssumeRolePolicyDocument": TRUSTS_THE_ACCOUNT}),
        ("create_policy", all_rights),
        ("create_user", {"UserName": "evil"}),
        ("create_access_key", {"UserName": "evil"}),
        ("create_instance_profile", {"InstanceProfileName": "another"}),
        (
            "add_role_to_instance_profile",
            {"InstanceProfileName": "another", "RoleName": "another"},
        ),
    ]
    return [Ask("iam", method, given) for method, given in asks]


def profiles(things: Things, association: str, profile: str) -> Sequence[Ask]:
    """Changes of the profile of an instance, and a launch with the profile: never for a host."""
    named = {"IamInstanceProfile": {"Arn": profile}}
    launch = {"ImageId": things.image, "MinCount": 1, "MaxCount": 1, "InstanceType": "m7i.large"}
    asks: Named = [
        ("replace_iam_instance_profile_association", {"AssociationId": association, **named}),
        ("disassociate_iam_instance_profile", {"AssociationId": association}),
        ("run_instances", {**launch, **named}),
    ]
    return [
        associate(things.instance, profile),
        *(Ask("ec2", method, given) for method, given in asks),
    ]


def associate(instance: str, profile: str) -> Ask:
    """A profile given to an instance."""
    given = {"InstanceId": instance, "IamInstanceProfile": {"Arn": profile}}
    return Ask("ec2", "associate_iam_instance_profile", given)


ON_THINGS: Mapping[str, Callable[[Things], Sequence[Ask]]] = {
    "rows": lambda things: [*rows(things.table), *streams(things), *table_control(things.table)],
    "instances": instances,
    "parameters": parameters,
    "scripts": scripts,
    "functions": functions,
    "keys": keys,
    "surroundings": surroundings,
}
"""By kind: calls that are refused on Mayfly's things, and pass on the attacker's."""


def _of_tags(things: Things) -> Sequence[Ask]:
    here = {"Resources": [things.instance]}
    stack = {"Key": "mayfly-stack"}
    return [
        Ask("ec2", "create_tags", {**here, "Tags": [{"Key": "mayfly-queue", "Value": "x"}]}),
        Ask("ec2", "delete_tags", {**here, "Tags": [stack]}),
    ]


def _of_configuration(things: Things) -> Sequence[Ask]:
    bundle = f"/mayfly-infra/{STACK}/bundle"
    queue = things.parameter.removesuffix("/pool/hot")
    new = {"Type": "String", "Overwrite": True}
    asks: Named = [
        ("put_parameter", {**new, "Name": bundle, "Value": "{}"}),
        ("delete_parameter", {"Name": bundle}),
        ("put_parameter", {**new, "Name": f"{queue}/bootstrap/script", "Value": "s3://evil/x.sh"}),
        ("put_parameter", {**new, "Name": f"{queue}/policy/rules/all", "Value": "branch=*"}),
    ]
    return [Ask("ssm", method, given) for method, given in asks]


ON_MAYFLYS: Mapping[str, Callable[[Things], Sequence[Ask]]] = {
    "instances": _of_tags,
    "parameters": _of_configuration,
    "scripts": lambda things: [Ask("s3", "delete_bucket", {"Bucket": things.bucket})],
    "functions": lambda things: [Ask("lambda", "invoke", {"FunctionName": things.function})],
}
"""By kind: further calls that are refused on Mayfly's things. On the attacker's they prove nothing:
no such thing exists there, or AWS refuses them for another reason."""

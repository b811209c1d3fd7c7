"""moto's internals that the lab calls, by name and parameters: a changed moto fails here."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.cloudwatch.models import CloudWatchBackend
from moto.core import parse, routing, serialize
from moto.core import utils as core_utils
from moto.core.base_backend import BackendDict
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.table import StreamRecord
from moto.dynamodb.responses import DynamoHandler
from moto.ec2.models import EC2Backend
from moto.ec2.models.amis import Ami
from moto.ec2.models.instances import Instance
from moto.ec2.utils import parse_user_data
from moto.events.models import EventPattern
from moto.iam.models import IAMBackend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.sqs.models import Queue, SQSBackend
from moto.ssm.models import SimpleSystemManagerBackend

# Each symbol with the parameters that the lab passes by name or position.
USED: list[tuple[Any, str, str]] = [
    (BackendDict, "reset", ""),
    (CloudWatchBackend, "put_metric_alarm", "name namespace metric_name comparison_operator"),
    (CloudWatchBackend, "put_metric_alarm", "metric_data_queries datapoints_to_alarm ok_actions"),
    (CloudWatchBackend, "put_metric_alarm", "insufficient_data_actions"),
    (DynamoDBBackend, "get_table", "table_name"),
    (DynamoDBBackend, "put_resource_policy", "resource_arn policy_doc expected_revision_id"),
    (DynamoDBBackend, "update_continuous_backups", "table_name point_in_time_spec"),
    (DynamoDBBackend, "update_time_to_live", "table_name ttl_spec"),
    (StreamRecord, "to_json", ""),
    (DynamoHandler, "dispatch", "args kwargs"),
    (
        EC2Backend,
        "authorize_security_group_egress",
        "group_name_or_id ip_protocol from_port to_port ip_ranges vpc_id",
    ),
    (EC2Backend, "run_instances", "image_id count user_data security_group_names kwargs"),
    (Ami, "__init__", "ec2_backend ami_id name owner_alias public architecture root_device_name"),
    (Instance, "start", ""),
    (Instance, "stop", ""),
    (Instance, "terminate", ""),
    (EventPattern, "load", "raw_pattern"),
    (EventPattern, "matches_event", "event"),
    (EventPattern, "get_pattern", ""),
    (IAMBackend, "attach_role_policy", "policy_arn role_name"),
    (LambdaBackend, "layers_versions_by_arn", "layer_version_arn"),
    (LambdaBackend, "list_event_source_mappings", "event_source_arn function_name"),
    (LambdaBackend, "put_function_event_invoke_config", "function_name config"),
    (LambdaFunction, "update_configuration", "config_updates"),
    (Queue, "wait_for_messages", "timeout"),
    (SQSBackend, "delete_message", "queue_name receipt_handle"),
    (SQSBackend, "get_queue", "queue_name"),
    (SQSBackend, "receive_message", "queue_name count wait_seconds_timeout visibility_timeout"),
    (SQSBackend, "send_message", "queue_name message_body"),
    (SimpleSystemManagerBackend, "get_parameter", "name"),
    (DomainDispatcherApplication, "__call__", "environ start_response"),
]


@pytest.mark.parametrize(
    ("owner", "name", "parameters"), USED, ids=lambda each: getattr(each, "__name__", str(each))
)
def test_moto_symbols_accept_the_labs_parameters(owner: Any, name: str, parameters: str) -> None:
    found = inspect.signature(getattr(owner, name)).parameters
    assert set(parameters.split()) <= found.keys()


def test_moto_has_a_parser_and_serializer_for_every_protocol() -> None:
    assert {"ec2", "json", "query", "rest-json", "rest-xml"} <= parse.PROTOCOL_PARSERS.keys()
    assert serialize.get_serializer_class("ec2", "ec2")
    assert routing.get_service_router("lambda")
    assert core_utils.get_service_model("ec2").operation_model("RunInstances")
    assert callable(create_backend_app)


def test_user_data_is_kept_in_base64() -> None:
    assert str(parse_user_data("ZWNobw==")) == "ZWNobw=="


def test_a_moto_queue_lists_its_receivable_messages() -> None:
    assert isinstance(inspect.getattr_static(Queue, "messages"), property)

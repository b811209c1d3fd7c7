"""Resource types that moto's CloudFormation lacks, or makes without their tags.

Each is created through moto's backend.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from moto.backends import get_backend
from moto.cloudformation import parsing
from moto.cloudwatch.models import Dimension, Metric, MetricDataQuery, MetricStat

from mayfly_lab.aws.patches import Patch

Properties = Mapping[str, Any]
Create = Callable[[Properties, str, Any, Any], str]
Remove = Callable[[str, str, str], None]


@dataclass(slots=True)
class Made:
    """A created resource, in the shape that moto's CloudFormation expects."""

    physical_resource_id: str
    attributes: Mapping[str, Any]
    remove: Callable[[str, str, str], None]
    """Called with physical id, account and region."""
    cf_resource_type: str = ""
    logical_resource_id: str = ""

    def is_created(self) -> bool:
        """True: creation takes no time."""
        return True

    def get_cfn_attribute(self, name: str) -> Any:
        """An attribute for `Fn::GetAtt`. Raises KeyError for unknown ones."""
        return self.attributes[name]

    def delete(self, account_id: str, region_name: str) -> None:
        """Delete the resource with its stack."""
        self.remove(self.physical_resource_id, account_id, region_name)


class Extension:
    """A resource type in the shape that moto's parser expects of its models."""

    def __init__(self, kind: str, name_property: str, create: Create, remove: Remove) -> None:
        self._kind = kind
        self._name_property = name_property
        self._create = create
        self._remove = remove

    def cloudformation_type(self) -> str:
        """The resource type, such as `AWS::CloudWatch::Alarm`."""
        return self._kind

    def cloudformation_name_type(self) -> str:
        """The property that names the resource."""
        return self._name_property

    def has_cfn_attr(self, attr: str) -> bool:
        """Whether `Fn::GetAtt` may name this attribute."""
        return attr == "Arn"

    def create_from_cloudformation_json(
        self,
        resource_name: str,
        cloudformation_json: Properties,
        account_id: str,
        region_name: str,
        **_: Any,
    ) -> Made:
        """Create the resource from its resolved properties."""
        properties = cloudformation_json["Properties"]
        arn = self._create(properties, resource_name, account_id, region_name)
        return Made(resource_name, {"Arn": arn}, self._remove)


def create_alarm(properties: Properties, name: str, account_id: str, region: str) -> str:
    """Create an `AWS::CloudWatch::Alarm`. Returns its ARN."""
    period = properties.get("Period")
    alarm = get_backend("cloudwatch")[account_id][region].put_metric_alarm(
        name=name,
        namespace=properties.get("Namespace"),
        metric_name=properties.get("MetricName"),
        comparison_operator=properties["ComparisonOperator"],
        evaluation_periods=int(properties["EvaluationPeriods"]),
        period=None if period is None else int(period),
        threshold=float(properties["Threshold"]),
        statistic=properties.get("Statistic"),
        metric_data_queries=[_query(each) for each in properties.get("Metrics", ())],
        description=properties.get("AlarmDescription", ""),
        dimensions=list(properties.get("Dimensions", ())),
        alarm_actions=list(properties.get("AlarmActions", ())),
        ok_actions=list(properties.get("OKActions", ())),
        insufficient_data_actions=list(properties.get("InsufficientDataActions", ())),
        datapoints_to_alarm=properties.get("DatapointsToAlarm"),
        treat_missing_data=properties.get("TreatMissingData"),
        tags=list(properties.get("Tags", ())),
    )
    alarm.state_value = "INSUFFICIENT_DATA"  # moto begins with OK
    return str(alarm.alarm_arn)


def create_dashboard(properties: Properties, name: str, account_id: str, region: str) -> str:
    """Create an `AWS::CloudWatch::Dashboard` with its tags, which moto leaves out. Its ARN."""
    backend = get_backend("cloudwatch")[account_id][region]
    board = backend.put_dashboard(name, properties["DashboardBody"])
    backend.tagger.tag_resource(board.arn, list(properties.get("Tags", ())))
    return str(board.arn)


def delete_dashboard(name: str, account_id: str, region: str) -> None:
    """Delete an `AWS::CloudWatch::Dashboard`."""
    get_backend("cloudwatch")[account_id][region].delete_dashboards([name])


def _query(given: Properties) -> MetricDataQuery:
    statistic = given.get("MetricStat")
    return MetricDataQuery(
        given["Id"],
        given.get("Label"),
        given.get("Period"),
        given.get("ReturnData", True),
        given.get("Expression"),
        statistic
        and MetricStat(
            Metric(
                statistic["Metric"]["MetricName"],
                statistic["Metric"]["Namespace"],
                [
                    Dimension(each["Name"], each["Value"])
                    for each in statistic["Metric"].get("Dimensions", ())
                ],
            ),
            statistic["Period"],
            statistic["Stat"],
            statistic.get("Unit"),
        ),
    )


def create_event_invoke_config(
    properties: Properties, name: str, account_id: str, region: str
) -> str:
    """Create an `AWS::Lambda::EventInvokeConfig`. Returns an id of function and name."""
    function = properties["FunctionName"]
    config = {
        key: properties[key]
        for key in ("MaximumEventAgeInSeconds", "MaximumRetryAttempts", "DestinationConfig")
        if key in properties
    }
    get_backend("lambda")[account_id][region].put_function_event_invoke_config(function, config)
    return f"{function}|{name}"


def create_queue_policy(properties: Properties, name: str, account_id: str, region: str) -> str:
    """Create an `AWS::SQS::QueuePolicy`: each queue gets the document. Returns the name."""
    document = json.dumps(properties["PolicyDocument"])
    for url in properties["Queues"]:
        queue = url.rpartition("/")[2]
        get_backend("sqs")[account_id][region].set_queue_attributes(queue, {"Policy": document})
    return name


def delete_alarm(name: str, account_id: str, region: str) -> None:
    """Delete an `AWS::CloudWatch::Alarm`."""
    get_backend("cloudwatch")[account_id][region].delete_alarms([name])


def goes_with_its_owner(_: str, __: str, ___: str) -> None:
    """Delete a part of a function or queue: no effect, moto deletes the part with its owner."""


EXTENSIONS = (
    Extension("AWS::CloudWatch::Alarm", "AlarmName", create_alarm, delete_alarm),
    Extension("AWS::CloudWatch::Dashboard", "DashboardName", create_dashboard, delete_dashboard),
    Extension(
        "AWS::Lambda::EventInvokeConfig", "", create_event_invoke_config, goes_with_its_owner
    ),
    Extension("AWS::SQS::QueuePolicy", "", create_queue_policy, goes_with_its_owner),
)


def patches() -> list[Patch]:
    """A patch that adds the extensions to the models of moto's parser."""
    stock: Callable[[], list[Any]] = parsing.get_model_list

    ours = {each.cloudformation_type() for each in EXTENSIONS}

    def get_model_list() -> list[Any]:
        others = (each for each in stock() if each.cloudformation_type() not in ours)
        return [*others, *EXTENSIONS]

    return [Patch(parsing, "get_model_list", get_model_list, "")]


def forget_models() -> None:
    """Clear the caches of moto's parser, so that it reads its list of models again."""
    parsing.get_model_map.cache_clear()
    parsing.get_name_type_map.cache_clear()

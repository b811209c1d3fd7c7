"""Resource types that moto's CloudFormation lacks. Each becomes what the API would make of it."""

from __future__ import annotations

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
    """A resource that was made; CloudFormation asks it for its id."""

    physical_resource_id: str
    attributes: Mapping[str, Any]
    remove: Callable[[str, str, str], None]
    """Called with physical id, account and region."""
    cf_resource_type: str = ""
    logical_resource_id: str = ""

    def is_created(self) -> bool:
        """Always: nothing here takes time."""
        return True

    def get_cfn_attribute(self, name: str) -> Any:
        """An attribute for `Fn::GetAtt`."""
        return self.attributes[name]

    def delete(self, account_id: str, region_name: str) -> None:
        """It goes when its stack is deleted."""
        self.remove(self.physical_resource_id, account_id, region_name)


class Extension:
    """A resource type in the shape that moto's parser expects of its models."""

    def __init__(self, kind: str, name_property: str, create: Create, remove: Remove) -> None:
        self._kind = kind
        self._name_property = name_property
        self._create = create
        self._remove = remove

    def cloudformation_type(self) -> str:
        """The resource type."""
        return self._kind

    def cloudformation_name_type(self) -> str:
        """The property that names the resource."""
        return self._name_property

    def has_cfn_attr(self, attr: str) -> bool:
        """Whether `Fn::GetAtt` may ask for it."""
        return attr == "Arn"

    def create_from_cloudformation_json(
        self,
        resource_name: str,
        cloudformation_json: Properties,
        account_id: str,
        region_name: str,
        **_: Any,
    ) -> Made:
        """Make the resource."""
        properties = cloudformation_json["Properties"]
        arn = self._create(properties, resource_name, account_id, region_name)
        return Made(resource_name, {"Arn": arn}, self._remove)


def create_alarm(properties: Properties, name: str, account_id: str, region: str) -> str:
    """`AWS::CloudWatch::Alarm`."""
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
        datapoints_to_alarm=properties.get("DatapointsToAlarm"),
        treat_missing_data=properties.get("TreatMissingData"),
    )
    return str(alarm.alarm_arn)


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
    """`AWS::Lambda::EventInvokeConfig`."""
    function = properties["FunctionName"]
    config = {
        key: properties[key]
        for key in ("MaximumEventAgeInSeconds", "MaximumRetryAttempts", "DestinationConfig")
        if key in properties
    }
    get_backend("lambda")[account_id][region].put_function_event_invoke_config(function, config)
    return f"{function}|{name}"


def delete_alarm(name: str, account_id: str, region: str) -> None:
    """The end of an `AWS::CloudWatch::Alarm`."""
    get_backend("cloudwatch")[account_id][region].delete_alarms([name])


def goes_with_its_function(_: str, __: str, ___: str) -> None:
    """The end of an `AWS::Lambda::EventInvokeConfig`: moto keeps it in the function itself."""


EXTENSIONS = (
    Extension("AWS::CloudWatch::Alarm", "AlarmName", create_alarm, delete_alarm),
    Extension(
        "AWS::Lambda::EventInvokeConfig", "", create_event_invoke_config, goes_with_its_function
    ),
)


def patches() -> list[Patch]:
    """Adds the extensions to the models that moto's parser knows."""
    stock: Callable[[], list[Any]] = parsing.get_model_list

    def get_model_list() -> list[Any]:
        return [*stock(), *EXTENSIONS]

    return [Patch(parsing, "get_model_list", get_model_list, "")]


def forget_models() -> None:
    """Have moto's parser look at its list of models again."""
    parsing.get_model_map.cache_clear()
    parsing.get_name_type_map.cache_clear()

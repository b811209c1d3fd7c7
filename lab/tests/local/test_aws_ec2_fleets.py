from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from local.aws_lab import FAST, a_lab, refused
from local.ec2_lab import Ec2Lab, ec2_lab
from local.waiting import eventually

LAUNCH: dict[str, Any] = {
    "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "l", "Value": "1"}]}]
}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ec2Lab]:
    with a_lab(tmp_path_factory.mktemp("lab"), FAST) as lab:
        yield ec2_lab(lab)


@pytest.fixture(autouse=True)
def clear_faults(cloud: Ec2Lab) -> Iterator[None]:
    yield
    cloud.lab.aws.faults.clear()


# ------------------------------------------------------------------ fleets


def ids_of(answer: dict[str, Any]) -> list[str]:
    return [each for entry in answer["Instances"] for each in entry["InstanceIds"]]


def test_the_instances_of_a_fleet_match_template_and_override(cloud: Ec2Lab) -> None:
    answer = cloud.fleet(2, pools=[("c7i.large", cloud.subnets[1])], **LAUNCH)
    assert answer["Errors"] == []
    entry = answer["Instances"][0]
    assert (entry["Lifecycle"], entry["InstanceType"]) == ("on-demand", "c7i.large")
    used = entry["LaunchTemplateAndOverrides"]
    assert used["LaunchTemplateSpecification"]["LaunchTemplateId"] == cloud.template
    assert used["Overrides"]["SubnetId"] == cloud.subnets[1]
    assert len(ids_of(answer)) == 2
    for instance_id in ids_of(answer):
        one = cloud.one(instance_id)
        tags = {tag["Key"]: tag["Value"] for tag in one["Tags"]}
        assert (tags["l"], tags["team"]) == ("1", "ci")
        assert tags["aws:ec2:fleet-id"] == answer["FleetId"]
        assert one["SubnetId"] == cloud.subnets[1]
        assert one["IamInstanceProfile"]["Arn"] == cloud.bootstrap


def test_a_fleet_uses_the_next_pool_if_one_has_no_capacity(cloud: Ec2Lab) -> None:
    cloud.lab.aws.faults.parse(f"no-capacity=m7i.large/{cloud.subnets[0]}")
    answer = cloud.fleet(
        2, pools=[("m7i.large", cloud.subnets[0]), ("m7i.large", cloud.subnets[1])]
    )
    error = answer["Errors"][0]
    assert error["ErrorCode"] == "InsufficientInstanceCapacity"
    assert error["LaunchTemplateAndOverrides"]["Overrides"]["SubnetId"] == cloud.subnets[0]
    assert {cloud.one(each)["SubnetId"] for each in ids_of(answer)} == {cloud.subnets[1]}


def test_a_fleet_without_any_capacity_succeeds_with_errors_only(cloud: Ec2Lab) -> None:
    cloud.lab.aws.faults.parse("no-capacity=*")
    pools = [("m7i.large", cloud.subnets[0]), ("c7i.large", cloud.subnets[1])]
    answer = cloud.fleet(3, pools=pools)
    assert answer["Instances"] == []
    assert [each["ErrorCode"] for each in answer["Errors"]] == ["InsufficientInstanceCapacity"] * 2


def test_run_instances_without_capacity_is_a_server_error(cloud: Ec2Lab) -> None:
    cloud.lab.aws.faults.parse("no-capacity=*/us-east-1a")
    template = {"LaunchTemplate": {"LaunchTemplateId": cloud.template}}
    code = refused(cloud.ec2.run_instances, MinCount=1, MaxCount=1, **template)
    assert code == ("InsufficientInstanceCapacity", 500)


def test_a_bad_override_is_an_error_of_its_pool_only(cloud: Ec2Lab) -> None:
    pools = [("m7g.large", cloud.subnets[0]), ("m7i.large", cloud.subnets[0])]
    answer = cloud.fleet(1, pools=pools)
    assert [each["ErrorCode"] for each in answer["Errors"]] == ["InvalidParameterValue"]
    assert len(ids_of(answer)) == 1


@pytest.mark.parametrize("priorities", [(2.0, 1.0), (1.0, 0.0), (None, 0.0), (None, 7.0)])
def test_a_prioritized_strategy_prefers_the_lowest_priority_and_none_last(
    cloud: Ec2Lab, priorities: tuple[float | None, float]
) -> None:
    first = {} if priorities[0] is None else {"Priority": priorities[0]}
    configs = [
        {
            "LaunchTemplateSpecification": {"LaunchTemplateId": cloud.template, "Version": "1"},
            "Overrides": [
                {"InstanceType": "m7i.large", "SubnetId": cloud.subnets[0], **first},
                {
                    "InstanceType": "c7i.large",
                    "SubnetId": cloud.subnets[0],
                    "Priority": priorities[1],
                },
            ],
        }
    ]
    answer = cloud.ec2.create_fleet(
        Type="instant",
        LaunchTemplateConfigs=configs,
        OnDemandOptions={"AllocationStrategy": "prioritized"},
        TargetCapacitySpecification={
            "TotalTargetCapacity": 1,
            "DefaultTargetCapacityType": "on-demand",
        },
    )
    assert answer["Instances"][0]["InstanceType"] == "c7i.large"


def test_a_diversified_fleet_spreads_over_its_pools(cloud: Ec2Lab) -> None:
    pools = [("m7i.large", subnet) for subnet in cloud.subnets[:2]]
    options = {"SpotOptions": {"AllocationStrategy": "diversified"}}
    answer = cloud.fleet(3, pools=pools, market="spot", **options)
    assert sorted(len(each["InstanceIds"]) for each in answer["Instances"]) == [1, 2]


def test_describe_names_the_lifecycle_of_spot_instances(cloud: Ec2Lab) -> None:
    answer = cloud.fleet(1, market="spot")
    one = cloud.one(ids_of(answer)[0])
    assert answer["Instances"][0]["Lifecycle"] == "spot"
    assert one["InstanceLifecycle"] == "spot"
    assert one["SpotInstanceRequestId"].startswith("sir-")


def test_a_minimum_that_cannot_be_met_launches_nothing(cloud: Ec2Lab) -> None:
    cloud.lab.aws.faults.parse("no-capacity=*")
    options = {"OnDemandOptions": {"MinTargetCapacity": 1, "SingleInstanceType": False}}
    assert cloud.fleet(2, **options)["Instances"] == []


@pytest.mark.parametrize(
    "options",
    [
        {"Type": "maintain"},
        {"OnDemandOptions": {"SingleAvailabilityZone": True}},
    ],
)
def test_unsupported_fleet_options_are_refused_with_a_reason(
    cloud: Ec2Lab, options: dict[str, Any]
) -> None:
    request = {
        "Type": "instant",
        "LaunchTemplateConfigs": [
            {"LaunchTemplateSpecification": {"LaunchTemplateId": cloud.template, "Version": "1"}}
        ],
        "TargetCapacitySpecification": {"TotalTargetCapacity": 1},
    }
    assert refused(cloud.ec2.create_fleet, **(request | options)) == ("NotImplemented", 501)


def test_a_fleet_with_a_deleted_template_is_refused_as_a_whole(cloud: Ec2Lab) -> None:
    request = {
        "Type": "instant",
        "LaunchTemplateConfigs": [
            {"LaunchTemplateSpecification": {"LaunchTemplateId": "lt-0000", "Version": "1"}}
        ],
        "TargetCapacitySpecification": {"TotalTargetCapacity": 1},
    }
    code = refused(cloud.ec2.create_fleet, **request)[0]
    assert code == "InvalidLaunchTemplateId.NotFound"


def test_an_instance_can_be_stillborn(cloud: Ec2Lab) -> None:
    cloud.lab.aws.faults.parse("stillborn=m7i.xlarge")
    instance_id = cloud.run(InstanceType="m7i.xlarge")[0]
    cloud.reaches(instance_id, "terminated")
    assert cloud.one(instance_id)["StateReason"]["Code"] == "Server.InternalError"
    assert instance_id not in {boot.instance_id for boot in cloud.lab.room.boots}


def test_request_spot_instances_is_refused_as_unsupported(cloud: Ec2Lab) -> None:
    specification = {"ImageId": cloud.image, "InstanceType": "m7i.large"}
    code = refused(cloud.ec2.request_spot_instances, LaunchSpecification=specification)[0]
    assert code == "UnsupportedOperation"


def test_many_instances_come_up_at_once(cloud: Ec2Lab) -> None:
    ids = ids_of(cloud.fleet(30))
    eventually(lambda: set(ids) <= cloud.lab.room.powered.keys())
    cloud.ec2.terminate_instances(InstanceIds=ids)
    eventually(lambda: not set(ids) & cloud.lab.room.powered.keys())


def test_a_repeated_fleet_request_gives_the_first_answer(cloud: Ec2Lab) -> None:
    first = cloud.fleet(2, ClientToken="fleet-1", **LAUNCH)
    again = cloud.fleet(2, ClientToken="fleet-1", **LAUNCH)
    assert (again["FleetId"], again["Instances"]) == (first["FleetId"], first["Instances"])
    with pytest.raises(cloud.ec2.exceptions.ClientError, match="IdempotentParameterMismatch"):
        cloud.fleet(3, ClientToken="fleet-1", **LAUNCH)

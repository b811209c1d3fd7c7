from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from local.aws_lab import FAST, a_lab, refused
from local.ec2_lab import Ec2Lab, ec2_lab
from local.waiting import eventually


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ec2Lab]:
    with a_lab(tmp_path_factory.mktemp("lab"), FAST) as lab:
        yield ec2_lab(lab)


def found(cloud: Ec2Lab, **filters: str) -> set[str]:
    names = {name.replace("__", ".").replace("_", "-"): value for name, value in filters.items()}
    answer = cloud.ec2.describe_instances(
        Filters=[{"Name": name, "Values": [value]} for name, value in names.items()]
    )
    return {
        instance["InstanceId"]
        for reservation in answer["Reservations"]
        for instance in reservation["Instances"]
    }


def tagged(key: str, value: str) -> dict[str, Any]:
    tags = [{"Key": key, "Value": value}]
    return {"TagSpecifications": [{"ResourceType": "instance", "Tags": tags}]}


def test_a_new_instance_is_missing_from_describe_during_the_fault(cloud: Ec2Lab) -> None:
    cloud.lab.aws.faults.parse("describe-lag=m7i.large,value=60m,count=1")
    instance_id = cloud.run(ClientToken="late")[0]
    code = refused(cloud.ec2.describe_instances, InstanceIds=[instance_id])[0]
    assert code == "InvalidInstanceID.NotFound"
    assert found(cloud, client_token="late") == set()
    cloud.lab.later(3600)
    assert found(cloud, client_token="late") == {instance_id}


def test_a_new_instance_appears_in_describe_after_the_stated_delay(cloud: Ec2Lab) -> None:
    world = cloud.lab.aws.ec2.life.world
    instance = cloud.lab.aws.ec2.get(cloud.run()[0])
    assert 0 <= world.clock() + world.delays.describe - instance.visible_at < 5


def test_an_instance_missing_from_describe_can_be_terminated(cloud: Ec2Lab) -> None:
    cloud.lab.aws.faults.parse("describe-lag=m7i.large,value=60m,count=1")
    instance_id = cloud.run()[0]
    cloud.ec2.terminate_instances(InstanceIds=[instance_id])
    eventually(lambda: cloud.lab.aws.ec2.get(instance_id).state == "terminated")


@pytest.fixture(scope="module")
def shown(cloud: Ec2Lab) -> str:
    """An instance with a value for every filter."""
    subnet: dict[str, Any] = {
        "ImageId": cloud.image,
        "InstanceType": "r7i.large",
        "SubnetId": cloud.subnets[1],
    }
    instance_id = cloud.run(
        LaunchTemplate={},
        ClientToken="shown",
        IamInstanceProfile={"Arn": cloud.sandbox},
        **subnet,
        **tagged("colour", "dark red"),
    )[0]
    eventually(lambda: cloud.lab.aws.ec2.get(instance_id).state == "running")
    eventually(lambda: found(cloud, client_token="shown"))
    return instance_id


@pytest.mark.parametrize(
    "filters",
    [
        {"instance_type": "r7i.large"},
        {"instance_type": "r7*"},
        {"instance_type": "r7i.larg?"},
        {"tag:colour": "dark red"},
        {"tag:colour": "dark *"},
        {"tag_key": "colour"},
        {"client_token": "shown"},
        {"availability_zone": "us-east-1b"},
        {"instance_state_name": "running", "instance_type": "r7i.large"},
        {"instance_state_code": "16", "client_token": "shown"},
    ],
)
def test_a_filter_finds_the_matching_instance(
    cloud: Ec2Lab, shown: str, filters: dict[str, str]
) -> None:
    assert found(cloud, **filters) == {shown}


def test_filters_by_unique_values_find_only_this_instance(cloud: Ec2Lab, shown: str) -> None:
    assert found(cloud, iam_instance_profile__arn=cloud.sandbox) == {shown}
    assert found(cloud, subnet_id=cloud.subnets[1]) == {shown}
    assert found(cloud, instance_id=shown) == {shown}


@pytest.mark.parametrize(
    "filters",
    [
        {"tag:colour": "dark"},
        {"tag:colour": "Dark red"},
        {"tag:colour": "[d]ark red"},
        {"instance_lifecycle": "spot"},
        {"instance_type": "r7i"},
    ],
)
def test_a_filter_omits_instances_with_similar_values(
    cloud: Ec2Lab, shown: str, filters: dict[str, str]
) -> None:
    assert shown not in found(cloud, **filters)


def test_an_unknown_filter_is_refused(cloud: Ec2Lab) -> None:
    filters = [{"Name": "colour", "Values": ["red"]}]
    code = refused(cloud.ec2.describe_instances, Filters=filters)[0]
    assert code == "InvalidParameterValue"


def test_the_page_size_counts_instances_and_not_reservations(cloud: Ec2Lab) -> None:
    ids = set(cloud.run(12, **tagged("page", "me")))
    filters = [{"Name": "tag:page", "Values": ["me"]}]
    eventually(lambda: found(cloud, **{"tag:page": "me"}) == ids)
    pages = list(
        cloud.ec2.get_paginator("describe_instances").paginate(
            Filters=filters, PaginationConfig={"PageSize": 5}
        )
    )
    sizes = [sum(len(r["Instances"]) for r in page["Reservations"]) for page in pages]
    assert sizes == [5, 5, 2]


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"InstanceIds": ["i-1"], "MaxResults": 5}, "InvalidParameterCombination"),
        ({"MaxResults": 3}, "InvalidParameterValue"),
        ({"MaxResults": 1001}, "InvalidParameterValue"),
        ({"NextToken": "nonsense"}, "InvalidParameterValue"),
        ({"InstanceIds": ["i-1"]}, "InvalidInstanceID.NotFound"),
    ],
)
def test_invalid_describe_parameters_are_refused(
    cloud: Ec2Lab, parameters: dict[str, Any], code: str
) -> None:
    assert refused(cloud.ec2.describe_instances, **parameters)[0] == code


def test_tags_are_read_by_resource_id_instead_of_a_scan_of_all_tags(cloud: Ec2Lab) -> None:
    instance = cloud.lab.aws.ec2.get(cloud.run(**tagged("fast", "yes"))[0]).moto
    assert "describe_tags" not in inspect.getsource(type(instance).get_tags)
    assert {"resource_id", "key", "value", "resource_type"} == set(instance.get_tags()[0])
    assert {tag["resource_type"] for tag in instance.get_tags()} == {"instance"}

"""The meaning of EC2's answers to a launch that a local EC2 does not give."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError, HTTPClientError, ReadTimeoutError
from botocore.stub import Stubber

from mayfly.adapters.aws.ec2 import Ec2Machines
from mayfly.answers import Bought, Launched
from mayfly.errors import MayflyError, Misconfigured, NoCapacity, Transient
from tests.unit.stubbed_ec2 import client

REQUEST = {
    "LaunchTemplateConfigs": [
        {"LaunchTemplateSpecification": {"LaunchTemplateId": "lt-1", "Version": "3"}}
    ],
    "TargetCapacitySpecification": {"TotalTargetCapacity": 2},
}
SENT = {**REQUEST, "Type": "instant", "ClientToken": "token-1"}


@pytest.fixture
def ec2() -> Iterator[Stubber]:
    with Stubber(client()) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def machines(ec2: Stubber) -> Ec2Machines:
    return Ec2Machines(client(), "ci")


def refused(code: str, message: str = "because") -> dict[str, str]:
    return {"ErrorCode": code, "ErrorMessage": message}


def launched(*ids: str) -> dict[str, list[str]]:
    return {"InstanceIds": list(ids)}


def test_the_recorded_request_is_sent_with_its_token(ec2: Stubber, machines: Ec2Machines) -> None:
    ec2.add_response("create_fleet", {"Instances": [launched("i-2"), launched("i-1")]}, SENT)
    answer = machines.create_fleet(json.dumps(REQUEST), "token-1")
    assert answer == Launched(("i-2", "i-1"), ())


def test_an_answer_tells_type_zone_and_market_of_each_instance(
    ec2: Stubber, machines: Ec2Machines
) -> None:
    pool = {"Overrides": {"InstanceType": "m7a.large", "SubnetId": "subnet-1"}}
    placed = {"Overrides": {"AvailabilityZone": "eu-central-1b"}}
    parts = [
        {**launched("i-1", "i-2"), "Lifecycle": "spot", "LaunchTemplateAndOverrides": pool},
        {
            **launched("i-3"),
            "Lifecycle": "on-demand",
            "InstanceType": "m7i.large",
            "LaunchTemplateAndOverrides": placed,
        },
        launched("i-4"),
    ]
    ec2.add_response("create_fleet", {"Instances": parts}, SENT)
    spot = Bought("m7a.large", "", "spot", "subnet-1")
    assert machines.create_fleet(json.dumps(REQUEST), "token-1") == Launched(
        ("i-1", "i-2", "i-3", "i-4"),
        (),
        {"i-1": spot, "i-2": spot, "i-3": Bought("m7i.large", "eu-central-1b", "on-demand")},
    )


def test_each_error_of_a_partial_launch_is_returned_once(
    ec2: Stubber, machines: Ec2Machines
) -> None:
    dry = refused("InsufficientInstanceCapacity", "no m7i.large in eu-central-1a")
    answer = {"Instances": [launched("i-1")], "Errors": [dry, dry, refused("VcpuLimitExceeded")]}
    ec2.add_response("create_fleet", answer, SENT)
    assert machines.create_fleet(json.dumps(REQUEST), "token-1") == Launched(
        ("i-1",),
        (
            "InsufficientInstanceCapacity: no m7i.large in eu-central-1a",
            "VcpuLimitExceeded: because",
        ),
    )


def dry(pool: str, code: str = "InsufficientInstanceCapacity", **changes: Any) -> dict[str, Any]:
    """An error about one pool, as an instant fleet reports it."""
    kind, _, subnet = pool.partition("/")
    named = {"Overrides": {"InstanceType": kind, "SubnetId": subnet}}
    error = {**refused(code), "Lifecycle": "spot", "LaunchTemplateAndOverrides": named}
    return {**error, **changes}


ONE, OTHER = "m7i.large/subnet-0a", "m6i.large/subnet-0b"


@pytest.mark.parametrize(
    ("errors", "named"),
    [
        ([dry(ONE), dry(OTHER, "UnfulfillableCapacity"), dry(ONE)], {ONE, OTHER}),
        ([dry(ONE, Lifecycle="on-demand")], set()),
        ([dry(ONE, "MaxSpotInstanceCountExceeded")], set()),
        (
            [dry(ONE, LaunchTemplateAndOverrides={"Overrides": {"InstanceType": "m7i.large"}})],
            set(),
        ),
        ([refused("InsufficientInstanceCapacity")], set()),
    ],
)
@pytest.mark.parametrize("ids", [(), ("i-1",)])
def test_pools_of_spot_that_are_dry_are_named(
    ec2: Stubber,
    machines: Ec2Machines,
    errors: list[dict[str, Any]],
    named: set[str],
    ids: tuple[str, ...],
) -> None:
    instances = [launched(*ids)] if ids else []
    ec2.add_response("create_fleet", {"Instances": instances, "Errors": errors}, SENT)
    if ids:
        assert machines.create_fleet(json.dumps(REQUEST), "token-1").dry == named
        return
    with pytest.raises(NoCapacity) as nothing:
        machines.create_fleet(json.dumps(REQUEST), "token-1")
    assert nothing.value.dry == named


@pytest.mark.parametrize(
    ("codes", "error"),
    [
        (["InsufficientInstanceCapacity"], NoCapacity),
        (["InsufficientInstanceCapacity", "UnfulfillableCapacity"], NoCapacity),
        (["MaxSpotInstanceCountExceeded"], NoCapacity),
        (["VcpuLimitExceeded"], NoCapacity),
        (["InsufficientFreeAddressesInSubnet"], NoCapacity),
        (["Unsupported"], NoCapacity),
        # EC2 repeats its answer to a token, so a repetition would change nothing.
        (["InsufficientInstanceCapacity", "RequestLimitExceeded"], NoCapacity),
        (["InternalError"], NoCapacity),
        ([], NoCapacity),
        (["InvalidLaunchTemplateId.NotFound"], Misconfigured),
        (["InsufficientInstanceCapacity", "InvalidAMIID.NotFound"], Misconfigured),
        (["UnauthorizedOperation"], Misconfigured),
        (["InvalidParameterValue"], Misconfigured),
        (["AuthFailure.ServiceLinkedRoleCreationNotPermitted"], Misconfigured),
    ],
)
def test_a_launch_of_no_instance_raises_with_every_reason(
    ec2: Stubber, machines: Ec2Machines, codes: list[str], error: type[MayflyError]
) -> None:
    answer = {"Instances": [], "Errors": [refused(code) for code in codes]}
    ec2.add_response("create_fleet", answer, SENT)
    with pytest.raises(error) as caught:
        machines.create_fleet(json.dumps(REQUEST), "token-1")
    assert type(caught.value) is error
    for code in codes:
        assert f"{code}: because" in str(caught.value)


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("InsufficientInstanceCapacity", 500, NoCapacity),
        ("RequestLimitExceeded", 503, Transient),
        ("Unavailable", 503, Transient),
        ("SomethingNew", 500, Transient),
        ("IdempotentParameterMismatch", 400, Misconfigured),
        ("InvalidLaunchTemplateId.NotFound", 400, Misconfigured),
        ("UnauthorizedOperation", 403, Misconfigured),
        ("SomethingNew", 400, Misconfigured),
    ],
)
def test_a_refused_launch_raises_by_its_code(
    ec2: Stubber, machines: Ec2Machines, code: str, status: int, error: type[MayflyError]
) -> None:
    ec2.add_client_error("create_fleet", code, "because", status, expected_params=SENT)
    with pytest.raises(error) as caught:
        machines.create_fleet(json.dumps(REQUEST), "token-1")
    assert type(caught.value) is error
    assert code in str(caught.value)


@pytest.mark.parametrize("kind", [ReadTimeoutError, ConnectTimeoutError])
def test_a_launch_without_answer_is_transient(kind: type[HTTPClientError]) -> None:
    class Silent:
        def create_fleet(self, **request: object) -> None:
            raise kind(endpoint_url="https://ec2.eu-central-1.amazonaws.com")

    with pytest.raises(Transient):
        Ec2Machines(Silent(), "ci").create_fleet(json.dumps(REQUEST), "token-1")  # type: ignore[arg-type] # one method is enough


def test_the_message_of_a_failed_launch_has_fewer_than_400_characters(
    ec2: Stubber, machines: Ec2Machines
) -> None:
    errors = [refused("InsufficientInstanceCapacity", f"pool {number}") for number in range(300)]
    ec2.add_response("create_fleet", {"Instances": [], "Errors": errors}, SENT)
    with pytest.raises(NoCapacity) as caught:
        machines.create_fleet(json.dumps(REQUEST), "token-1")
    assert "pool 0" in str(caught.value)
    assert len(str(caught.value)) < 400

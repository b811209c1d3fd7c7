"""EC2's refusals of launches reach the job's page, the log and the claim, each in its words."""

from __future__ import annotations

import pytest

from mayfly.errors import Misconfigured, NoCapacity
from tests.unit.world import wanting

LIMIT = "your current vCPU limit of 32"
REFUSALS_OF_EC2 = {
    "InvalidAMIID.NotFound": Misconfigured(
        "An error occurred (InvalidAMIID.NotFound) when calling the CreateFleet operation: "
        "The image id '[ami-1]' does not exist"
    ),
    "VcpuLimitExceeded": NoCapacity(
        "InsufficientInstanceCapacity: none; VcpuLimitExceeded: You have requested more vCPU "
        f"capacity than {LIMIT} allows"
    ),
    "UnauthorizedOperation": Misconfigured(
        "An error occurred (UnauthorizedOperation) when calling the CreateFleet operation: "
        "User: arn:aws:sts::123456789012:assumed-role/provision is not authorized"
    ),
    "Unsupported": NoCapacity("Unsupported: not supported in your requested Availability Zone"),
}


@pytest.mark.parametrize("code", REFUSALS_OF_EC2)
def test_a_refusal_that_no_capacity_mends_is_told_by_its_code_alone(code: str) -> None:
    world = wanting("job-1")
    world.machines.fail_next("create_fleet", REFUSALS_OF_EC2[code], times=9)
    world.provision()
    world.after(seconds=20).provision()
    world.provision()
    for _ in range(3):
        world.after(seconds=20).dispatch()
    (note,) = world.buildkite.known["job-1"].notes
    assert note.startswith(
        f"Waiting: EC2 refuses to launch m7i.large or m6i.large, on-demand: {code}, tried "
    )
    assert "arn:" not in note


def test_a_zone_without_the_type_hides_no_lack_of_capacity_in_the_other_zones() -> None:
    world = wanting("job-1")
    words = "Unsupported: not in this zone; InsufficientInstanceCapacity: none"
    world.machines.fail_next("create_fleet", NoCapacity(words), times=9)
    for _ in range(2):
        world.provision()
    for _ in range(3):
        world.after(seconds=20).dispatch()
    (note,) = world.buildkite.known["job-1"].notes
    assert note.startswith("Waiting: EC2 has no m7i.large or m6i.large, on-demand now, tried once")


def test_a_lack_of_capacity_is_told_with_the_zones_that_ec2_names() -> None:
    world = wanting("job-1")
    here, there = (f"no capacity in the Availability Zone eu-west-1{zone}" for zone in "ab")
    words = "; ".join(f"InsufficientInstanceCapacity: {each}" for each in (here, there, here))
    world.machines.fail_next("create_fleet", NoCapacity(words), times=9)
    for _ in range(2):
        world.provision()
    for _ in range(3):
        world.after(seconds=20).dispatch()
    (note,) = world.buildkite.known["job-1"].notes
    types, zones = "m7i.large or m6i.large, on-demand", "eu-west-1a, eu-west-1b"
    assert note.startswith(f"Waiting: EC2 has no {types} in {zones} now, tried once")


def test_the_warning_of_a_back_off_and_the_claim_of_a_long_wait_have_ec2s_words() -> None:
    world = wanting("job-1")
    world.machines.fail_next("create_fleet", REFUSALS_OF_EC2["VcpuLimitExceeded"], times=99)
    for _ in range(8):
        outcome = world.provision()
        world.after(seconds=9).dispatch()
    assert any(LIMIT in each.line for each in outcome.held.values())
    for _ in range(20):
        world.after(3.5).dispatch()
        world.provision()
    why = world.claim("job-1").why
    assert why is not None
    assert LIMIT in why.detail

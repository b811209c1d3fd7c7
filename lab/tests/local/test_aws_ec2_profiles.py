from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from local.aws_lab import FAST, a_lab, refused
from local.ec2_lab import Ec2Lab, ec2_lab
from mayfly_lab.aws.ec2.moments import Aspect
from mayfly_lab.contracts import InstanceView

# Long delays, so each moment can be checked: the tests advance the clock.
MINUTE = 60.0
SLOW = replace(FAST, association=MINUTE, imds_swap=MINUTE, imds_linger=MINUTE)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ec2Lab]:
    with a_lab(tmp_path_factory.mktemp("lab"), SLOW) as lab:
        yield ec2_lab(lab)


@pytest.fixture(autouse=True)
def clear_faults(cloud: Ec2Lab) -> Iterator[None]:
    yield
    cloud.lab.aws.faults.clear()


@pytest.fixture
def view(cloud: Ec2Lab) -> InstanceView:
    return cloud.lab.room.view


def role_served(view: InstanceView, instance_id: str) -> str | None:
    served = view.profile(instance_id)
    return None if served is None else served.role_name


# ------------------------------------------------------------------ the API


def test_a_launched_instance_has_one_association(cloud: Ec2Lab) -> None:
    instance_id = cloud.running()[0]
    (association, profile, state) = cloud.associations(instance_id)[0]
    assert (profile, state) == (cloud.bootstrap, "associating")
    cloud.lab.later(MINUTE)
    assert cloud.associations(instance_id) == [(association, cloud.bootstrap, "associated")]


def test_replacing_a_profile_creates_a_new_association_and_ends_the_old(cloud: Ec2Lab) -> None:
    instance_id = cloud.running()[0]
    old = cloud.associations(instance_id)[0][0]
    new = cloud.replace(instance_id, cloud.sandbox)
    assert new != old
    assert [(each[0], each[2]) for each in cloud.associations(instance_id)] == [
        (old, "disassociating"),
        (new, "associating"),
    ]
    cloud.lab.later(MINUTE)
    assert cloud.associations(instance_id) == [(new, cloud.sandbox, "associated")]
    assert cloud.one(instance_id)["IamInstanceProfile"]["Arn"] == cloud.sandbox


def test_a_replaced_association_cannot_be_replaced_again(cloud: Ec2Lab) -> None:
    instance_id = cloud.running()[0]
    old = cloud.associations(instance_id)[0][0]
    cloud.replace(instance_id, cloud.sandbox)
    code = refused(
        cloud.ec2.replace_iam_instance_profile_association,
        AssociationId=old,
        IamInstanceProfile={"Arn": cloud.sandbox},
    )[0]
    assert code == "InvalidAssociationID.NotFound"


def test_an_unknown_profile_is_refused(cloud: Ec2Lab) -> None:
    instance_id = cloud.running()[0]
    code = refused(
        cloud.ec2.replace_iam_instance_profile_association,
        AssociationId=cloud.associations(instance_id)[0][0],
        IamInstanceProfile={"Name": "nobody"},
    )[0]
    assert code == "InvalidParameterValue"


def test_a_second_profile_is_refused(cloud: Ec2Lab) -> None:
    instance_id = cloud.running()[0]
    code = refused(
        cloud.ec2.associate_iam_instance_profile,
        InstanceId=instance_id,
        IamInstanceProfile={"Arn": cloud.sandbox},
    )[0]
    assert code == "IncorrectState"


def test_a_stopped_instance_can_be_disassociated_and_associated(cloud: Ec2Lab) -> None:
    instance_id = cloud.running()[0]
    cloud.ec2.stop_instances(InstanceIds=[instance_id])
    cloud.reaches(instance_id, "stopped")
    old = cloud.associations(instance_id)[0][0]
    cloud.ec2.disassociate_iam_instance_profile(AssociationId=old)
    assert "IamInstanceProfile" not in cloud.one(instance_id)
    cloud.ec2.associate_iam_instance_profile(
        InstanceId=instance_id, IamInstanceProfile={"Arn": cloud.sandbox}
    )
    assert cloud.one(instance_id)["IamInstanceProfile"]["Arn"] == cloud.sandbox


def test_a_terminated_instance_has_no_association(cloud: Ec2Lab) -> None:
    instance_id = cloud.running()[0]
    cloud.ec2.terminate_instances(InstanceIds=[instance_id])
    cloud.reaches(instance_id, "terminated")
    assert cloud.associations(instance_id) == []
    assert "IamInstanceProfile" not in cloud.one(instance_id)
    code = refused(
        cloud.ec2.associate_iam_instance_profile,
        InstanceId=instance_id,
        IamInstanceProfile={"Arn": cloud.sandbox},
    )[0]
    assert code == "IncorrectState"


def test_associations_can_be_described_by_id_and_state(cloud: Ec2Lab) -> None:
    instance_id = cloud.running()[0]
    association = cloud.associations(instance_id)[0][0]
    describe = cloud.ec2.describe_iam_instance_profile_associations
    by_id = describe(AssociationIds=[association])["IamInstanceProfileAssociations"]
    assert [each["InstanceId"] for each in by_id] == [instance_id]
    filters = [{"Name": "state", "Values": ["disassociating"]}]
    found = describe(Filters=filters)["IamInstanceProfileAssociations"]
    assert instance_id not in {each["InstanceId"] for each in found}
    assert refused(describe, Filters=[{"Name": "colour", "Values": ["red"]}])[0] == (
        "InvalidParameterValue"
    )


# ------------------------------------------------------------------ IMDS


def test_imds_serves_a_replaced_profile_after_a_delay(cloud: Ec2Lab, view: InstanceView) -> None:
    instance_id = cloud.running()[0]
    assert role_served(view, instance_id) == "bootstrap"
    cloud.replace(instance_id, cloud.sandbox)
    assert role_served(view, instance_id) == "bootstrap"
    assert view.stale_roles(instance_id) == {}
    cloud.lab.later(MINUTE)
    assert role_served(view, instance_id) == "sandbox"
    served = view.profile(instance_id)
    assert served is not None
    assert served.profile_arn == cloud.sandbox
    assert served.profile_id.startswith("AIPA")


def test_imds_serves_the_old_roles_credentials_by_name_for_a_while(
    cloud: Ec2Lab, view: InstanceView
) -> None:
    instance_id = cloud.running()[0]
    before = view.profile(instance_id)
    assert before is not None
    cloud.replace(instance_id, cloud.sandbox)
    cloud.lab.later(MINUTE)
    assert view.stale_roles(instance_id) == {"bootstrap": before.keys}
    cloud.lab.later(MINUTE)
    assert view.stale_roles(instance_id) == {}


def test_issued_credentials_still_work_after_the_profile_is_replaced(
    cloud: Ec2Lab, view: InstanceView
) -> None:
    instance_id = cloud.running()[0]
    before = view.profile(instance_id)
    assert before is not None
    cloud.replace(instance_id, cloud.sandbox)
    cloud.lab.later(MINUTE)
    assert role_served(view, instance_id) == "sandbox"
    identity = cloud.lab.client("sts", before.keys).get_caller_identity()
    assert identity["Arn"].endswith(f":assumed-role/bootstrap/{instance_id}")


def test_an_instance_is_known_by_role_and_instance_id(cloud: Ec2Lab, view: InstanceView) -> None:
    instance_id = cloud.running()[0]
    served = view.profile(instance_id)
    assert served is not None
    role = cloud.lab.client("iam").get_role(RoleName="bootstrap")["Role"]
    identity = cloud.lab.client("sts", served.keys).get_caller_identity()
    assert identity["UserId"] == f"{role['RoleId']}:{instance_id}"


def test_imds_serves_the_same_credentials_until_minutes_before_their_expiry(
    cloud: Ec2Lab, view: InstanceView
) -> None:
    instance_id = cloud.running()[0]
    first, second = view.profile(instance_id), view.profile(instance_id)
    assert first == second
    lifetime = cloud.lab.aws.config.credentials_lifetime
    cloud.lab.later((lifetime - timedelta(minutes=4)).total_seconds())
    third = view.profile(instance_id)
    assert first is not None
    assert third is not None
    assert third.keys.access_key != first.keys.access_key


def test_without_a_profile_or_power_imds_has_none(cloud: Ec2Lab, view: InstanceView) -> None:
    bare = cloud.running(LaunchTemplate={}, ImageId=cloud.image, InstanceType="m7i.large")[0]
    assert view.profile(bare) is None
    cloud.ec2.associate_iam_instance_profile(
        InstanceId=bare, IamInstanceProfile={"Arn": cloud.sandbox}
    )
    assert role_served(view, bare) == "sandbox"
    cloud.ec2.disassociate_iam_instance_profile(AssociationId=cloud.associations(bare)[-1][0])
    cloud.lab.later(MINUTE)
    assert view.profile(bare) is None


def test_imds_can_be_slow_and_can_be_stuck(cloud: Ec2Lab, view: InstanceView) -> None:
    slow, stuck = cloud.running(2)
    cloud.lab.aws.faults.parse("imds-lag=m7i.large,value=0ms")
    cloud.replace(slow, cloud.sandbox)
    assert role_served(view, slow) == "sandbox"
    cloud.lab.aws.faults.parse("imds-stuck=m7i.large")
    cloud.replace(stuck, cloud.sandbox)
    cloud.lab.later(MINUTE)
    assert cloud.associations(stuck)[-1][2] == "associated"
    assert role_served(view, stuck) == "bootstrap"


def test_the_moments_name_the_profile_of_the_api_and_of_imds(cloud: Ec2Lab) -> None:
    instance_id = cloud.running()[0]
    cloud.replace(instance_id, cloud.sandbox)
    told = [
        (each.aspect, each.value)
        for each in cloud.lab.aws.moments.of(instance_id)
        if each.aspect in {Aspect.PROFILE, Aspect.IMDS}
    ]
    assert told == [
        (Aspect.IMDS, cloud.bootstrap),
        (Aspect.PROFILE, cloud.bootstrap),
        (Aspect.PROFILE, cloud.sandbox),
        (Aspect.IMDS, cloud.sandbox),
    ]

"""The host's client of the metadata service against AWS's own metadata mock, and the lab's.

The mock serves the same instance as the lab's service, so each expectation holds for both.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from judges.metadata_mock import running, values_of
from judges.tools import MissingToolError
from local.machine_kit import ACCOUNT, INSTANCE, a_boot, a_profile
from local.test_imds_contract import Imds as LabService
from mayfly_instance.clock import Clock
from mayfly_instance.imds import Imds, ImdsAbsent, ImdsError
from mayfly_instance.keys import Keys
from mayfly_instance.notices import notice_in_metadata, stop_time
from mayfly_instance.scrub import Scrubber

WHEN = datetime(2036, 1, 2, 3, 4, 5, tzinfo=UTC)
NOTICE = "2036-01-02T03:04:05Z"
NEVER = ("--mock-delay-sec", "1000000")
ROLE = "bootstrap-role"
PROFILE = a_profile("bootstrap")


@pytest.fixture(params=["AWS's mock", "the lab"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Imds]:
    """The client of a service that announces no interruption; the mock recommends a rebalance."""
    yield from the_service(request.param, tmp_path, announced=False)


@pytest.fixture(params=["AWS's mock", "the lab"])
def announcing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Imds]:
    """The client of a service that announces an interruption at WHEN."""
    yield from the_service(request.param, tmp_path, announced=True)


def the_service(name: str, folder: Path, *, announced: bool) -> Iterator[Imds]:
    if name == "the lab":
        lab = LabService()
        lab.ec2.profiles[INSTANCE] = PROFILE
        lab.ec2.interruption = WHEN if announced else None
        yield Imds(lab.doors.urls[0], Clock(), 5)
        lab.doors.stop()
        return
    config = values_of(a_boot(b"#!/bin/sh\n"), PROFILE, "ip-10-0-3-7.ec2.internal", ACCOUNT)
    config["spot"] = {"time": NOTICE}
    try:
        with running(folder, config, *(() if announced else NEVER)) as url:
            yield Imds(url, Clock(), 5)
    except MissingToolError as error:
        pytest.skip(str(error))


def test_the_client_reads_plain_values_and_listings(service: Imds) -> None:
    session = service.session()
    assert session.get("instance-id") == INSTANCE
    assert session.get("placement/region") == "eu-central-1"
    assert session.get("iam/security-credentials/").split() == [ROLE]


def test_the_client_reads_the_profile(service: Imds) -> None:
    info = service.session().get_json("iam/info")
    assert (info["Code"], info["InstanceProfileArn"]) == ("Success", PROFILE.profile_arn)


def test_the_client_reads_credentials_once_while_they_are_fresh(service: Imds) -> None:
    keys = Keys(service, ROLE, Clock(), Scrubber())
    found = keys.current()
    assert (found.access_key, found.secret_key) == (PROFILE.keys.access_key, "secret-bootstrap")
    assert abs(found.expires - PROFILE.keys.expires) < timedelta(seconds=1)
    assert keys.current() is found


def test_the_client_names_a_missing_role_as_absent(service: Imds) -> None:
    with pytest.raises(ImdsAbsent):
        service.session().credentials("sandbox-role")


def test_a_call_without_a_token_is_an_error_that_is_not_absence(service: Imds) -> None:
    with pytest.raises(ImdsError, match="401") as raised:
        service.request("GET", "/latest/meta-data/instance-id", {})
    assert not isinstance(raised.value, ImdsAbsent)


def test_a_refused_time_to_live_is_an_error(service: Imds) -> None:
    with pytest.raises(ImdsError, match="400"):
        service.request(
            "PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "21601"}
        )


def test_no_notice_is_found_before_an_interruption_even_if_a_rebalance_is_recommended(
    service: Imds,
) -> None:
    assert notice_in_metadata(service) is None


def test_a_notice_is_found_and_its_time_is_when_the_job_stops(announcing: Imds) -> None:
    notice = notice_in_metadata(announcing)
    assert notice == NOTICE
    assert stop_time(notice, datetime.now(UTC), 30) == WHEN - timedelta(seconds=30)
    assert announcing.session().get("spot/termination-time") == NOTICE

"""Faults of the metadata service: slow, silent, failing, or flapping between two profiles."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from local.machine_kit import INSTANCE, a_profile
from local.test_imds_contract import TTL, Imds

ROLE = "meta-data/iam/security-credentials/"


@pytest.fixture
def imds() -> Iterator[Imds]:
    found = Imds()
    yield found
    found.doors.stop()


def test_imds_answers_with_the_delay_of_its_fault(imds: Imds) -> None:
    token = imds.token()
    imds.faults.parse(f"imds-slow={INSTANCE},value=200ms")
    began = time.monotonic()
    assert imds.get("meta-data/ami-id", token)[0] == 200
    assert time.monotonic() - began >= 0.2


def test_a_silent_imds_never_answers(imds: Imds) -> None:
    imds.faults.set("imds-silent", "m7i.*")
    with pytest.raises(TimeoutError):
        imds.ask("PUT", "/latest/api/token", {TTL: "60"}, seconds=0.2)


def test_clients_of_a_silent_imds_are_disconnected_at_power_off(imds: Imds) -> None:
    imds.faults.set("imds-silent")
    with pytest.raises(TimeoutError):
        imds.ask("PUT", "/latest/api/token", {TTL: "60"}, seconds=0.1)
    began = time.monotonic()
    imds.doors.stop()
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(("value", "status"), [("", 500), ("404", 404), ("503", 503)])
def test_imds_fails_for_the_number_of_calls_of_its_fault(
    imds: Imds, value: str, status: int
) -> None:
    imds.faults.set("imds-error", INSTANCE, value=value, count=2)
    asked = [imds.ask("PUT", "/latest/api/token", {TTL: "60"})[0] for _ in range(3)]
    assert asked == [status, status, 200]


def test_a_flapping_imds_serves_the_old_and_the_new_profile_in_turn(imds: Imds) -> None:
    imds.faults.set("imds-flapping", INSTANCE)
    token = imds.token()
    assert [imds.get(ROLE, token)[1] for _ in range(2)] == ["bootstrap-role"] * 2
    imds.ec2.profiles[INSTANCE] = a_profile("sandbox")
    shown = [imds.get(ROLE, token)[1] for _ in range(4)]
    assert shown == ["bootstrap-role", "sandbox-role"] * 2


def test_a_split_imds_serves_the_old_role_with_the_new_profile(imds: Imds) -> None:
    imds.faults.set("imds-split", INSTANCE)
    token = imds.token()
    assert imds.get(ROLE, token)[1] == "bootstrap-role"
    imds.ec2.profiles[INSTANCE] = a_profile("sandbox")
    assert "sandbox" in imds.get("meta-data/iam/info", token)[1]
    assert imds.get(ROLE, token)[1] == "bootstrap-role"
    imds.faults.clear()
    assert imds.get(ROLE, token)[1] == "sandbox-role"


def test_an_imds_fault_for_another_instance_changes_nothing(imds: Imds) -> None:
    imds.faults.set("imds-silent", "i-other")
    assert imds.get("meta-data/instance-id") == (200, INSTANCE)

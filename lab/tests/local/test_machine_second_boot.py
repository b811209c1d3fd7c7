"""The real supervisor at a second power-on, after EC2 stopped its idle instance."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from local.host_cloud import JOB
from local.machine_kit import INSTANCE, a_profile
from local.stopped_kit import SECOND, Stopped, a_stopped_instance
from mayfly_lab.machines.ground import Ground


@pytest.fixture
def stopped(ground: Ground) -> Iterator[Stopped]:
    with a_stopped_instance(ground) as found:
        yield found


def test_a_stopped_instance_runs_a_job_by_an_order_without_a_second_set_up(
    stopped: Stopped,
) -> None:
    stopped.order()
    console = stopped.start()
    assert stopped.cloud.phases() == SECOND, console
    assert stopped.cloud.told["arguments"] == f"start --acquire-job {JOB}"
    assert stopped.cloud.told["imds"] == "000", "the job must not reach IMDS"
    assert {report["start"] for _, report in stopped.cloud.reports} == {1}
    assert "fetching the bundle" not in console
    assert stopped.cloud.services == [], "masked services stay masked"


def test_the_stop_of_an_idle_instance_is_no_failure(stopped: Stopped) -> None:
    assert "and the host had no job" in stopped.first
    assert stopped.end == "the machine is going down"
    assert "FAILED" not in stopped.first


def test_a_second_boot_without_an_order_powers_off(stopped: Stopped) -> None:
    console = stopped.start()
    assert stopped.cloud.phases() == [("AROASANDBOX", "failed")], console
    assert "there is no order to start" in stopped.cloud.reports[-1][1]["reason"]


def test_a_second_boot_with_the_bootstrap_profile_powers_off_without_a_report(
    stopped: Stopped,
) -> None:
    stopped.order()
    stopped.bench.ec2.profiles[INSTANCE] = a_profile("bootstrap")
    console = stopped.start()
    assert stopped.cloud.reports == []
    assert "although this boot is not the first" in console


def test_a_second_boot_proves_itself_within_two_seconds_of_the_supervisors_start(
    stopped: Stopped,
) -> None:
    """Ten seconds here, because tests run on busy machines; the duration is in the output."""
    stopped.order()
    proven: list[float] = []
    stopped.cloud.on_phase["sandboxed"] = lambda: proven.append(time.monotonic())
    began = time.monotonic()
    stopped.start()
    print(f"power-on to sandboxed: {proven[0] - began:.2f} s")
    assert proven[0] - began < 10

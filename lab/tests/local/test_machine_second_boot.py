"""The real supervisor at a second power-on, after EC2 stopped its idle instance."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from local.host_cloud import JOB, HostCloud
from local.machine_kit import INSTANCE, Bench, ScriptedEc2, a_bench, a_profile, until
from mayfly_lab.machines.ground import Ground
from mayfly_protocol.order import Order, to_row

FIRST = [
    ("AROABOOTSTRAP", "booting"),
    ("AROABOOTSTRAP", "bootstrapped"),
    ("AROASANDBOX", "sandboxed"),
]
SECOND = [("AROASANDBOX", phase) for phase in ("sandboxed", "running", "done")]


class Stopped:
    """An instance that was set up, proven, and stopped before it had a job."""

    def __init__(self, bench: Bench, cloud: HostCloud) -> None:
        self.bench = bench
        self.cloud = cloud
        self.first = ""

    def stop(self) -> None:
        """Boot for the first time, and stop the idle instance as EC2 does."""
        self.cloud.assigns = False
        self.bench.boot(self.cloud.user_data())
        until(lambda: self.cloud.phases()[-1:] == FIRST[-1:], self.bench.room.console, INSTANCE)
        self.bench.until_said("waiting for a job")
        self.bench.room.shut_down(INSTANCE)
        self.first = self.bench.room.console(INSTANCE)
        assert self.bench.ec2.off == [], "EC2 has stopped it, so its end is no news"
        self.cloud.reports.clear()
        self.cloud.services.clear()

    def order(self, number: int = 1) -> None:
        """Write an order as the control plane does before the start."""
        self.cloud.order = to_row(Order(number, datetime.now(UTC) + timedelta(minutes=5)))

    def start(self) -> str:
        """Boot again, with a job that waits; returns the console of this power-on at its end."""
        self.cloud.assigns = True
        self.bench.boot(self.cloud.user_data(), number=2)
        self.bench.until_off()
        return self.bench.room.console(INSTANCE).removeprefix(self.first)


@pytest.fixture
def stopped(ground: Ground) -> Iterator[Stopped]:
    ec2 = ScriptedEc2()
    cloud = HostCloud(ec2)
    with a_bench(ground, cloud, ec2, decoys=True) as bench:
        cloud.url = f"http://127.0.0.1:{bench.port}"
        found = Stopped(bench, cloud)
        found.stop()
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

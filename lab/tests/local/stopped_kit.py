"""An instance that is set up, proven and stopped before it has a job, with its cloud."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from local.host_cloud import KNOCK, HostCloud
from local.machine_kit import INSTANCE, Bench, ScriptedEc2, a_bench, until
from mayfly_lab.machines.ground import Ground
from mayfly_lab.machines.whole.ground import WholeGround
from mayfly_protocol.order import Order, to_row

FIRST = [
    ("AROABOOTSTRAP", "booting"),
    ("AROABOOTSTRAP", "bootstrapped"),
    ("AROASANDBOX", "sandboxed"),
]
SECOND = [("AROASANDBOX", phase) for phase in ("sandboxed", "running", "done")]


class Stopped:
    """An instance that was set up, proven, and stopped before it had a job.

    `first` is the console of the first power-on, `end` the reason in its last report.
    """

    def __init__(self, bench: Bench, cloud: HostCloud) -> None:
        self.bench = bench
        self.cloud = cloud
        self.first = ""
        self.end = ""

    def stop(self) -> None:
        """Boot for the first time, and stop the idle instance as EC2 does."""
        self.cloud.assigns = False
        self.bench.boot(self.cloud.user_data())
        until(lambda: self.cloud.phases()[-1:] == FIRST[-1:], self.bench.room.console, INSTANCE)
        self.bench.until_said("waiting for a job")
        self.bench.room.shut_down(INSTANCE)
        self.first = self.bench.room.console(INSTANCE)
        assert self.bench.ec2.off == [], "EC2 has stopped it, so its end is no news"
        self.end = str(self.cloud.reports[-1][1].get("reason", ""))
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


@contextmanager
def a_stopped_instance(
    ground: Ground | WholeGround, script: str = "", job: str = KNOCK, **config: Any
) -> Iterator[Stopped]:
    """An instance on this ground after its first boot; `job` is the agent's work in bash."""
    ec2 = ScriptedEc2()
    cloud = HostCloud(ec2, job=job, script=script)
    with a_bench(ground, cloud, ec2, decoys=True, **config) as bench:
        cloud.url = f"http://127.0.0.1:{bench.port}"
        found = Stopped(bench, cloud)
        found.stop()
        yield found

"""The order in which a machine stops services, scopes and network, and kills for lack of memory."""

from __future__ import annotations

import pytest

from local.machine_kit import INSTANCE, Bench
from mayfly_lab.machines.inside.shutdown import NETWORK, Order, Stop

ORDER = "--property='After=network-online.target nss-lookup.target' --property=TimeoutStopSec=20"
AGENT = """
trap 'sleep 0.3; curl --silent --max-time 1 $AWS_ENDPOINT_URL >/dev/null && echo delivered
  exit' TERM
echo up; while :; do sleep 0.02; done
"""


def stopped(bench: Bench, properties: str) -> str:
    bench.boot(
        f"""root=${{MAYFLY_ROOT:-}}
        cat >$root/tmp/agent <<'END'{AGENT}END
        systemd-run --scope --quiet --unit=job {properties} -- bash $root/tmp/agent &
        sleep 1
        poweroff
        """
    )
    bench.until_off()
    return bench.room.console(INSTANCE)


def test_the_network_outlives_a_scope_that_is_ordered_after_it(bench: Bench) -> None:
    assert "delivered" in stopped(bench, ORDER)


def test_a_scope_without_an_order_loses_the_network_at_once(bench: Bench) -> None:
    console = stopped(bench, "")

    assert "up\n" in console
    assert "delivered" not in console


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ("Frobnicate=1", "Unknown assignment: Frobnicate=1"),
        ("OOMScoreAdjust=5", "Unknown assignment: OOMScoreAdjust=5"),
        ("OOMPolicy=perhaps", "Invalid OOMPolicy setting: perhaps"),
    ],
)
def test_a_scope_with_a_property_that_systemd_does_not_know_is_refused(
    bench: Bench, properties: str, words: str
) -> None:
    console = bench.run(
        f"systemd-run --scope --quiet --property={properties} -- echo ran; echo code=$?"
    )

    assert words in console
    assert "code=1\n" in console
    assert "ran\n" not in console


@pytest.mark.parametrize(
    ("properties", "goes_on"),
    [
        ("", False),
        ("--property=OOMPolicy=continue", True),
        ("--property=MemoryAccounting=no", True),
        ("--property=OOMPolicy=stop", False),
    ],
)
def test_a_process_killed_for_memory_ends_its_scope_unless_the_policy_is_to_continue(
    bench: Bench, properties: str, goes_on: bool
) -> None:
    console = bench.run(
        f"""systemd-run --scope --quiet --unit=job {properties} -- bash -c '
            sleep 31.1 & lab-oom-kill $!; wait $!; echo killed=$?; sleep 0.3; echo goes on'
        path=$(sed -n s/^0:://p /proc/self/cgroup)
        grep oom_kill ${{MAYFLY_ROOT:-}}/sys/fs/cgroup$path/memory.events
        """
    )

    assert ("goes on" in console) == goes_on
    assert "oom_kill 1\n" in console


class Unit:
    """A unit that ends when it is told to, or only when it is killed."""

    def __init__(self, log: list[str], name: str, *, deaf: bool = False) -> None:
        self.log, self.name, self.deaf, self.runs = log, name, deaf, True

    def begin(self) -> None:
        self.log.append(self.name)
        self.runs = self.deaf

    def kill(self) -> None:
        self.log.append(f"kill {self.name}")
        self.runs = False

    def stop(self, after: str = "", before: str = "") -> Stop:
        return Stop(
            self.name,
            frozenset(after.split()),
            frozenset(before.split()),
            self.begin,
            lambda: self.runs,
            self.kill,
            5.0,
        )


def test_units_end_in_the_opposite_order_and_a_deaf_one_is_killed_at_its_limit() -> None:
    log: list[str] = []
    order = Order(
        [
            Unit(log, NETWORK).stop(),
            Unit(log, "job.scope", deaf=True).stop("network-online.target", "mayfly.service"),
            Unit(log, "mayfly.service").stop("network.target"),
            Unit(log, "other.service").stop(),
        ]
    )
    assert order.turn(0.0)
    assert log == ["mayfly.service", "other.service"]
    assert order.turn(1.0)
    assert log[2:] == ["job.scope"]
    assert order.turn(5.9)
    assert order.turn(6.0)
    assert log[3:] == ["kill job.scope"]
    assert order.turn(6.1)
    assert not order.turn(6.2)
    assert log[4:] == [NETWORK]

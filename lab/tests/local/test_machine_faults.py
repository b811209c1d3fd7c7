"""Machines that never boot, die or hang; and many machines at a time."""

from __future__ import annotations

import time
from collections.abc import Callable

from local.machine_kit import INSTANCE, Bench, a_bench, until
from mayfly_lab.machines.ground import Ground

MOST_SECONDS = 60.0


def test_a_dead_machine_has_power_and_never_runs_its_user_data(bench: Bench) -> None:
    bench.faults.parse(f"machine-dead={INSTANCE}")
    bench.boot("echo up")
    assert "Kernel panic" in bench.room.console(INSTANCE)
    bench.room.cut(INSTANCE)
    assert bench.ec2.off == []
    assert "up" in bench.run("echo up", number=2), "the switch strikes once"


def test_ec2_notices_a_machine_that_dies(bench: Bench) -> None:
    bench.faults.set("machine-dies", "m7i.*", value="200ms")
    bench.boot("trap '' TERM; echo up; sleep 100")
    bench.until_off()
    assert "Power down" not in bench.room.console(INSTANCE)


def test_a_fault_presses_the_power_button(bench: Bench) -> None:
    bench.faults.parse("power-button=*,value=100ms")
    bench.boot("sleep 1234")
    bench.until_off()
    assert "Power down" in bench.room.console(INSTANCE)


def test_a_hanging_machine_stops_its_programs_without_notice_to_ec2(bench: Bench) -> None:
    bench.faults.set("machine-hangs", INSTANCE, value="1s")
    bench.boot("echo up; while true; do date +%s.%N; sleep 0.05; done")
    console = bench.until_said("up")
    until(lambda: _stands_still(bench), bench.room.console, INSTANCE)
    assert len(bench.room.console(INSTANCE)) >= len(console)
    assert bench.ec2.off == []
    bench.room.cut(INSTANCE)


def test_a_hanging_machine_ignores_the_power_button_until_ec2_cuts_its_power(
    ground: Ground,
) -> None:
    with a_bench(ground, off_seconds=0.3) as bench:
        bench.faults.set("machine-hangs", INSTANCE, value="500ms")
        bench.boot("echo up; while true; do date +%s.%N; sleep 0.05; done")
        bench.until_said("up")
        until(lambda: _stands_still(bench), bench.room.console, INSTANCE)
        bench.room.shut_down(INSTANCE)
        assert bench.room.init(INSTANCE) is None
        assert "Power down" not in bench.room.console(INSTANCE)


def _stands_still(bench: Bench) -> bool:
    before = bench.room.console(INSTANCE)
    time.sleep(0.5)
    return bench.room.console(INSTANCE) == before


def test_many_machines_start_together(
    bench: Bench, record_property: Callable[[str, object], None]
) -> None:
    instances = [f"i-{number:017x}" for number in range(10)]
    began = time.monotonic()
    for number, instance_id in enumerate(instances):
        bench.boot("hostname; poweroff", instance_id=instance_id, private_ip=f"10.0.0.{number}")
    bench.until_off(*instances)
    seconds = time.monotonic() - began
    record_property("milliseconds for a machine's life", 1000 * seconds / len(instances))
    assert seconds < MOST_SECONDS
    if bench.namespaces:
        names = [f"ip-10-0-0-{number}\n" for number in range(10)]
        consoles = [bench.room.console(each) for each in instances]
        assert all(name in console for name, console in zip(names, consoles, strict=True))

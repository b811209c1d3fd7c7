"""Properties of the scopes of script and job, and a systemd that does not know one."""

from __future__ import annotations

import pytest

from tests.instance.fake_machine import Act
from tests.instance.worlds import BOOTSTRAP_ROW, World, assert_failed


def properties(world: World, unit: str) -> list[str]:
    started = next(each for each in world.machine.started if each.program.unit == unit)
    return list(started.program.properties)


@pytest.mark.parametrize("unit", ["mayfly-script", "mayfly-job"])
@pytest.mark.parametrize(
    "expected",
    [
        "After=network.target network-online.target nss-lookup.target",
        "Before=mayfly.service",
        "KillSignal=SIGQUIT",
        "TimeoutStopSec=120",
        "TasksMax=infinity",
        "OOMPolicy=continue",
    ],
)
def test_script_and_job_run_in_a_scope_with(world: World, unit: str, expected: str) -> None:
    world.add_script(Act())
    world.run()

    assert expected in properties(world, unit)


def test_an_older_systemd_does_not_look_at_the_memory_of_the_scope(world: World) -> None:
    world.machine.unknown_properties = {"OOMPolicy"}
    world.run()

    assert "MemoryAccounting=no" in properties(world, "mayfly-job")
    assert "OOMPolicy=continue" not in properties(world, "mayfly-job")
    assert "Unknown assignment: OOMPolicy=" in world.console
    assert world.phases[-1] == "done"


@pytest.mark.parametrize("name", ["After", "Before", "KillSignal", "TimeoutStopSec", "TasksMax"])
def test_a_systemd_without_a_needed_property_fails_the_boot_before_the_script(
    world: World, name: str
) -> None:
    world.machine.unknown_properties = {name}
    world.add_script(Act())
    world.run()

    reason = "the image's systemd refuses the job's scope; Mayfly needs systemd 252 or newer"
    assert_failed(world, reason, row=BOOTSTRAP_ROW)
    assert f"Unknown assignment: {name}=" in world.last_report["words"]
    assert world.machine.started == []

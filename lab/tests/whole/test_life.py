"""The whole life of a host on a whole machine."""

from __future__ import annotations

import pytest

from whole.machines import WholeStage

pytestmark = pytest.mark.whole


def test_a_job_runs_on_a_machine_of_its_own_which_powers_itself_off(stage: WholeStage) -> None:
    result = stage.run(
        "steps: [{label: hello, command: 'echo by $(systemctl --version | head -1)'}]"
    )
    assert result.job.outcome == "passed", result.job.log
    assert "by systemd 25" in result.job.log
    console = result.machine.console
    assert console.at("Reached target poweroff.target") > console.at("cloud-init[")
    assert result.machine.record.proven
    assert not stage.broken_promises()


def test_a_command_can_run_on_a_running_machine(stage: WholeStage) -> None:
    running = stage.start("steps: [{label: waits, command: 'echo up; sleep 300'}]")
    machine = running.machine()
    assert stage.shell(machine, "cat /proc/1/comm").stdout == "systemd\n"
    assert stage.shell(machine, "id -un", user="mayfly-job").stdout == "mayfly-job\n"
    stage.press(machine)
    result = running.result()
    assert "Reached target poweroff.target" in result.machine.console

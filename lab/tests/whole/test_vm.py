"""What only a machine with a kernel of its own shows: limits of cgroups, ACPI, a second boot.

Minutes each without KVM. The console is the serial line's, at its pace.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from mayfly_lab.machines.whole.kinds import Kind
from whole.machines import WholeStage, a_whole_stage
from whole.output import values
from whole.steps import crowd, second_boot

pytestmark = pytest.mark.vm

_MEMORY = 768
_MANY = 2000
"""More than 15 % of the threads that a kernel with so little memory allows: 838."""
_HUNGRY = f"""
steps:
  - label: hungry
    command: |
      set +e
      python3 - <<'END'
      import os
      open("/proc/self/oom_score_adj", "w").write("900")
      eaten = []
      while True:
          eaten.append(bytearray(8 << 20))
      END
      echo "python=$?"
      {crowd(_MANY)}
      echo "after=$(id -un)"
"""
_ENDLESS = "steps: [{label: endless, command: 'echo started; sleep 1200'}]"
_REBOOTS = (
    "steps: [{label: reboots, command: 'id -un; sleep 2; systemctl reboot; sleep 60', "
    "agents: {queue: root}}]"
)
_FAILS = r"""#!/bin/bash
for i in $(seq 200); do echo "line $i of the output, about as long as lines are in practice"; done
exit 7
"""
_QUEUES = ("default", "root", "fails")


@pytest.fixture(scope="module")
def stage() -> Iterator[WholeStage]:
    patient = {"launch/boot-minutes": "15"}
    parameters = {
        "default": patient,
        "root": {**patient, "job/root": "yes", "imds": "off", "job/max-minutes": "60"},
        "fails": {**patient, "job/attempts": "1"},
    }
    with a_whole_stage(
        kind=Kind.VM,
        queues=_QUEUES,
        scripts={"fails": _FAILS},
        parameters=parameters,
        memory=_MEMORY,
    ) as found:
        yield found


def test_a_job_goes_on_after_a_kill_for_memory_and_may_have_thousands_of_processes(
    stage: WholeStage,
) -> None:
    result = stage.run(_HUNGRY)
    log = result.job.log
    assert result.job.outcome == "passed", log
    told = values(log)
    assert told["python"] == "137"
    assert told["processes"] == str(_MANY)
    assert told["after"] == "mayfly-job"
    assert (
        "+++ Mayfly: the kernel killed a process of this job for memory: the instance ran out"
        in log
    )
    assert "killed a process of the job for memory" in result.machine.record.ended_job


def test_the_acpi_power_button_fails_the_job_at_once(stage: WholeStage) -> None:
    running = stage.start(_ENDLESS)
    machine = running.machine()
    since = datetime.now(UTC)
    stage.press(machine)
    result = running.result()
    view, console = result.job.view, result.machine.console
    assert (view.outcome, view.signal_reason) == ("failed", "agent_stop"), str(console)
    assert view.timeline.finished is not None
    assert (view.timeline.finished - since).total_seconds() < 60
    assert console.lines[-1][0] - console.at("the power button is pressed") < 120


def test_a_second_boot_runs_no_job_and_powers_off(stage: WholeStage) -> None:
    result = stage.run(_REBOOTS)
    console = result.machine.console
    second = second_boot(console, "Linux version")
    assert any("the instance has had its job" in line for line in second), str(console)
    assert not any("starting the agent" in line for line in second)
    assert result.job.outcome != "passed"


def test_a_serial_console_has_the_last_words_of_a_script_that_fails(stage: WholeStage) -> None:
    result = stage.run("steps: [{label: never, command: 'true', agents: {queue: fails}}]")
    console = result.machine.console
    assert "exited with 7" in console
    assert console.at("line 200 of the output") <= console.lines[-1][0]
    assert "exited with 7" in result.machine.last_words


def test_every_promise_was_kept(stage: WholeStage) -> None:
    assert stage.broken_promises() == []

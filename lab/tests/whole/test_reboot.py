"""A job with the rights of root: its scope, and a second boot after it has rebooted its machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from whole.machines import Result, WholeStage, a_whole_stage
from whole.output import values
from whole.steps import second_boot

pytestmark = pytest.mark.whole

_REBOOTS = """
steps:
  - label: reboots
    command: |
      echo "user=$(id -un)"
      systemctl show -p OOMPolicy -p TasksMax mayfly-job.scope
      sleep 2; systemctl reboot; sleep 60
"""


@pytest.fixture(scope="module")
def stage() -> Iterator[WholeStage]:
    root = {"job/root": "yes", "imds": "off", "job/max-minutes": "60"}
    with a_whole_stage("bookworm", parameters={"default": root}) as found:
        yield found


@pytest.fixture(scope="module")
def result(stage: WholeStage) -> Result:
    """The job that reboots its machine, and the machine, which is gone."""
    return stage.run(_REBOOTS)


def test_a_job_of_root_is_not_ended_by_the_loss_of_one_process(result: Result) -> None:
    """Not so by default: only a scope that is delegated to a user goes on by default."""
    told = values(result.job.log)
    assert told["user"] == "root"
    assert told["OOMPolicy"] == "continue"
    assert told["TasksMax"] == "infinity"


def test_a_second_boot_runs_no_job_and_powers_off(stage: WholeStage, result: Result) -> None:
    console = result.machine.console
    second = second_boot(console, "running in system mode")
    assert any("this boot is not the instance's first" in line for line in second), str(console)
    assert not any("starting the agent" in line for line in second)
    assert any("Reached target poweroff.target" in line for line in second)
    assert result.job.outcome == "failed"
    assert stage.broken_promises() == []

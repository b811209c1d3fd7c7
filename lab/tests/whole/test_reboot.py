"""A second boot: a job with the rights of root reboots its machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from whole.machines import WholeStage, a_whole_stage

pytestmark = pytest.mark.whole

_REBOOTS = "steps: [{label: reboots, command: 'id -un; sleep 2; systemctl reboot; sleep 60'}]"


@pytest.fixture(scope="module")
def stage() -> Iterator[WholeStage]:
    root = {"job/root": "yes", "imds": "off", "job/max-minutes": "60"}
    with a_whole_stage("bookworm", parameters={"default": root}) as found:
        yield found


def test_a_second_boot_runs_no_job_and_powers_off(stage: WholeStage) -> None:
    result = stage.run(_REBOOTS)
    console = result.machine.console
    starts = [seconds for seconds, line in console.lines if "running in system mode" in line]
    assert len(starts) == 2, str(console)
    second = [line for seconds, line in console.lines if seconds > starts[1]]
    assert any("this is not its first boot" in line for line in second), str(console)
    assert not any("starting the agent" in line for line in second)
    assert any("Reached target poweroff.target" in line for line in second)
    assert result.job.outcome == "failed"
    assert stage.broken_promises() == []

"""Jobs that take all of a machine: its disk, its memory, thousands of processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from whole.machines import WholeStage, a_whole_stage
from whole.output import values
from whole.steps import HOLD, crowd, leave_free, let_go

pytestmark = pytest.mark.whole

_LEFT = 64 * 1024 * 1024
"""Bytes of the disk that the job may still fill."""
_FILL = f"""
steps:
  - label: fill
    command: |
      set +e
      {HOLD}
      dd if=/dev/zero of=filler bs=1M; echo "dd=$?"
      echo "text" >more; echo "one-more=$?"
      exit 0
"""
_CONTROLLERS = ("/sys/fs/cgroup/cgroup.controllers", "/sys/fs/cgroup/unified/cgroup.controllers")
_MEMORY = any(
    "memory" in Path(each).read_text().split() for each in _CONTROLLERS if Path(each).exists()
)
"""Whether a container can have a limit of memory."""
_MANY = 3000
_CROWD = f"""
steps:
  - label: crowd
    command: |
      {crowd(_MANY)}
"""
_EAT = f"""
steps:
  - label: eat
    command: |
      set +e
      {HOLD}
      python3 -c 'x = [bytearray(8 << 20) for _ in range(100)]'; echo "python=$?"
      sleep 2; echo "after=$(id -un)"
"""


@pytest.fixture(scope="module")
def stage() -> Iterator[WholeStage]:
    with a_whole_stage("bookworm") as found:
        yield found


def test_a_job_may_fill_the_disk_and_its_end_is_told(stage: WholeStage) -> None:
    running = stage.start(_FILL)
    machine = running.machine()
    leave_free(stage, machine, _LEFT)
    let_go(stage, machine)
    result = running.result()
    assert result.job.outcome == "passed", result.job.log
    told = values(result.job.log)
    assert (told["dd"], told["one-more"]) == ("1", "1"), result.job.log
    assert "the agent ended with 0" in result.machine.console
    assert "Reached target poweroff.target" in result.machine.console


def test_a_job_may_have_thousands_of_processes(stage: WholeStage) -> None:
    result = stage.run(_CROWD)
    assert result.job.outcome == "passed", result.job.log
    assert values(result.job.log)["processes"] == str(_MANY)


@pytest.mark.skipif(
    not _MEMORY,
    reason="the unified cgroups of this host have no memory controller: see test_vm.py",
)
def test_a_job_that_eats_memory_goes_on_and_says_so(stage: WholeStage) -> None:
    running = stage.start(_EAT)
    machine = running.machine()
    limit = "systemctl set-property --runtime mayfly-job.scope MemoryMax=256M MemorySwapMax=0"
    assert stage.shell(machine, limit).returncode == 0
    let_go(stage, machine)
    result = running.result()
    told = values(result.job.log)
    assert (told["python"], told["after"]) == ("137", "mayfly-job"), result.job.log
    assert "+++ Mayfly: the kernel killed a process of this job for memory" in result.job.log
    assert "killed a process of the job for memory" in result.machine.record.ended_job


def test_every_promise_was_kept(stage: WholeStage) -> None:
    assert stage.broken_promises() == []

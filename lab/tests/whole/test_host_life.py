"""One job on one whole machine, from power-on to power-off, on an image full of AWS's daemons."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from whole.images import lay_daemons
from whole.machines import Result, WholeStage, a_whole_stage
from whole.output import lines, values
from whole.traces import Traces, traces

pytestmark = pytest.mark.whole

_PATIENCE = 10.0
_TIMED_OUT = "124"
_DAEMONS = ("amazon-ssm-agent", "amazon-cloudwatch-agent", "xray")
_ENDS = ("systemctl reboot", "systemctl poweroff", "reboot -f")
_JOB = rf"""
steps:
  - label: life
    command: |
      set +e
      echo "user=$(id -un)"
      timeout 60 cloud-init status --wait; echo "cloud-init=$?"
      timeout 60 systemctl is-system-running --wait; echo "system=$?"
      units=$(systemctl list-units --failed --plain --no-legend | cut -d' ' -f1)
      echo "failed=$(echo $units)"
      systemctl show -p OOMPolicy,TasksMax,After,Before,TimeoutStopUSec mayfly-job.scope |
        sed 's/^/scope./'
      systemctl show -p MainPID,WatchdogUSec,OOMPolicy,After mayfly.service | sed 's/^/service./'
      for unit in {" ".join(_DAEMONS)}; do
        echo "$unit=$(systemctl is-enabled $unit) $(systemctl is-active $unit)"
      done
      echo "daemons=$(cat /proc/[0-9]*/comm | grep -cE '^(amazon|ssm-|xray)')"
      for command in {" ".join(f"'{each}'" for each in _ENDS)}; do
        $command && echo "allowed: $command"
      done
      exit 0
"""


@dataclass(frozen=True, slots=True)
class _Life:
    stage: WholeStage
    result: Result
    before: Traces
    after: Traces

    @property
    def log(self) -> str:
        return self.result.job.log

    @property
    def told(self) -> dict[str, str]:
        return values(self.log)


@pytest.fixture(scope="module")
def life(suite: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Life]:
    layer: Path = tmp_path_factory.mktemp("layer")
    lay_daemons(layer)
    before = traces()
    once = {"default": {"job/attempts": "1"}}
    with a_whole_stage(suite, layers=[layer], parameters=once) as stage:
        result = stage.run(_JOB)
        yield _Life(stage, result, before, _settled(before))


def _settled(before: Traces) -> Traces:
    """The traces once they are as before, or after some seconds: the kernel takes a moment."""
    until = time.monotonic() + _PATIENCE
    while (found := traces()) != before and time.monotonic() < until:
        time.sleep(0.1)
    return found


def test_a_job_passes_on_an_image_with_daemons_whose_units_lie_in_etc(life: _Life) -> None:
    assert life.result.job.outcome == "passed", f"{life.log}\n{life.result.machine.console}"
    assert life.told["user"] == "mayfly-job"
    for unit in _DAEMONS:
        assert life.told[unit] in {"masked inactive", "masked failed"}
    assert life.told["daemons"] == "0"


def test_the_host_waits_for_a_daemon_that_lives_a_moment_longer(life: _Life) -> None:
    assert len(life.result.machines) == 1
    assert "holds credentials" not in life.result.machine.console


def test_the_agent_is_the_pinned_one(life: _Life) -> None:
    archive = life.stage.lab.archive
    assert life.result.job.view.agent_version == archive.version


def test_cloud_init_has_ended_while_the_job_runs(life: _Life) -> None:
    """With or without errors: cloud-init 25.1 fails to reach udev, which no container has."""
    assert life.told["cloud-init"] != _TIMED_OUT
    assert {"status: done", "status: error"} & set(lines(life.log))
    assert life.told["system"] != _TIMED_OUT


def test_no_unit_has_failed_but_those_of_cloud_init(life: _Life) -> None:
    failed = life.told["failed"].split()
    assert [each for each in failed if not each.startswith("cloud-")] == []


def test_the_job_may_not_end_the_machine(life: _Life) -> None:
    assert "allowed: " not in "".join(lines(life.log)).replace('echo "allowed: ', "")


def test_systemd_knows_what_the_jobs_scope_needs(life: _Life) -> None:
    assert life.told["scope.OOMPolicy"] == "continue"
    assert life.told["scope.TasksMax"] == "infinity"
    assert "network-online.target" in life.told["scope.After"].split()
    assert "mayfly.service" in life.told["scope.Before"].split()
    assert life.told["scope.TimeoutStopUSec"] != "1min 30s"


def test_the_supervisor_is_a_service_of_its_own_with_a_watchdog(life: _Life) -> None:
    assert int(life.told["service.MainPID"]) > 1
    assert life.told["service.WatchdogUSec"] not in {"0", "infinity"}
    assert life.told["service.OOMPolicy"] == "continue"
    assert "network-online.target" in life.told["service.After"].split()


def test_the_machine_powers_itself_off_and_leaves_nothing(life: _Life) -> None:
    console = life.result.machine.console
    assert console.at("Reached target poweroff.target") > console.at("the agent ended with 0")
    assert life.result.machine.record.proven
    assert life.result.machine.last_words == ""
    assert life.after == life.before
    assert life.stage.broken_promises() == []

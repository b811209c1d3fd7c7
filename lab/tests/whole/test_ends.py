"""Ends that nobody has chosen: power button, spot, a supervisor that is killed or hangs.

Buildkite is 300 ms away, and the network is one by DHCP, which systemd takes down at its own time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mayfly.records.model import Instance
from mayfly_lab.latency import Latency
from stories.stage import QUICK
from whole.machines import Result, Running, WholeStage, a_whole_stage

pytestmark = pytest.mark.whole

_ENDLESS = "steps: [{label: endless, command: 'echo started; sleep 600', agents: {queue: QUEUE}}]"
_SECONDS = 20.0
"""From the event to the job's end at Buildkite, on a busy machine; 2 to 4 on an idle one."""
_POWER = 30.0
"""From the event to power-off. systemd's own limit for a stop is 90 s."""
_DEFAULT, _HOT, _SPOT = "default", "hot", "spot"
_SHORTER_WATCHDOG = """
import os, signal, socket, struct, subprocess
show = ("systemctl", "show", "--value", "--property=MainPID", "mayfly.service")
pid = int(subprocess.check_output(show))
os.kill(pid, signal.SIGSTOP)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as messages:
    messages.connect("/run/systemd/notify")
    sender = (socket.SOL_SOCKET, socket.SCM_CREDENTIALS, struct.pack("3i", pid, 0, 0))
    messages.sendmsg([b"WATCHDOG_USEC=3000000"], [sender])
"""
"""Stops the supervisor, and tells systemd in its name that its watchdog has 3 s, not minutes."""


_WARNING = 40.0
"""Seconds from the spot notice to the interruption; EC2 gives 120."""
_DEBIAN_12 = pytest.mark.parametrize("suite", ["bookworm"], indirect=True, scope="module")
"""For what does not depend on systemd's version."""
Figure = Callable[[str, float], float]


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Figure:
    """Keeps a number of seconds for the report of `--junitxml`, and returns it."""

    def kept(name: str, seconds: float) -> float:
        record_property(name, round(seconds, 1))
        return seconds

    return kept


@pytest.fixture(scope="module")
def stage(suite: str) -> Iterator[WholeStage]:
    spot = {"launch/purchase": "spot-then-on-demand"}
    with a_whole_stage(
        suite,
        queues=(_DEFAULT, _HOT, _SPOT),
        parameters={_SPOT: spot},
        delays=replace(QUICK, minute=5.0),
        latency=Latency(buildkite=0.3),
    ) as found:
        yield found


def _running(stage: WholeStage, queue: str = _DEFAULT) -> tuple[Running, str]:
    running = stage.start(_ENDLESS.replace("QUEUE", queue))
    return running, running.machine()


def _kill_supervisor(stage: WholeStage, machine: str) -> datetime:
    killed = stage.shell(machine, "systemctl kill --kill-whom=main -s KILL mayfly.service")
    assert killed.returncode == 0, killed.stderr
    return datetime.now(UTC)


def _seconds_told(result: Result, since: datetime) -> float:
    """Seconds from an event until the agent, not Mayfly, told Buildkite of the job's failure."""
    view = result.job.view
    picture = f"{view}\n{result.job.log}\n{result.machine.console}"
    assert (view.outcome, view.detail) == ("failed", None), picture
    assert view.timeline.finished is not None
    return (view.timeline.finished - since).total_seconds()


def _seconds_off(machine: Instance, since: datetime) -> float:
    """Seconds from an event until Mayfly saw the machine off."""
    return (machine.history[-1].at - since).total_seconds()


def test_a_power_button_fails_the_job_at_once_and_the_machine_is_off(
    stage: WholeStage, figure: Figure
) -> None:
    running, machine = _running(stage)
    since = datetime.now(UTC)
    stage.press(machine)
    result = running.result()
    assert figure("told", _seconds_told(result, since)) < _SECONDS
    console = result.machine.console
    off = console.lines[-1][0] - console.at("the power button is pressed")
    assert figure("off", off) < _POWER, str(console)


@_DEBIAN_12
def test_a_spot_notice_fails_the_job_before_the_instance_is_taken(
    stage: WholeStage, figure: Figure
) -> None:
    running, machine = _running(stage, _SPOT)
    stage.lab.aws.ec2.interrupt(machine, _WARNING)
    since = datetime.now(UTC)
    result = running.result()
    view = result.job.view
    assert (view.outcome, view.signal_reason) == ("failed", "agent_stop")
    assert figure("told", _seconds_told(result, since)) < _WARNING
    assert "spot" in result.machine.record.ended_job


def test_a_killed_supervisor_fails_its_job_and_ends_the_machine(
    stage: WholeStage, figure: Figure
) -> None:
    running, machine = _running(stage)
    since = _kill_supervisor(stage, machine)
    result = running.result()
    assert figure("told", _seconds_told(result, since)) < _SECONDS
    assert figure("off", _seconds_off(result.machine.record, since)) < _POWER
    assert "Reached target poweroff.target" in result.machine.console


@_DEBIAN_12
def test_a_supervisor_killed_while_it_waits_for_a_job_ends_the_machine(
    stage: WholeStage, figure: Figure
) -> None:
    stage.lab.put_parameter(_HOT, "pool/hot", "1")
    (machine,) = stage.ready(_HOT)
    stage.lab.put_parameter(_HOT, "pool/hot", "0")
    stage.until("the pool is empty", lambda: stage.in_force(_HOT).hot.most == 0)
    since = _kill_supervisor(stage, machine)
    assert figure("off", _seconds_off(stage.gone(machine), since)) < _POWER
    assert "Reached target poweroff.target" in stage.console(machine)


@_DEBIAN_12
def test_the_watchdog_ends_a_supervisor_that_hangs_and_its_job(
    stage: WholeStage, figure: Figure
) -> None:
    running, machine = _running(stage)
    own = stage.shell(machine, "systemctl show --value -p WatchdogUSec mayfly.service").stdout
    assert own.strip() not in {"", "0", "infinity"}, "systemd would wait for ever"
    done = stage.shell(machine, f"python3 -IS - <<'END'\n{_SHORTER_WATCHDOG}END")
    assert done.returncode == 0, done.stderr
    since = datetime.now(UTC)
    result = running.result()
    assert figure("told", _seconds_told(result, since)) < _SECONDS
    assert figure("off", _seconds_off(result.machine.record, since)) < _POWER
    assert "Fatal Python error: Aborted" in result.machine.console, str(result.machine.console)


@_DEBIAN_12
def test_a_host_whose_metadata_rules_are_removed_is_condemned(
    stage: WholeStage, figure: Figure
) -> None:
    running, machine = _running(stage)
    since = datetime.now(UTC)
    # As an image's own firewall: Debian's file begins with "flush ruleset".
    done = stage.shell(machine, "systemctl restart nftables.service")
    assert done.returncode == 0, done.stderr
    result = running.result()
    assert figure("told", _seconds_told(result, since)) < _SECONDS
    words = f"{result.machine.record.ended_job} {result.machine.record.reason}"
    assert "the metadata rules were removed" in words


def test_every_promise_was_kept(stage: WholeStage) -> None:
    stage.empty()
    assert stage.broken_promises() == []

"""The supervisor's unit, mayfly.service, and a supervisor that runs as systemd starts it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mayfly_instance import scope
from mayfly_instance.clock import SLICE
from mayfly_instance.console import LAST_WORDS
from mayfly_instance.limits import Limits
from mayfly_protocol import grace
from tests.instance.front import serving
from tests.instance.user_data_boot import UNIT
from tests.instance.whole_host import KEYS, WholeHost

TOLD_BY_SYSTEMD = {
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "SYSTEMD_EXEC_PID",
    "PYTHONFAULTHANDLER",
}


def settings() -> dict[str, str]:
    lines = [line for line in UNIT.read_text().splitlines() if line[:1] not in {"#", "[", ""}]
    return dict(line.split("=", 1) for line in lines)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SuccessAction", "poweroff"),
        ("FailureAction", "poweroff"),
        ("KillMode", "mixed"),
        ("OOMPolicy", "continue"),
        ("NotifyAccess", "main"),
        ("WantedBy", "multi-user.target"),
    ],
)
def test_whatever_ends_the_supervisor_ends_the_instance(name: str, value: str) -> None:
    assert settings()[name] == value


def test_the_supervisor_ends_before_network_and_names_and_never_waits_for_cloud_init() -> None:
    after = set(settings()["After"].split())

    assert after == {"network.target", "network-online.target", "nss-lookup.target"}
    assert "Wants" not in settings()


def test_a_supervisor_that_is_stopped_has_time_for_agent_and_last_report() -> None:
    limits = Limits()
    agent = grace.MOST + limits.shutdown

    assert int(settings()["TimeoutStopSec"]) > agent + limits.last_report + LAST_WORDS + 1


def test_the_scope_of_a_job_outlasts_the_longest_grace_period_after_its_supervisor() -> None:
    limit = next(each for each in scope.NEEDED if each.startswith("TimeoutStopSec="))

    assert int(limit.partition("=")[2]) > grace.MOST + Limits().shutdown


def test_the_watchdog_outlasts_many_turns_of_the_slowest_loop() -> None:
    assert int(settings()["WatchdogSec"]) / 4 > 3 * SLICE


def test_systemd_understands_every_setting(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("this host has no systemd-analyze")
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("=/opt/mayfly", "=/"))
    done = subprocess.run([analyze, "verify", copy], capture_output=True, text=True, check=False)

    assert UNIT.name not in done.stderr


def test_both_stages_feed_the_watchdog_and_the_job_hears_nothing_of_systemd(
    tmp_path: Path,
) -> None:
    with serving(KEYS) as front, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(0)
        host = WholeHost(tmp_path, front, sys.executable)
        # Each stage is a fresh Watchdog, which feeds at its first turn and then after 45 s.
        host.told_by_systemd = {
            **dict.fromkeys(TOLD_BY_SYSTEMD, "1"),
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "WATCHDOG_USEC": "180000000",
        }
        host.run()
        fed = [systemd.recv(100) for _ in range(2)]
        with pytest.raises(BlockingIOError):
            systemd.recv(100)

    assert host.phases[-1] == "done"
    assert fed == [b"WATCHDOG=1"] * 2
    variables = Path(f"{host.started}.env").read_bytes().split(b"\0")
    names = {each.partition(b"=")[0].decode() for each in variables}
    assert names & TOLD_BY_SYSTEMD == set()

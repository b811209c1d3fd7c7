"""Who feeds systemd's watchdog, and how often."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from mayfly_instance import clock, machine
from mayfly_instance.clock import Clock
from mayfly_instance.failure import CommandFailed
from mayfly_instance.machine import Machine
from mayfly_instance.places import Places
from mayfly_instance.watchdog import Watchdog

SECONDS = 180


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


def environment(address: str) -> dict[str, str]:
    return {
        "NOTIFY_SOCKET": address,
        "WATCHDOG_USEC": str(SECONDS * 1_000_000),
        "WATCHDOG_PID": str(os.getpid()),
    }


def heard(systemd: socket.socket) -> list[bytes]:
    found = []
    while True:
        try:
            found.append(systemd.recv(100))
        except BlockingIOError:
            return found


def test_a_fast_loop_feeds_the_watchdog_four_times_in_its_time(systemd: socket.socket) -> None:
    watchdog = Watchdog(environment(systemd.getsockname()))
    for turn in range(SECONDS * 20):
        watchdog.feed(1000 + turn / 20)

    assert heard(systemd) == [b"WATCHDOG=1"] * 4


def test_an_abstract_socket_is_fed() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0mayfly-test-{os.getpid()}")
        systemd.setblocking(False)
        Watchdog(environment(f"@mayfly-test-{os.getpid()}")).feed(0)

        assert heard(systemd) == [b"WATCHDOG=1"]


@pytest.mark.parametrize(
    "lacks",
    [{"WATCHDOG_PID": "1"}, {"NOTIFY_SOCKET": ""}],
    ids=["the watchdog of another process", "no unit"],
)
def test_without_a_watchdog_of_its_own_a_process_feeds_none(
    systemd: socket.socket, lacks: dict[str, str]
) -> None:
    Watchdog({**environment(systemd.getsockname()), **lacks}).feed(0)
    Watchdog({}).feed(0)

    assert heard(systemd) == []


def test_a_message_that_does_not_arrive_is_sent_again_at_the_next_turn(
    systemd: socket.socket,
) -> None:
    address = Path(systemd.getsockname())
    away = address.rename(address.with_name("away"))
    watchdog = Watchdog(environment(str(address)))
    watchdog.feed(0)
    away.rename(address)
    watchdog.feed(0.05)

    assert heard(systemd) == [b"WATCHDOG=1"]


def test_a_long_sleep_turns_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = [0.0]

    def pass_time(seconds: float) -> None:
        passed[0] += seconds

    monkeypatch.setattr(
        clock, "time", SimpleNamespace(monotonic=lambda: passed[0], sleep=pass_time)
    )
    fed: list[float] = []
    Clock(fed.append).sleep(62)

    assert passed == [62]
    assert fed == [5.0 * turn for turn in range(13)]


def test_the_wait_for_a_command_turns_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "SLICE", 0.01)
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    held = os.open(gate, os.O_RDWR)
    turns: list[float] = []
    command = ["bash", "-c", f"read -r line <{gate}; echo $line"]

    def let_go(now: float) -> None:
        turns.append(now)
        if len(turns) == 3:
            os.write(held, b"go on\n")

    assert Machine(Places(tmp_path), Clock(let_go)).output_of(command) == "go on\n"
    os.close(held)
    assert len(turns) >= 3


def test_a_command_that_turns_for_too_long_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(machine, "SLICE", 0.01)
    with pytest.raises(CommandFailed, match=r"sleep took longer than 0.05 s"):
        Machine(Places(tmp_path)).output_of(["sleep", "1000"], 0.05)

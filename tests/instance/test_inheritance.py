"""What started programs inherit when the supervisor's own starter left unusual things behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mayfly_instance import inheritance
from mayfly_instance.machine import Machine, Program
from mayfly_instance.places import Places

HAS_PROC = Path("/proc/self/status").exists()
PATIENCE = 60
TELL = """\
import os, signal, sys
ignored = [n for n in signal.valid_signals() if signal.getsignal(n) == signal.SIG_IGN]
# Python itself ignores these two at its start.
print(sorted(set(ignored) - {signal.SIGPIPE, signal.SIGXFSZ}))
print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])))
print(sorted(int(n) for n in os.listdir("/dev/fd") if os.path.exists(f"/dev/fd/{n}")))
"""
CLEAN = "[]\n[]\n[0, 1, 2]\n"


@pytest.fixture
def unusual() -> Iterator[None]:
    """Ignored and blocked signals, and a descriptor that programs may inherit."""
    ignored = {each: signal.signal(each, signal.SIG_IGN) for each in (2, 3, signal.SIGUSR1)}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGQUIT, signal.SIGUSR2])
    left = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(left, True)
    yield
    os.close(left)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    for each, before in ignored.items():
        signal.signal(each, before)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    run = tmp_path / "systemd-run"
    run.write_text('#!/bin/bash\nwhile [[ $1 != -- ]]; do shift; done; shift; exec "$@"\n')
    run.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return Machine(Places(tmp_path / "root"))


def start(machine: Machine, code: str, tmp_path: Path) -> tuple[int, str]:
    """Exit code and output of a Python program that the machine starts in a scope."""
    environment = {"PATH": os.environ["PATH"]}
    argv = [sys.executable, "-c", code]
    running = machine.start(Program("u", argv, environment, tmp_path, tmp_path / "o"))
    assert isinstance(running, subprocess.Popen)
    return running.wait(PATIENCE), (tmp_path / "o").read_text()


@pytest.mark.usefixtures("unusual")
def test_a_program_in_a_scope_has_default_signals_and_three_descriptors(
    machine: Machine, tmp_path: Path
) -> None:
    assert start(machine, TELL, tmp_path) == (0, CLEAN)


@pytest.mark.usefixtures("unusual")
def test_a_command_has_default_signals_and_three_descriptors(machine: Machine) -> None:
    assert machine.output_of([sys.executable, "-c", TELL]) == CLEAN


@pytest.mark.usefixtures("unusual")
def test_the_supervisor_itself_goes_on_to_ignore_and_block_what_it_did() -> None:
    with inheritance.default_signals():
        # SIGUSR1 would end this process, were it not handled.
        os.kill(os.getpid(), signal.SIGUSR1)

    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN
    assert signal.SIGUSR2 in signal.pthread_sigmask(signal.SIG_BLOCK, [])


@pytest.mark.skipif(not HAS_PROC, reason="only Linux has memory scores")
def test_the_supervisors_memory_score_is_its_own(machine: Machine, tmp_path: Path) -> None:
    """A higher score, because only root may set a protecting one: a negative one."""
    score = Path("/proc/self/oom_score_adj")
    before = score.read_text()
    score.write_text("300")
    try:
        code = f"print(open({str(score)!r}).read().strip())"
        assert start(machine, code, tmp_path) == (0, "0\n")
        assert score.read_text() == "300\n"
    finally:
        score.write_text(before)


def test_a_score_that_is_the_default_is_not_written(tmp_path: Path) -> None:
    score = tmp_path / "oom_score_adj"
    score.write_text("0\n")
    score.chmod(0o400)
    with inheritance.default_memory_score(score):
        pass
    with inheritance.default_memory_score(tmp_path / "absent"):
        pass

    assert score.read_text() == "0\n"

"""The host's support for machines, and the remains of a killed lab."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.machine_kit import until
from mayfly_lab.machines.ground import Ground, Kind, directory_ground
from mayfly_lab.machines.survey import survey

ROOT = Path(__file__).parents[3]


def test_a_survey_names_the_obstacles_to_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    found = survey()
    assert found.ground.kind is Kind.DIRECTORY
    assert "need root" in found.reason


def test_a_survey_leaves_no_files_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    survey()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has power to give away")
def test_without_namespaces_a_lab_of_root_runs_machines_as_nobody() -> None:
    assert directory_ground().user == 65534


SLEEP = f"sleep 97531.{os.getpid()}"
"""A command line unique to this run, because other runs may share the host."""
# A separate lab that prints when its machine is up; the test then kills it with SIGKILL.
LAB = """
    import sys, time
    from local.machine_kit import a_bench, grounds
    from mayfly_lab.machines.ground import Kind
    with a_bench(grounds()[Kind(sys.argv[1])]) as bench:
        bench.boot(f"(setsid {sys.argv[2]} &) ; echo up; {sys.argv[2]}")
        bench.until_said("up")
        print("up", flush=True)
        time.sleep(60)
"""


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A temporary directory that machines of another user can access, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        yield Path(name)


def test_a_lab_that_is_killed_takes_its_machines_with_it(ground: Ground, open_path: Path) -> None:
    lab = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(LAB), ground.kind, SLEEP],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
            "TMPDIR": str(open_path),
        },
    )
    assert lab.stdout is not None
    with lab.stdout:
        assert lab.stdout.readline() == b"up\n"
        until(lambda: sleepers() == 2, lambda: "the machine's two programs do not run")
        lab.send_signal(signal.SIGKILL)
        lab.wait()
    until(lambda: sleepers() == 0, lambda: "machines are still there")
    until(lambda: left_in(open_path) == [], left_in, open_path)


def left_in(directory: Path) -> list[Path]:
    """Files that machines have left; the next lab clears the lab's own files."""
    return list(directory.glob("mayfly-*/i-*/*")) + list(directory.glob("mayfly-*/root/*"))


def sleepers() -> int:
    found = subprocess.run(
        ["pgrep", "--count", "--full", f"^{SLEEP}"], capture_output=True, text=True, check=False
    )
    return int(found.stdout)

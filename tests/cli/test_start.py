"""Ctrl-C while a program still loads its modules."""

from __future__ import annotations

import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SLOW = """\
import sys, time
print("loading", flush=True)
time.sleep(float(sys.argv[1]))
def main():
    print("begun", flush=True)
    return 3
"""
START = "from mayfly_cli.start import run; run('tool', 'slow')"


def started(folder: Path, seconds: str, before: str = "") -> subprocess.Popen[str]:
    """A program that loads its module for these seconds; its module has begun to load."""
    (folder / "slow.py").write_text(SLOW)
    program = subprocess.Popen(
        [sys.executable, "-c", before + START, seconds],
        env={"PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "loading\n"
    return program


def rest(program: subprocess.Popen[str]) -> tuple[str, str]:
    """The rest of the program's output, and its errors, after its end.

    `communicate` leaves out what the first line's read has buffered.
    """
    assert program.stdout is not None
    assert program.stderr is not None
    with program:
        return program.stdout.read(), program.stderr.read()


def test_ctrl_c_while_modules_load_ends_with_one_line_and_130(tmp_path: Path) -> None:
    program = started(tmp_path, "60")
    program.send_signal(signal.SIGINT)
    assert rest(program) == ("", "tool: stopped\n")
    assert program.returncode == 130


def test_a_program_that_is_not_stopped_begins_with_the_usual_ctrl_c(tmp_path: Path) -> None:
    before = "import atexit, signal; atexit.register(lambda: print(signal.getsignal(2))); "
    assert rest(started(tmp_path, "0", before)) == (f"begun\n{signal.default_int_handler}\n", "")


def test_a_program_in_the_background_goes_on_ignoring_ctrl_c(tmp_path: Path) -> None:
    ignored = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    program = started(tmp_path, "0.1", ignored)
    program.send_signal(signal.SIGINT)
    assert rest(program) == ("begun\n", "")
    assert program.returncode == 3


@pytest.mark.parametrize("project", ["pyproject.toml", "lab/pyproject.toml"])
def test_every_installed_program_begins_in_a_module_that_loads_at_once(project: str) -> None:
    scripts = tomllib.loads((ROOT / project).read_text("utf-8"))["project"]["scripts"]
    assert scripts
    for target in scripts.values():
        module = target.partition(":")[0]
        shown = f"import {module}, sys; print(*sys.modules)"
        loaded = subprocess.run(
            [sys.executable, "-c", shown], check=True, capture_output=True, text=True
        ).stdout.split()
        assert module.endswith(".start")
        assert not {"click", "yaml", "boto3"} & set(loaded)

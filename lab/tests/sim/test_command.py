"""`mayfly-lab sim` as a person calls it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mayfly.provision import tick as provision
from mayfly_lab.cli import run_command
from mayfly_lab.commands import sim
from mayfly_lab.sim import seeds
from mayfly_lab.sim.run import run


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--fault rain=0.1", "'rain' is no fault: allowed are throttle, lost-answer"),
        ("--fault cut", "'cut' is not NAME=RATE (try lost-answer=0.05)"),
        ("--fault cut=much", "'cut=much' is not NAME=RATE (try lost-answer=0.05)"),
        ("--fault cut=2", "the rate of cut is from 0 to 1, not 2"),
        ("--from -1", "'-1' is not a seed from 0 to 9007199254740992"),
        ("--from 9007199254740993", "is not a seed from 0 to 9007199254740992"),
        ("--seeds 0", "'0' is not a number of seeds from 1 to 1000000"),
        ("--trace /no/such", "cannot read /no/such: No such file or directory"),
        (f"--trace {__file__}", "is no trace: it is neither of the forms"),
    ],
)
def test_bad_input_is_told_in_one_line_with_what_is_allowed(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["sim", *words.split()]) == 2
    printed = capsys.readouterr()
    assert said in " ".join(printed.err.split())
    assert printed.out == ""


def test_seeds_that_hold_are_summed_up(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    assert run_command(["sim", "--from", "1", "--seeds", "3", "--json", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "3 seeds from 1 on, in" in shown
    assert "every invariant held" in shown
    assert max(map(len, shown.splitlines())) <= 80
    figures = json.loads(file.read_text())
    assert figures["seeds"] == 3
    assert figures["violations"] == {}
    assert figures["calls"] > 3000


def test_a_violation_is_shown_with_the_shortest_way_to_it_and_its_replay(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(provision, "confirmed", lambda view, *_: view)
    # In this process: the others do not have the mutation.
    monkeypatch.setattr(seeds, "run_all", lambda some, plan, *_: (run(seed, plan) for seed in some))
    monkeypatch.setattr(sim, "SHORTEN_SECONDS", 5.0)
    words = ["sim", "--from", "16", "--seeds", "1", "--fault", "no-boot=0"]
    assert run_command(words) == 1
    shown = capsys.readouterr()
    assert "bounded: " in shown.out
    assert "mayfly-lab sim --from 16 --seeds 1 --fault no-boot=0" in shown.out
    events = [line.strip() for line in shown.out.splitlines() if line.startswith("    ")]
    kept = tmp_path / "events"
    kept.write_text("\n".join(events))
    assert "1 of 1 seeds violate an invariant" in shown.err
    assert run_command([*words, "--keep", str(kept)]) == 1
    assert "bounded: " in capsys.readouterr().out


def test_a_signal_ends_the_runs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mayfly_lab.cli", "sim", "--seeds", "100000"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=-1, stderr=-1, text=True) as running:
        time.sleep(4)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in out + err

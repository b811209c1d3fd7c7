"""The live table on a terminal, and what the lines above it leave out."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from buildkite_emulator import Buildkite, JobEvent, JobView
from mayfly.records.states import InstanceState
from mayfly_lab.report.board import Board
from mayfly_lab.report.live import LiveReport
from mayfly_lab.report.logs import CHECKOUT, without_git
from mayfly_lab.report.show import named
from tests.unit.builders import an_instance

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
LONG = "integration tests of everything that there is " * 3


def jobs(*labels: str) -> list[JobView]:
    buildkite = Buildkite(lambda: NOW, queues=("default",))
    steps = [{"label": label, "command": "true"} for label in labels]
    buildkite.add_pipeline("p", repr({"steps": steps}), "file:///dev/null")
    buildkite.create_build("p")
    return list(buildkite.jobs())


def shown(board: Board, lines: int = 24, width: int = 80) -> str:
    screen = io.StringIO()
    Console(file=screen, width=width, force_terminal=True, color_system=None).print(
        board.shown(lines, width)
    )
    return screen.getvalue()


def test_the_table_shows_what_has_not_ended_with_names_and_profiles() -> None:
    lint, unit, done = jobs("Lint", "Unit", "Done")
    boots = an_instance(InstanceState.BOOTING, 1, instance_id="i-1", proven=False)
    runs = an_instance(InstanceState.RUNNING, 2, instance_id="i-2", job=lint.id, proven=True)
    gone = an_instance(InstanceState.TERMINATED, 3, instance_id="i-3")
    ended = replace(done, outcome="failed")
    text = shown(Board([lint, unit, ended], [boots, runs, gone], NOW, 12.3))
    lines = [line.split() for line in text.splitlines()]
    assert "1 of 3 jobs ended, 1 failed; 2 instances; 12 s" in text
    assert [line[0] for line in lines if "default" in line] == ["Lint", "Unit"]
    assert ["i-1", "bootstrap", "booting", boots.queue, "-"] in lines
    assert ["i-2", "sandbox", "running", runs.queue, "Lint"] in lines
    assert "i-3" not in text


@pytest.mark.parametrize("width", [40, 80])
def test_the_table_fits_its_terminal_and_counts_what_has_no_room(width: int) -> None:
    many = jobs(*(f"{LONG}{number}" for number in range(100)))
    there = [an_instance(number=n, instance_id=f"i-{n:017x}") for n in range(100)]
    text = shown(Board(many, there, NOW + timedelta(hours=3), 10800.0), 24, width)
    assert max(map(len, text.splitlines())) <= width
    assert len(text.splitlines()) <= 24
    assert "more jobs" in text
    assert "more instances" in text


def test_before_the_first_job_no_job_is_counted() -> None:
    assert "no job yet; 0 instances; 3 s" in shown(Board([], [], NOW, 3.0))


def test_a_label_is_no_markup() -> None:
    assert "[red]x[/red]" in shown(Board(jobs("[red]x[/red]"), [], NOW, 0.0))


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def a_terminal(monkeypatch: pytest.MonkeyPatch) -> Screen:
    for name in ("CI", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    return screen


def test_events_stay_above_the_table_and_the_table_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = a_terminal(monkeypatch)
    live = LiveReport()
    (job,) = jobs("Lint")
    with live.board():
        live.on_job(JobEvent(NOW, None, job))
        live.say("an event")
        with live.paused():
            live.lines(["unblock?"])
        live.lines(["  x" * 60])
    text = terminal.getvalue()
    assert "an event" in text
    assert "unblock?\n" in text
    assert "  x" * 60 in text
    assert "\x1b[?25h" in text.rpartition("\x1b[?25l")[2], "the cursor is hidden"


def test_elsewhere_there_is_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stdout", screen)
    live = LiveReport()
    with live.board(), live.paused():
        live.lines(["an event"])
    assert screen.getvalue() == "an event\n"


def test_an_id_of_a_job_has_the_jobs_name_beside_it() -> None:
    assert named("bound to job a-1", {"a-1": "Lint"}) == "bound to job Lint (a-1)"


LOG = [
    "~~~ Setup",
    "one",
    CHECKOUT,
    "$ git clone",
    "HEAD is now at 1",
    "~~~ Running commands",
    "hi",
]


def test_what_git_says_is_folded_unless_the_log_ends_with_it() -> None:
    assert without_git(LOG) == [
        *("~~~ Setup", "one", CHECKOUT, "(2 lines of git)", "~~~ Running commands", "hi")
    ]
    assert without_git(LOG[:5], whole=True) == LOG[:5]
    assert without_git(LOG[:5]) == [*LOG[:3], "(2 lines of git)"]
    assert without_git(LOG, whole=True) == without_git(LOG)

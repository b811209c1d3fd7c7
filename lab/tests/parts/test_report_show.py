"""The report in the form for people."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import replace

import pytest

from mayfly_lab.report.checks import Check
from mayfly_lab.report.live import LiveReport
from mayfly_lab.report.screen import WIDTH, folded, has_colour, painted, row, timed
from mayfly_lab.report.show import checks_table, instances_table, jobs_table, plain, speed
from mayfly_lab.report.timeline import InstanceLine, JobLine

PROFILES = ((0.0, "bootstrap"), (6.25, "sandbox"))
MACHINE = InstanceLine("i-0abc", "default", "j-1", PROFILES, (), "")


def a_job(label: str = "build", **seconds: float) -> JobLine:
    return JobLine("j-1", label, "default", "hot", "passed", 0, "", "i-0abc", 1, "", seconds)


def test_a_machine_is_shown_with_the_number_of_its_job_and_when_each_profile_was_served() -> None:
    heading, line = instances_table([MACHINE], {"j-1": 4}, {})
    assert len(heading) <= WIDTH
    assert heading.split()[:3] == ["instance", "queue", "job"]
    assert line.split(maxsplit=3) == [
        "i-0abc",
        "default",
        "#4",
        "bootstrap from 0.00, sandbox from 6.25",
    ]


def test_the_times_of_stops_and_the_names_of_jobs_in_reasons_are_shown() -> None:
    machine = replace(MACHINE, reason="job j-1 ended", off=((8.0, 9.5), (20.0, None)))
    _, *lines = instances_table([machine], {"j-1": 4}, {"j-1": "build"})
    shown = " ".join(" ".join(lines).split())
    assert "sandbox from 6.25; stopped from 8.00 to 9.50; stopped from 20.00" in shown
    assert "job build (j-1) ended" in shown
    check = Check("every-job-ends", "promise", ("job j-1 is still running",))
    assert any("job build (j-1) is" in line for line in checks_table([check], {"j-1": "build"}))


def test_without_machines_there_is_no_table_of_them() -> None:
    assert list(instances_table([], {}, {})) == ["no instance was launched"]


def test_a_point_that_a_job_never_reached_is_a_dash() -> None:
    cells = [line.split() for line in jobs_table([a_job(waiting=0.25)])]
    assert ["waiting", "0.25"] in cells
    assert ["terminated", "-"] in cells


def test_a_job_is_followed_by_the_whole_text_of_its_notes() -> None:
    text = "Waiting: queue deploy is at its limit of 2 instances. " * 4
    job = replace(a_job(), notes=((21.34, text.strip()), (40.0, "Launching an instance.")))
    lines = list(jobs_table([job]))
    assert max(map(len, lines)) <= WIDTH
    shown = " ".join(" ".join(lines).split())
    assert f"note at 21.3 s: {text.strip()} note at 40.0 s: Launching an instance." in shown


LONG = "a text that is much longer than its column, by 3 words and more " * 4


def words(lines: Iterable[str]) -> str:
    return "".join("".join(lines).split())


def test_no_line_is_wider_than_a_terminal_and_every_text_is_whole() -> None:
    assert WIDTH == 80
    job = replace(
        a_job(LONG, waiting=1.0, first_output=2.0),
        queue="q" * 40,
        outcome="waiting_failed",
        reason=f"reason: {LONG}",
        instance="i-0123456789abcdef0",
        path="cold",
    )
    machine = replace(MACHINE, id="i-0123456789abcdef0", queue="k" * 30, reason=f"ended: {LONG}")
    checks = [Check("bootstrap-ends", f"promise: {LONG}", (f"broken: {LONG}",))]
    for lines in (
        list(jobs_table([job] * 30)),
        list(instances_table([machine], {"j-1": 100}, {})),
        list(checks_table(checks, {})),
        list(speed([job], 7.0)),
        timed(12345.6, LONG),
    ):
        assert max(map(len, lines)) <= WIDTH
        assert "…" not in "".join(lines)
    told = words([*instances_table([machine], {}, {}), *checks_table(checks, {})])
    for name in ("ended", "broken"):
        assert words([f"{name}: {LONG}"]) in told
    assert words([f"reason: {LONG}"]) in words(jobs_table([job]))
    assert any("waiting_failed" in line for line in jobs_table([job]))


def test_the_cells_of_a_row_are_wrapped_into_their_columns() -> None:
    assert list(row(("1", "one two three", "abcdefgh"), (-2, 7, 4))) == [
        " 1 one two abcd",
        "   three   efgh",
    ]


def test_an_address_is_not_broken() -> None:
    url = "https://example.org/" + "x" * 90
    assert folded(f"see {url}", 4) == ["    see", f"    {url}"]


def test_outcomes_checks_and_warnings_are_coloured_and_nothing_else_is_changed() -> None:
    green, red, yellow = ("\x1b[32m", "\x1b[31m", "\x1b[33m")
    assert painted("held   order   it held").startswith(f"{green}held\x1b[0m ")
    assert painted("BROKEN order").startswith(f"{red}BROKEN")
    assert f"{green}(passed)" in painted("  1.00  build: finished (passed)")
    assert f"{red}(failed)" in painted("  1.00  build: finished (failed)")
    assert f"{yellow}warning:" in painted("  0.01  warning: x")
    assert painted("  1.00  i-1 launching: EC2 has a failed-over zone") == (
        "  1.00  i-1 launching: EC2 has a failed-over zone"
    )


@pytest.mark.parametrize(
    ("terminal", "environment", "coloured"),
    [
        (True, {}, True),
        (True, {"NO_COLOR": ""}, True),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (True, {"CI": "true"}, False),
        (False, {}, False),
    ],
)
def test_a_terminal_gets_colours_unless_somebody_asks_for_none(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, environment: dict[str, str], coloured: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: terminal)
    monkeypatch.setattr("sys.stdout", screen)
    assert has_colour() is coloured
    live = LiveReport()
    live.say(f"warning: {LONG}")
    live.lines(["        | a log with a warning: of its own"])
    first, *_, log = screen.getvalue().splitlines()
    assert ("\x1b[33mwarning:\x1b[0m" in first) is coloured
    assert log == "        | a log with a warning: of its own"


def test_emoji_names_are_removed_from_labels_unless_the_label_is_empty_then() -> None:
    assert plain(":hammer: build") == "build"
    assert plain(":hammer:") == ":hammer:"

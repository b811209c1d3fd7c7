"""The report in the form for people."""

from __future__ import annotations

from dataclasses import replace

from mayfly_lab.report.show import WIDTH, instances_table, jobs_table, plain
from mayfly_lab.report.timeline import InstanceLine, JobLine

PROFILES = ((0.0, "bootstrap"), (6.25, "sandbox"))
MACHINE = InstanceLine("i-0abc", "default", "j-1", PROFILES, (), "")


def a_job(label: str = "build", **seconds: float) -> JobLine:
    return JobLine("j-1", label, "default", "hot", "passed", 0, "", "i-0abc", 1, "", seconds)


def test_a_machine_is_shown_with_the_number_of_its_job_and_when_each_profile_was_served() -> None:
    heading, line = instances_table([MACHINE], {"j-1": 4})
    assert heading.split()[:3] == ["instance", "queue", "job"]
    assert line.split(maxsplit=3) == [
        "i-0abc",
        "default",
        "#4",
        "bootstrap from 0.00, sandbox from 6.25",
    ]


def test_without_machines_there_is_no_table_of_them() -> None:
    assert list(instances_table([], {})) == ["no instance was launched"]


def test_a_point_that_a_job_never_reached_is_a_dash() -> None:
    cells = [line.split() for line in jobs_table([a_job(waiting=0.25)])]
    assert ["waiting", "0.25"] in cells
    assert ["terminated", "-"] in cells


def test_a_job_is_followed_by_the_whole_text_of_its_notes() -> None:
    text = "Waiting: queue deploy is at its limit of 2 instances. " * 4
    job = replace(a_job(), notes=((21.34, text.strip()), (40.0, "Launching an instance.")))
    lines = list(jobs_table([job]))
    assert max(map(len, lines)) <= WIDTH
    shown = " ".join(" ".join(lines[2:6]).split())
    assert f"note at 21.3 s: {text.strip()} note at 40.0 s: Launching an instance." in shown


def test_no_line_is_wider_than_a_terminal() -> None:
    many = [a_job("a label that is much longer than its column " * 3) for _ in range(30)]
    assert max(map(len, jobs_table(many))) <= WIDTH


def test_emoji_names_are_removed_from_labels_unless_the_label_is_empty_then() -> None:
    assert plain(":hammer: build") == "build"
    assert plain(":hammer:") == ":hammer:"

"""Results on screens of each width, as golden texts, and as JSON.

`MAYFLY_WRITE_GOLDEN=1` writes them anew; look at the difference.
"""

from __future__ import annotations

import io
import json
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from build.blocks import ROOT
from mayfly.config.schedule import Schedule
from mayfly.config.schedule_text import parse_schedule
from mayfly.records.standing import Standing, Target
from mayfly_cli.listings.failed import Ended
from mayfly_cli.listings.jobs import jobs_of
from mayfly_cli.operations.json_form import text_of
from mayfly_cli.operations.reading import StackView
from mayfly_cli.operations.rendering import console, write
from mayfly_cli.operations.screen import Document, Hint, Line, Table, columns, line, table
from mayfly_cli.operations.screen import text_of as cell_text
from mayfly_cli.status.result import status_of
from tests.cli.operations.failures import all_results
from tests.cli.operations.generate_docs import DOCUMENTS
from tests.cli.operations.samples import WAITING, begun, deploy, sample, shown
from tests.unit.builders import NOW, ago, later

GOLDEN = Path(__file__).parent / "golden"
WIDTHS = (40, 60, 80, 100, 200)
NAMES = sorted(all_results())
WEEKDAYS = (
    'hot 3 of 10: the entry "Mon-Fri 08:00-18:00 Europe/Berlin" of pool/hot is in force; next'
    " change at 17:00\n"
)


def golden(name: str, text: str) -> str:
    """The kept text."""
    path = GOLDEN / name
    if os.environ.get("MAYFLY_WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    return path.read_text("utf-8")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_the_screen_is_as_it_was_looked_at(name: str, width: int) -> None:
    text = shown(all_results()[name], width)
    assert text == golden(f"{name}-{width}.txt", text)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_no_line_but_a_command_to_paste_is_wider_than_the_screen(name: str, width: int) -> None:
    for each in shown(all_results()[name], width).splitlines():
        is_one_word = len(each.split()) == 1
        assert cell_len(each) <= width or is_one_word or each.lstrip().startswith("-> ")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_no_word_is_cut_or_broken(name: str, width: int) -> None:
    made = all_results()[name]
    lacking = words_of(made.document()) - set(shown(made, width).split())
    assert lacking == set()


def words_of(document: Document) -> set[str]:
    """The words of every cell and hint; `-` stands for nothing."""
    texts = []
    for block in document:
        match block:
            case Line(cells):
                texts.append("".join(map(cell_text, cells)))
            case Hint(text):
                texts.append(text)
            case Table(_, rows):
                texts += [cell_text(cell) for row in rows for cell in row]
    return {word for text in texts for word in text.split()} - {"-"}


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_cell_whose_words_do_not_fit_beside_the_others_is_below_its_row(width: int) -> None:
    long = "arn:aws:iam::123456789012:role/x"
    rows = (("one", "1", "short words fit"), ("two", "2", f"see {long} for it"))
    stream = io.StringIO()
    write((table(columns("NAME", ">N", "WHY"), rows),), console(stream, width))
    shown_there = f"two   2  see {long}" if width > 40 else f"two   2\n    see {long}"
    assert shown_there in stream.getvalue()
    assert "one   1  short words fit\n" in stream.getvalue()


def test_a_word_that_is_longer_than_the_screen_stands_whole_on_a_line_of_its_own() -> None:
    stream = io.StringIO()
    write((line(f"read {'y' * 90} first"),), console(stream, 40))
    assert stream.getvalue() == f"read\n  {'y' * 90}\n  first\n"


def test_a_long_name_has_several_lines() -> None:
    stream = io.StringIO()
    name = 'app #812 "Integration tests of the large suite"'
    write((table(columns("JOB", "WHY"), [(name, "a reason")]),), console(stream, 80))
    first, second = stream.getvalue().splitlines()[1:]
    assert first == 'app #812 "Integration tests of    a reason'
    assert second == 'the large suite"'


@pytest.mark.parametrize("name", NAMES)
def test_the_json_form_is_as_it_was_looked_at(name: str) -> None:
    text = json.dumps(json.loads(text_of(all_results()[name])), indent=1, ensure_ascii=False) + "\n"
    assert text == golden(f"{name}.json", text)


def test_the_page_of_the_tool_is_current() -> None:
    assert DOCUMENTS.stale(ROOT, write=False) == [], "run make docs"


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (Target(10, "Mon-Fri 08:00-18:00 Europe/Berlin", later(480)), WEEKDAYS),
        (
            Target(3, "default", later(540)),
            "hot 3 of 3: pool/hot has this count; next change at 18:00\n",
        ),
        (Target(3, "default"), "hot 3 of 3: pool/hot has this count; no change is planned\n"),
    ],
)
def test_the_status_of_one_queue_tells_why_its_pool_has_its_target(
    target: Target, says: str
) -> None:
    said = Standing("default", "provision", NOW, hot=target)
    view = replace(sample().queues[0], standings=(said,))
    assert says in shown(status_of(replace(sample(), queues=(view,)), {}), 120)
    assert "next change at" not in shown(status_of(sample(), {}), 100)


@pytest.mark.parametrize(
    ("said", "number", "oldest"),
    [
        (Standing("default", "dispatch", ago(60), waiting=1, oldest=ago(60)), 0, None),
        (Standing("default", "dispatch", ago(60), waiting=2, oldest=ago(70)), 1, 70),
        (Standing("default", "dispatch", ago(seconds=3), waiting=1, oldest=ago(0.5)), 1, 0.5),
    ],
    ids=["counts a job that has begun", "counts another one too", "counts another one"],
)
def test_a_job_that_has_begun_since_the_last_standing_is_not_counted_as_waiting(
    said: Standing, number: int, oldest: float | None
) -> None:
    view = replace(sample().queues[0], claims=(), standings=(said,))
    found = status_of(replace(sample(), queues=(view,)), {"default": Ended((begun(9, 0),))}).queues[
        0
    ]
    assert (found.waiting, found.oldest) == (
        number,
        None if oldest is None else timedelta(minutes=oldest),
    )


def test_the_status_of_several_queues_has_each_entry_in_force_and_the_stopped_pool() -> None:
    text = " ".join(shown(status_of(sample(), {}), 80).split())
    assert "hot 2 until 17:00 (Mon-Fri 08:00-18:00 Europe/Berlin)" in text
    assert "hot 3 until 18:00" in text
    assert "STOPPED" in text
    assert "gpu 0/2 2/5" in text
    without = replace(sample(), queues=sample().queues[:3])
    assert "STOPPED" not in shown(status_of(without, {}), 80)


@pytest.mark.parametrize(
    ("stopped", "says"),
    [
        (Schedule(5), "stopped 2 of 5: pool/stopped has this count; no change is planned\n"),
        (
            parse_schedule("0; Mon-Fri 08:00-18:00 UTC = 4"),
            'stopped 2 of 4: the entry "Mon-Fri 08:00-18:00 UTC',
        ),
        (Schedule(0), None),
    ],
)
def test_the_status_of_one_queue_tells_why_its_stopped_pool_has_its_target(
    stopped: Schedule, says: str | None
) -> None:
    gpu = sample().queues[3]
    assert gpu.config is not None
    view = replace(gpu, config=replace(gpu.config, stopped=stopped))
    text = shown(status_of(replace(sample(), queues=(view,)), {}), 100)
    assert (says or "hot 0 of 2: the entry") in text
    assert ("\nstopped " in text) is (says is not None)


@pytest.mark.parametrize("name", NAMES)
def test_json_is_one_line(name: str) -> None:
    assert "\n" not in text_of(all_results()[name])


def form(value: Any) -> Any:
    """The value with only the names of its fields."""
    if isinstance(value, dict):
        return {key: form(each) for key, each in value.items()}
    return [form(each) for each in value[:1]] if isinstance(value, list) else None


def test_the_names_in_the_json_of_status_stay() -> None:
    queue = form(json.loads(text_of(all_results()["status"])))["queues"][0]
    assert set(queue) >= {
        "queue", "hot", "hot_target", "stopped", "coming", "running", "live", "max_instances",
        "waiting", "oldest", "waits", "left_alone", "reasons", "problems",
    }  # fmt: skip


@pytest.mark.parametrize("evil", ["\x1b[2J", "a\nb", "\r", "\u202e"])
def test_a_step_name_cannot_steer_the_terminal(evil: str) -> None:
    view = replace(deploy(), claims=(replace(WAITING, step=evil),))
    text = shown(jobs_of(StackView("ci", "eu", NOW, (view,)), waiting=False), 100)
    assert not set(text) & {"\x1b", "\r", "\u202e"}
    assert len([row for row in text.splitlines() if row.startswith("app #812")]) == 1

"""The report as one HTML file: numbers, places, escapes, contrast, and nothing from elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from itertools import product
from pathlib import Path as FilePath

import pytest

from mayfly_cli.html_report.geometry import Scale, scale
from mayfly_cli.html_report.model import Chart, Job, Path, Phase, Section, Tone
from mayfly_cli.html_report.operators import (
    HOUR,
    Change,
    Changes,
    Costs,
    Hour,
    Hours,
    Launches,
    QueueHours,
)
from mayfly_cli.html_report.render import page, seconds
from tests.architecture.modules import ROOT
from tests.cli.html_reports import (
    LONG,
    a_denied_job,
    a_job,
    a_report,
    every_end,
    many,
    of_operators,
)

TEMPLATES = ROOT / "cli/mayfly_cli/html_report/templates"
VOID = {"meta", "link"}


class Elements(HTMLParser):
    """Every element with its attributes, and whether each was closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def values(self, attribute: str) -> list[str]:
        return [a[attribute] or "" for _, a in self.found if attribute in a]


@pytest.mark.parametrize("report", [every_end(), many(70), a_report(()), of_operators()])
def test_every_element_is_closed_every_id_is_unique_and_every_link_leads_somewhere(
    report: object,
) -> None:
    elements = Elements(page(report))  # type: ignore[arg-type]
    ids = elements.values("id")
    assert len(set(ids)) == len(ids)
    links = [a["href"] or "" for tag, a in elements.found if tag == "a"]
    assert {link for link in links if not link.startswith("#")} == set()
    assert {link[1:] for link in links} <= set(ids)


def test_the_file_asks_nothing_of_anybody_and_its_own_policy_forbids_it() -> None:
    text = page(every_end())
    elements = Elements(text)
    assert not re.findall(r"https?://|//\w+\.|@import|url\((?!#)", text)
    assert elements.values("src") == elements.values("style") == []
    policies = [a["content"] or "" for _, a in elements.found if "http-equiv" in a]
    assert [policy.partition(";")[0] for policy in policies] == ["default-src 'none'"]


def test_what_others_wrote_is_text() -> None:
    text = page(every_end())
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_broken_checks_come_first_with_their_evidence() -> None:
    text = page(every_end())
    order = [text.index(word) for word in ("nothing-leaks", "i-0fade is still", "one-assignment")]
    assert order == sorted(order)


def test_each_row_shows_the_phases_of_its_job_above_the_profiles_of_its_instance() -> None:
    report = every_end()
    chart = next(s for s in report.sections if isinstance(s, Chart))
    place = scale(chart)
    rects = [a for tag, a in Elements(page(report)).found if tag == "rect" and "data-from" in a]
    wanted: list[tuple[str | None, float, float]] = []
    for job in chart.jobs:
        wanted += [(span.phase.value, span.begin, span.end) for span in job.spans]
        wanted += [(None, b.begin, b.end) for b in (job.instance.bands if job.instance else ())]
    wanted += [(None, band.begin, band.end) for i in chart.idle for band in i.bands]
    shown = [
        (a.get("data-phase"), float(a["data-from"] or ""), float(a["data-to"] or "")) for a in rects
    ]
    assert shown == wanted
    for rect, (_, begin, end) in zip(rects, wanted, strict=True):
        assert rect["x"] == f"{place.x(begin)}%"
        assert rect["width"] == f"{place.width(begin, end)}%"


def test_the_whole_name_and_the_whole_reason_are_in_the_table() -> None:
    text = page(every_end())
    assert LONG in text
    assert a_denied_job(5).reason.rpartition(" ")[2] in text


@pytest.mark.parametrize(
    ("job", "wait", "took"),
    [
        (a_job(1, Path.COLD, 0.0, 2.0), 13.72, 15.72),
        (a_job(1, Path.HOT, 7.0, 2.0), 1.9, 3.9),
        (a_denied_job(1), None, 0.6),
    ],
)
def test_a_wait_ends_where_the_command_begins(
    job: Job, wait: float | None, took: float | None
) -> None:
    assert (job.wait, job.took) == (wait, took)


def test_hours_have_their_place_and_changes_are_marks_within_the_time() -> None:
    report = of_operators()
    hours = report.sections[0]
    assert isinstance(hours, Hours)
    assert [hours.axis.x(each.at) for each in hours.marks] == [10.417, 41.667]
    late = Change(hours.axis.ends + HOUR, "bob", "x", "1", "2")
    assert replace(hours, changes=(late,)).marks == ()
    text = page(report)
    bars = [a for tag, a in Elements(text).found if a.get("class") == "waiting"]
    assert len(bars) == 1 + 24 + 6  # the legend has one too
    # 7 of at most 10, on 60 pixels above the base at 76.
    assert tuple(bars[2][name] for name in ("x", "y", "height")) == ("4.167%", "34.0", "42.0")
    assert "&lt;b&gt;" in text


@pytest.mark.parametrize(
    "section", [Hours(()), Launches(()), Costs((), Decimal(0), "List prices."), Changes(())]
)
def test_a_section_without_content_says_so(section: Section) -> None:
    text = page(replace(of_operators(), sections=(section,)))
    assert "<table" not in text
    assert re.search(r"</h2>\s*<p>", text)


# -- places ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "last", "ticks"),
    [
        (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (-11.9, 25.3, [-10.0, -5.0, 0.0, 5.0, 10.0, 15.0, 20.0, 25.0]),
        (0.0, 240.0, [0.0, 50.0, 100.0, 150.0, 200.0]),
    ],
)
def test_the_axis_has_round_seconds(first: float, last: float, ticks: list[float]) -> None:
    assert list(Scale(first, last).ticks()) == ticks


def test_marks_that_stand_close_have_one_label() -> None:
    begin = datetime(2026, 11, 29, tzinfo=UTC)
    hours = tuple(Hour(begin + n * HOUR, 0) for n in range(10))
    times = (1.0, 1.2, 1.3, 5.0, 20.0)
    changes = tuple(Change(begin + each * HOUR, "", "x", "1", "2") for each in times)
    shown = Hours(queues=(QueueHours("default", hours),), changes=changes)
    assert shown.labels == ((10.0, "1-3"), (50.0, "4"))


@pytest.mark.parametrize(
    ("who", "person"),
    [
        ("arn:aws:iam::1:user/alice", "alice"),
        ("arn:aws:sts::1:assumed-role/Ops/bob", "bob"),
        ("", "unknown"),
    ],
)
def test_a_change_shows_the_name_of_its_author(who: str, person: str) -> None:
    assert Change(datetime(2026, 11, 29, tzinfo=UTC), who, "x", "1", "2").person == person


def test_a_chart_holds_its_zero_and_all_its_marks_and_has_a_width_without_any() -> None:
    job = a_job(1, Path.COLD, 3.0, 2.0)
    found = scale(Chart("seconds", (job,)))
    assert (found.first, found.last) == (0.0, job.spans[-1].end)
    assert found.x(0.0) == 0
    assert found.x(found.last) == 100
    assert scale(Chart("seconds", ())) == Scale(0.0, 1.0)
    assert [Scale(-10.0, 30.0).x(at) for at in (-10.0, 0.0, 30.0)] == [0, 25, 100]
    assert Scale(-10.0, 30.0).width(0.0, 10.0) == 25


@pytest.mark.parametrize(
    ("value", "shown"), [(1.234, "1.23"), (59.999, "60.00"), (61.25, "61.2"), (-720.4, "-720")]
)
def test_seconds_have_as_many_decimals_as_people_read(value: float, shown: str) -> None:
    assert seconds(value) == shown


# -- colours ---------------------------------------------------------------------------------------

TEXT, GRAPHIC = 4.5, 3.0
"""The least contrast of text and of graphics: WCAG 2.2, criteria 1.4.3 and 1.4.11, level AA."""
PATHS = ("hot", "stopped", "cold", "none")
KINDS = ("wait", "wait-2", "checkout")
PAIRS = [
    *product(("ink", "soft", "link", "good", "bad", "mixed", *PATHS[:3]), ("ground",), (TEXT,)),
    *product(("ink", "soft"), ("panel",), (TEXT,)),
    *((f"on-{path}", path, TEXT) for path in PATHS),
    *(("on-wait", f"{path}-{kind}", TEXT) for path in PATHS for kind in KINDS),
    *(("good", "good-ground", TEXT), ("bad", "bad-ground", TEXT)),
    *(("on-sandbox", "sandbox", TEXT), ("on-bootstrap", "bootstrap-ground", TEXT)),
    *product((*PATHS, "bootstrap", "sandbox"), ("ground",), (GRAPHIC,)),
]  # fmt: skip


def schemes() -> dict[str, dict[str, str]]:
    """The colours of the style, by scheme and name."""
    style = (TEMPLATES / "report.css").read_text()
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    named = re.compile(r"--([\w-]+): (#[0-9a-f]{6});")
    return {"light": dict(named.findall(light)), "dark": dict(named.findall(dark))}


def luminance(colour: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("front", "back", "least"), PAIRS)
def test_text_and_graphics_stand_out(scheme: str, front: str, back: str, least: float) -> None:
    colours = schemes()[scheme]
    low, high = sorted((luminance(colours[front]), luminance(colours[back])))
    assert (high + 0.05) / (low + 0.05) >= least


def test_both_schemes_have_the_same_colours() -> None:
    found = schemes()
    assert found["light"].keys() == found["dark"].keys()


# -- the parts -------------------------------------------------------------------------------------


def test_every_section_has_its_template_and_every_template_is_used() -> None:
    sections = {each.template for each in Section.__args__}
    files = {FilePath(path).stem for path in TEMPLATES.glob("*.html")}
    assert files == sections | {"report", "marks"}


def test_every_phase_and_tone_has_words() -> None:
    assert all(phase.meaning for phase in Phase)
    assert {tone.value for tone in Tone} == {"good", "bad", "mixed"}

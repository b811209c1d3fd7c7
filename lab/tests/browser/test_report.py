"""The HTML report in a headless Chromium: complaints, requests, numbers, keyboard, axe, sizes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from browser.conftest import ROOT, SHOTS, violations
from mayfly_cli.html_report.model import Path as Way
from mayfly_cli.html_report.render import page as html
from tests.cli.html_reports import a_job, a_report, every_end, many, of_operators

WIDTHS = (360, 800, 1280)
SCHEMES = ("light", "dark")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    reports = {
        "ends": every_end(),
        "one": a_report((a_job(1, Way.COLD, 0.0, 2.0),)),
        "none": a_report(()),
        "many": many(300),
        "operators": of_operators(),
    }
    for name, report in reports.items():
        (folder / f"{name}.html").write_text(html(report), encoding="utf-8")
    return {name: folder / f"{name}.html" for name in reports}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["ends", "one", "none", "many", "operators"])
def test_a_page_fits_its_width_asks_for_nothing_and_nothing_complains(
    files: dict[str, Path], open_page: Any, name: str, width: int
) -> None:
    page, seen = open_page(files[name], width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert (seen.complaints, seen.requests) == ([], [])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["ends", "operators"])
def test_axe_finds_no_violation(
    files: dict[str, Path], open_page: Any, name: str, width: int, scheme: str
) -> None:
    page, _ = open_page(files[name], width, scheme)
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}-{scheme}-{width}.png", full_page=True)
    if name == "ends":
        page.keyboard.press("Tab")
        page.locator(".row").first.focus()
        assert page.locator("#tip").is_visible()
    assert violations(page) == []


def test_print_shows_everything_but_what_a_click_would_open(
    files: dict[str, Path], open_page: Any
) -> None:
    page, _ = open_page(files["ends"], 800)
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert page.locator(".reason").first.is_visible()
    assert page.locator("table.jobs").is_visible()
    SHOTS.mkdir(parents=True, exist_ok=True)
    assert page.pdf(path=SHOTS / "report.pdf", format="A4").startswith(b"%PDF")


def test_every_row_is_reached_by_the_keyboard_tells_its_job_and_leads_to_it(
    files: dict[str, Path], open_page: Any
) -> None:
    page, _ = open_page(files["ends"])
    reached: list[tuple[str, str, str]] = []
    for _ in range(40):  # by then the last row is behind
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.row')"):
            described = page.evaluate("document.activeElement.getAttribute('aria-describedby')")
            shown = page.evaluate("document.getElementById('tip').innerText")
            reached.append((page.evaluate("document.activeElement.hash"), described, shown))
    jobs = [row for row in reached if row[0].startswith("#job-")]
    jobs = jobs[:6]  # the focus begins anew after the last element
    assert [hash_ for hash_, _, _ in jobs] == [f"#job-{number}" for number in range(1, 7)]
    assert all(described == "tip" for _, described, _ in jobs)
    assert "5 passed" not in jobs[0][2]
    assert "1 passed in 3.2 s" in jobs[0][2]
    assert "no policy line allows" in jobs[4][2]
    page.locator(".row").nth(4).focus()
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#job-5"
    assert page.locator("#job-5").is_visible()


def test_escape_and_leaving_close_the_box_and_the_pointer_may_go_into_it(
    files: dict[str, Path], open_page: Any
) -> None:
    page, _ = open_page(files["ends"])
    tip = page.locator("#tip")
    page.locator(".row").nth(1).hover()
    assert tip.is_visible()
    tip.hover()
    page.wait_for_timeout(400)
    assert tip.is_visible()
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    # The browser tells the row below the box, some time later, that the pointer is over it.
    page.wait_for_timeout(400)
    assert not tip.is_visible()
    page.locator(".row").nth(2).hover()
    assert tip.is_visible()
    page.locator("h1").hover()
    tip.wait_for(state="hidden")


def test_the_chart_can_be_skipped(files: dict[str, Path], open_page: Any) -> None:
    page, _ = open_page(files["many"])
    page.locator(".skip a").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.matches('.scroll')")


def test_no_command_begins_over_the_bootstrap_band(files: dict[str, Path], open_page: Any) -> None:
    page, _ = open_page(files["ends"])
    rows = page.evaluate("""() => [...document.querySelectorAll('.row .plot')].map(plot => ({
        commands: [...plot.querySelectorAll('.span.command, .span.checkout')]
            .map(mark => mark.getBoundingClientRect().left),
        bootstrap: [...plot.querySelectorAll('.band.bootstrap')]
            .map(mark => mark.getBoundingClientRect().right)}))""")
    assert sum(bool(row["commands"] and row["bootstrap"]) for row in rows) == 5
    for row in rows:
        assert all(begin >= end - 1 for begin in row["commands"] for end in row["bootstrap"])


STEPS = [
    {"label": "Lint <b>", "command": "echo linted"},
    {"label": "Broken", "command": "echo nearly; exit 3"},
    {"label": "Two", "command": "echo two", "depends_on": []},
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with `report.json` and `report.html` of a real run of the lab."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "pipeline.yml").write_text(json.dumps({"steps": STEPS}), encoding="utf-8")
    command = (ROOT / ".venv/bin/mayfly-lab", "run", "pipeline.yml", "--hot", "1")
    files = ("--json", "report.json", "--html", "report.html")
    done = subprocess.run(
        (*command, *files), cwd=folder, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return folder


def test_a_run_shows_the_numbers_of_its_json(run: Path, open_page: Any) -> None:
    told = json.loads((run / "report.json").read_text(encoding="utf-8"))
    page, seen = open_page(run / "report.html")
    assert (seen.complaints, seen.requests) == ([], [])
    assert len(told["jobs"]) == len(STEPS)
    for job in told["jobs"]:
        row = page.locator(f'tbody[data-job="{job["id"]}"]')
        assert row.locator(".outcome").inner_text() == job["outcome"]
        exits = row.locator("data.exit").all()
        assert [int(each.get_attribute("value")) for each in exits] == [
            each for each in [job["exit_status"]] if each is not None
        ]
        reasons = [each.inner_text() for each in row.locator(".reason").all()]
        assert reasons == [each for each in [job["reason"]] if each]
        shown = [each.get_attribute("value") for each in row.locator(".phases data").all()]
        assert [float(each) for each in shown] == pytest.approx(
            [phase["to"] - phase["from"] for phase in job["phases"]], abs=0.0011
        )
    for wait in told["waits"]:
        row = page.locator(
            f'tr[data-path="{wait["path"]}"][data-phase="{wait["phase"] or "wait"}"]'
        )
        values = [float(each.get_attribute("value")) for each in row.locator("data").all()]
        assert values == [wait["p50"], wait["p99"]]

"""A headless Chromium for tests of pages. Runs in .tools/browser (`make browser`)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="make browser runs these tests")

ROOT = Path(__file__).resolve().parents[3]
AXE = ROOT / ".tools/browser/node_modules/axe-core/axe.min.js"
SHOTS = ROOT / ".build/browser"
"""Where screenshots lie after the tests, to be looked at."""


@dataclass
class Seen:
    """What a page did beside being shown."""

    complaints: list[str] = field(default_factory=list)
    """Messages on the console, and errors of scripts."""
    requests: list[str] = field(default_factory=list)
    """Addresses that the page asked for, but its own."""


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        # Chromium's sandbox needs a user of its own; the pages here are ours.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=options)
        yield browser
        browser.close()


def watched(page: Any, own: str) -> Seen:
    """What the page does from now on; requests to addresses that begin with `own` are its own."""
    seen = Seen()
    page.on("console", lambda message: seen.complaints.append(message.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on(
        "request",
        lambda r: None if r.url.startswith((own, "data:")) else seen.requests.append(r.url),
    )
    return seen


def violations(page: Any) -> list[tuple[str, list[str]]]:
    """What axe-core finds wrong on the page now: rule and elements."""
    found = page.evaluate(f"{AXE.read_text()}\naxe.run()")
    assert found["passes"]
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]]


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Any]:
    """Opens a file: `open_page(path, width=…, scheme=…)` returns the page and what it did."""
    opened = []

    def opens(path: Path, width: int = 1280, scheme: str = "light") -> tuple[Any, Seen]:
        page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        opened.append(page)
        own = path.resolve().as_uri()
        seen = watched(page, own)
        page.goto(own)
        return page, seen

    yield opens
    for page in opened:
        page.close()

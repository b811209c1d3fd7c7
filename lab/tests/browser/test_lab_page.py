"""The page of a running lab: somebody starts a build, lets it go on, and reads a log."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser.conftest import ROOT, SHOTS, sync_api, violations, watched

PATIENCE = 120_000
"""Milliseconds for a cold start on a busy machine."""


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("up")
    file, output = folder / "ready.json", folder / "output"
    with output.open("w") as written:
        lab = subprocess.Popen(
            (ROOT / ".venv/bin/mayfly-lab", "up", "--json", file),
            cwd=folder,
            stdout=written,
            stderr=subprocess.STDOUT,
        )
    try:
        end = time.monotonic() + PATIENCE / 1000
        while not file.exists():
            assert lab.poll() is None, output.read_text()
            assert time.monotonic() < end, output.read_text()
            time.sleep(0.2)
        yield json.loads(file.read_text(encoding="utf-8"))
    finally:
        lab.send_signal(signal.SIGTERM)
        lab.wait(60)


@pytest.fixture(scope="module")
def page(facts: dict[str, Any], chromium: Any) -> Iterator[Any]:
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.seen = watched(page, facts["page"])
    page.goto(facts["page"])
    page.locator("#queues tr").first.wait_for(timeout=PATIENCE)
    yield page
    page.close()


def row(page: Any, table: str, name: str) -> Any:
    return page.locator(f"#{table} tr", has=page.get_by_role("rowheader", name=name, exact=True))


def test_a_person_starts_the_sample_build_and_sees_bootstrap_give_way_to_sandbox(page: Any) -> None:
    page.get_by_role("button", name="Start the sample build").press("Enter")
    expect = sync_api.expect
    expect(page.locator("#said")).to_have_text("Build 1 has started.")
    bands = page.locator("#instances td")
    expect(bands.filter(has_text="bootstrap").first).to_be_visible(timeout=PATIENCE)
    expect(bands.filter(has_text="sandbox").first).to_be_visible(timeout=PATIENCE)
    expect(row(page, "jobs", "Unit tests")).to_contain_text("passed, exit 0", timeout=PATIENCE)


def test_a_changed_pool_brings_a_hot_instance(page: Any) -> None:
    page.get_by_label("Hot instances of queue default").fill("1")
    page.get_by_role("button", name="Set").click()
    expect = sync_api.expect
    expect(page.locator("#said")).to_have_text("pool/hot of default is 1.")
    hot = row(page, "queues", "default").locator("td").nth(1)
    expect(hot).to_have_text("1", timeout=PATIENCE)


def test_an_unblocked_step_lets_the_build_go_on_and_its_log_is_read(page: Any) -> None:
    page.get_by_role("button", name="Unblock Release? of build 1").click(timeout=PATIENCE)
    expect = sync_api.expect
    expect(row(page, "jobs", "Release")).to_contain_text("passed", timeout=PATIENCE)
    page.get_by_role("button", name="Log of Release").click()
    expect(page.locator("#log-text")).to_contain_text("released")
    page.keyboard.press("Escape")
    expect(page.locator("#log")).not_to_be_visible()


def test_a_job_is_cancelled(page: Any) -> None:
    page.get_by_label("Hot instances of queue default").fill("0")
    page.get_by_role("button", name="Set").click()
    page.get_by_role("button", name="Start the sample build").click()
    page.get_by_role("button", name="Cancel Release").click(timeout=PATIENCE)
    sync_api.expect(page.locator("#said")).to_have_text("Release is cancelled.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 800, 1280])
def test_the_page_fits_and_axe_finds_no_violation(page: Any, width: int, scheme: str) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"lab-{scheme}-{width}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page) == []
    assert (page.seen.complaints, page.seen.requests) == ([], [])


def test_no_secret_is_on_the_page(page: Any, facts: dict[str, Any]) -> None:
    secrets = [
        value
        for group in ("aws", "buildkite")
        for name, value in facts[group].items()
        if any(word in name.lower() for word in ("token", "secret", "session"))
    ]
    assert len(secrets) >= 2
    shown = page.content()
    assert not [secret for secret in secrets if secret in shown]


def test_another_site_can_neither_read_the_page_nor_act_on_it(
    page: Any, facts: dict[str, Any], chromium: Any, tmp_path: Path
) -> None:
    before = page.locator("#builds tr").count()
    (tmp_path / "evil.html").write_text("<title>evil</title>")
    evil = chromium.new_page()
    evil.goto((tmp_path / "evil.html").as_uri())
    tried = evil.evaluate(
        """async (page) => {
            const post = (headers) => fetch(`${page}do/start`,
                {method: "POST", headers, body: "{}", mode: "no-cors"}).then(() => "sent", String);
            const read = await fetch(page).then(() => "read", String);
            return [read, await post({"Content-Type": "text/plain"})];
        }""",
        facts["page"],
    )
    evil.close()
    assert tried[0] != "read"
    time.sleep(2)
    assert page.locator("#builds tr").count() == before

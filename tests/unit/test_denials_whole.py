"""A denial is whole wherever it is read: page, record, screens, JSON and report."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from html import unescape
from typing import Any

import pytest

from mayfly.adapters.buildkite.stacks import Stacks
from mayfly_cli.explain.result import explain_build, explain_job
from mayfly_cli.html_report.render import page
from mayfly_cli.operations.json_form import text_of
from mayfly_cli.operations.rendering import console, write
from mayfly_cli.operations.screen import Document
from tests.cli.html_reports import a_denied_job, a_report
from tests.unit.builders import QUEUE, a_job
from tests.unit.world import World, a_world

PLAIN = {
    "BUILDKITE_PIPELINE_SLUG": "web",
    "BUILDKITE_BRANCH": "main",
    "BUILDKITE_PULL_REQUEST": "false",
    "BUILDKITE_REPO": "git@github.com:acme/web.git",
    "BUILDKITE_SOURCE": "webhook",
}
PIPELINE, BRANCH, REPOSITORY = (
    "BUILDKITE_PIPELINE_SLUG",
    "BUILDKITE_BRANCH",
    "BUILDKITE_REPO",
)
FACTS = {
    "plain facts": ({}, "branch main"),
    "a long pipeline": ({PIPELINE: "end-to-end-" * 40}, f"pipeline {'end-to-end-' * 40},"),
    "a long branch": ({BRANCH: "fix-the-tests-" * 17}, f"branch {'fix-the-tests-' * 17},"),
    "a long URL": (
        {REPOSITORY: f"https://git.example.org/{'a.group/' * 70}web.git"},
        f"repository git.example.org/{'a.group/' * 70}web,",
    ),
    "letters of two bytes": ({BRANCH: "für-ümläute-" * 20}, "für-ümläute-" * 20),
    "pictures": ({BRANCH: "\N{PARTY POPPER}" * 100}, "\N{PARTY POPPER}" * 100),
    "quotes and marks": ({BRANCH: 'it\'s-"quoted"-<b>&amp;'}, 'branch it\'s-"quoted"-<b>&amp;,'),
    "all of them too long": (
        {PIPELINE: "p" * 5000, BRANCH: "ü" * 5000, "BUILDKITE_SOURCE": "s" * 5000},
        "…, source ",
    ),
}
RULE = "none of its rules is for this pipeline and repository"
REMEDY = f"or ask those who own the policy of {QUEUE} to allow it."


def denied(what: str) -> World:
    world = a_world(**{"policy/rules/main": "pipeline=other"})
    world.buildkite.schedule(QUEUE, a_job(), {**PLAIN, **FACTS[what][0]})
    world.dispatch()
    world.dispatch()
    return world


def on_screen(document: Document, width: int) -> str:
    """What a screen shows, without the breaks of its lines."""
    out = io.StringIO()
    write(document, console(out, width))
    return "".join(out.getvalue().split())


class Body:
    """Keeps the body of the call to Buildkite."""

    detail = ""

    def call(self, request: Any) -> dict[str, Any]:
        Body.detail = request.body["detail"]
        return {}


@pytest.mark.parametrize("what", FACTS)
def test_a_denial_is_whole_on_its_page_in_its_record_and_in_the_tool(what: str) -> None:
    world, fact = denied(what), FACTS[what][1]
    claim = world.claim("job-1")
    text = world.buildkite.known["job-1"].told
    assert claim.reason == text
    assert text.startswith(f"Queue {QUEUE} does not take this job: {RULE}. Run it on another queue")
    assert REMEDY in text
    assert fact in text
    assert text.endswith("not from a fork.")
    calls: Any = Body()
    Stacks(calls, "key", 8).finish("job-1", text)
    assert Body.detail == text
    explained = explain_job(claim, None, None, world.clock.now)
    listed = explain_build("ci", [claim], [], world.clock.now)
    for width in (40, 80, 200):
        assert "".join(text.split()) in on_screen(explained.document(), width)
        assert "".join(text.split()) in on_screen(listed.document(), width)
    assert json.loads(text_of(explained))["reason"] == text
    assert json.loads(text_of(listed))["jobs"][0]["reason"] == text


@pytest.mark.parametrize("what", FACTS)
def test_a_denial_is_whole_in_the_html_report(what: str) -> None:
    text = denied(what).claim("job-1").reason
    report = a_report((replace(a_denied_job(0), reason=text),))
    assert f'<p class="reason">{text}</p>' in unescape(page(report))

"""The page of `mayfly-lab up`: whom it answers, what it does, and what it does not say."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from buildkite_emulator import Buildkite, JobView
from mayfly_lab.lab import Lab
from mayfly_lab.page import server as served
from mayfly_lab.page.actions import MOST_HOT, SAMPLE, RefusedError, act, sample
from mayfly_lab.page.guard import refusal
from mayfly_lab.page.server import PageServer
from mayfly_lab.report.timeline import kind_of_profile
from tests.unit.builders import NOW, an_instance

OWN = {
    "Host": "127.0.0.1:8080",
    "Origin": "http://127.0.0.1:8080",
    "Content-Type": "application/json",
}


@pytest.mark.parametrize(
    ("method", "changed", "refused"),
    [
        ("GET", {}, False),
        ("GET", {"Origin": ""}, False),
        ("POST", {}, False),
        ("POST", {"Host": "localhost:8080", "Origin": "http://localhost:8080"}, False),
        ("POST", {"Content-Type": "application/json; charset=utf-8"}, False),
        ("GET", {"Host": "evil.example"}, True),
        ("GET", {"Host": "evil.example:8080"}, True),
        ("GET", {"Host": "127.0.0.1:8081"}, True),
        ("GET", {"Host": ""}, True),
        ("GET", {"Sec-Fetch-Site": "cross-site"}, True),
        ("GET", {"Sec-Fetch-Site": "same-site"}, True),
        ("GET", {"Sec-Fetch-Site": "none"}, False),
        ("POST", {"Origin": "http://evil.example"}, True),
        ("POST", {"Origin": "null"}, True),
        ("POST", {"Origin": ""}, True),
        ("POST", {"Origin": "http://localhost:8080"}, True),
        ("POST", {"Origin": "http://127.0.0.1:9090"}, True),
        ("POST", {"Content-Type": "text/plain"}, True),
        ("POST", {"Content-Type": "application/x-www-form-urlencoded"}, True),
        ("DELETE", {"Origin": "http://evil.example"}, True),
    ],
)
def test_only_the_page_itself_is_answered(
    method: str, changed: Mapping[str, str], refused: bool
) -> None:
    headers = {name: value for name, value in {**OWN, **changed}.items() if value}
    assert (refusal(method, headers, 8080) is not None) is refused


@dataclass
class SmallLab:
    """What the page uses of a lab: the real emulator of Buildkite, and written parameters."""

    buildkite: Buildkite
    written: list[tuple[str, str, str]] = field(default_factory=list)
    choices: Any = field(default_factory=lambda: SimpleNamespace(queues=("default",)))

    def put_parameter(self, queue: str, name: str, value: str) -> None:
        self.written.append((queue, name, value))

    @property
    def jobs(self) -> tuple[JobView, ...]:
        return self.buildkite.jobs()


@pytest.fixture
def small() -> Iterator[SmallLab]:
    buildkite = Buildkite(lambda: NOW, queues=("default",))
    buildkite.start()
    buildkite.add_pipeline(SAMPLE, sample("default"), "file:///dev/null")
    yield SmallLab(buildkite)
    buildkite.close()


def do(small: SmallLab, action: str, **given: Any) -> str:
    return act(cast("Lab", small), action, given)


def test_the_sample_build_starts_and_a_job_of_it_is_cancelled_once(small: SmallLab) -> None:
    assert do(small, "start") == "Build 1 has started."
    lint, unit, *_ = small.jobs
    assert (lint.name, unit.queue) == ("Lint", "default")
    assert do(small, "cancel", job=lint.id) == "Lint is cancelled."
    assert small.buildkite.job(lint.id).outcome == "canceled"
    with pytest.raises(RefusedError, match="no such job"):
        do(small, "cancel", job=lint.id)


@pytest.mark.parametrize("count", [-1, MOST_HOT + 1, "3", 1.5, True, None, [3]])
def test_a_pool_is_a_whole_number_within_its_limits(small: SmallLab, count: Any) -> None:
    with pytest.raises(RefusedError, match="whole number"):
        do(small, "pool", queue="default", count=count)
    assert small.written == []


def test_a_pool_is_written_as_the_parameter_of_a_known_queue(small: SmallLab) -> None:
    do(small, "pool", queue="default", count=3)
    assert small.written == [("default", "pool/hot", "3")]
    with pytest.raises(RefusedError, match="unknown queue"):
        do(small, "pool", queue="../other", count=3)


@pytest.mark.parametrize(
    ("action", "given"),
    [
        ("delete", {}),
        ("", {}),
        ("cancel", {"job": "x"}),
        ("cancel", {}),
        ("unblock", {"build": "x", "step": "y"}),
    ],
)
def test_what_is_unknown_is_refused(small: SmallLab, action: str, given: dict[str, str]) -> None:
    do(small, "start")
    with pytest.raises(RefusedError):
        do(small, action, **given)


def test_a_step_that_does_not_block_is_not_unblocked(small: SmallLab) -> None:
    do(small, "start")
    with pytest.raises(RefusedError, match="does not wait"):
        do(small, "unblock", build=small.jobs[0].build_id, step="s")


# -- the server ------------------------------------------------------------------------------------


@pytest.fixture
def page(small: SmallLab, monkeypatch: pytest.MonkeyPatch) -> Iterator[PageServer]:
    monkeypatch.setattr(served, "snapshot", lambda _: {"queues": [], "n": len(small.jobs)})
    monkeypatch.setattr(served, "_LOOK", 0.02)
    with PageServer(cast("Lab", small), 0) as page:
        yield page


def call(
    page: PageServer, method: str, path: str, content: object = None, **headers: str
) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=20)
    body = None if content is None else json.dumps(content)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, named)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def own(page: PageServer) -> dict[str, str]:
    return {"Origin": page.url.rstrip("/"), "Content_Type": "application/json"}


def test_the_page_is_on_loopback_and_forbids_what_it_does_not_need(page: PageServer) -> None:
    assert page.url.startswith("http://127.0.0.1:")
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=20)
    connection.request("GET", "/")
    answer = connection.getresponse()
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "<h1>Mayfly lab</h1>" in answer.read().decode()
    connection.close()
    assert call(page, "GET", "/../cli.py")[0] == 404
    assert call(page, "GET", "/", Host="evil.example")[0] == 403


def test_an_action_needs_the_pages_origin(page: PageServer, small: SmallLab) -> None:
    assert call(page, "POST", "/do/start", {})[0] == 403
    evil = {"Origin": "http://evil.example", "Content_Type": "text/plain"}
    assert call(page, "POST", "/do/start", {}, **evil)[0] == 403
    assert not small.jobs
    assert call(page, "POST", "/do/start", {}, **own(page)) == (200, "Build 1 has started.")
    assert call(page, "POST", "/do/pool", {"queue": "x"}, **own(page))[0] == 409
    assert call(page, "POST", "/do/start", [1], **own(page))[0] == 400
    assert call(page, "POST", "/do/start", {"x": "y" * 5000}, **own(page))[0] == 400
    assert len({job.build_id for job in small.jobs}) == 1


def test_a_log_is_that_of_a_known_job(page: PageServer, small: SmallLab) -> None:
    do(small, "start")
    assert call(page, "GET", f"/log/{small.jobs[0].id}") == (200, "")
    assert call(page, "GET", "/log/../../etc/passwd")[0] == 404


def test_the_stream_tells_what_changes_and_ends_with_the_lab(
    page: PageServer, small: SmallLab
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=20)
    connection.request("GET", "/events")
    answer = connection.getresponse()
    assert answer.headers["Content-Type"].startswith("text/event-stream")

    def next_state() -> Any:
        while not (line := answer.readline().decode()).startswith("data: "):
            assert line, "the stream ended"
        return json.loads(line.removeprefix("data: "))

    assert next_state()["n"] == 0
    do(small, "start")
    assert next_state()["n"] > 0
    page.ended.set()
    assert answer.read() is not None
    connection.close()


def test_at_most_so_many_pages_are_open_at_once(page: PageServer) -> None:
    while page.streams.acquire(blocking=False):
        pass
    assert call(page, "GET", "/events")[0] == 503


def test_a_profile_is_named_by_its_kind() -> None:
    instance = an_instance()
    pinned = instance.pinned
    assert kind_of_profile(pinned.sandbox_profile, instance) == "sandbox"
    assert kind_of_profile(pinned.bootstrap_profile, instance) == "bootstrap"
    assert kind_of_profile("", instance) == "none"
    assert kind_of_profile("another", instance) == "another"

"""Configured latency of every call to AWS and to Buildkite."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from buildkite_emulator import Buildkite
from buildkite_emulator.serving.distance import with_latency
from buildkite_emulator.serving.server import Answer, HttpServer, Request
from local.aws_lab import a_lab
from mayfly_lab.latency import Latency, LatencySyntaxError


@pytest.mark.parametrize(
    ("text", "latency"),
    [
        ("buildkite=100ms,aws=15ms", Latency(0.1, 0.015)),
        ("aws=15ms", Latency(0.0, 0.015)),
        ("buildkite=1s, aws=0ms", Latency(1.0, 0.0)),
    ],
)
def test_a_latency_is_parsed_and_printed_in_the_same_form(text: str, latency: Latency) -> None:
    assert Latency.parse(text) == latency
    assert Latency.parse(str(latency)) == latency


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "'' is not buildkite or aws=DURATION"),
        ("100ms", "'100ms' is not buildkite or aws=DURATION"),
        ("azure=1s", "'azure=1s' is not buildkite or aws=DURATION"),
        ("aws=soon", "aws: not a duration: 'soon' (try 250ms, 5s or 2m)"),
        ("aws=-1s", "aws: not a duration: '-1s' (try 250ms, 5s or 2m)"),
        ("aws=", "aws: not a duration: '' (try 250ms, 5s or 2m)"),
        ("aws=15", "aws: 15 has no unit (try 15ms)"),
        ("buildkite=1.5,aws=15ms", "buildkite: 1.5 has no unit (try 1.5ms)"),
        ("aws=0", "aws: 0 has no unit (try 0ms)"),
        ("aws=1s,aws=2s", "aws is given twice"),
        ("aws=2m", "aws: 2m is more than 60 s"),
    ],
)
def test_an_invalid_latency_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(LatencySyntaxError) as refused:
        Latency.parse(text)
    assert str(refused.value) == reason


def test_half_of_the_latency_is_before_the_call_and_half_after_it() -> None:
    happened: list[object] = []

    def application(request: Request) -> Answer:
        happened.append(request.target)
        return Answer(200)

    reached = with_latency(application, 0.2, near="/git/", sleep=happened.append)
    assert reached(Request("GET", "/v3/ping", {}, b"")).status == 200
    assert happened == [0.1, "/v3/ping", 0.1]
    happened.clear()
    reached(Request("GET", "/git/app.git/HEAD", {}, b""))
    assert happened == ["/git/app.git/HEAD"]


def test_concurrent_calls_have_their_latency_at_the_same_time() -> None:
    server = HttpServer(with_latency(lambda _: Answer(200), 0.3))
    server.start()
    began = time.monotonic()
    with ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(lambda _: _get(server.url), range(10)))
    took = time.monotonic() - began
    server.stop()
    assert statuses == [200] * 10
    assert 0.3 <= took < 1.5


def test_calls_to_buildkite_and_aws_have_their_configured_latency(tmp_path: Path) -> None:
    buildkite = Buildkite(lambda: datetime.now(UTC))
    buildkite.start(latency=0.2)
    assert _seconds(f"{buildkite.url}/v3/ping") >= 0.2
    assert _seconds(f"{buildkite.url}/git/none.git/HEAD") < 0.2
    buildkite.close()
    with a_lab(tmp_path, latency=0.2) as lab:
        began = time.monotonic()
        lab.client("sts").get_caller_identity()
        assert time.monotonic() - began >= 0.2


def _seconds(url: str) -> float:
    began = time.monotonic()
    _get(url)
    return time.monotonic() - began


def _get(url: str) -> int:
    try:
        with urllib.request.urlopen(url) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code

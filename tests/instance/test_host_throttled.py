"""A host outlasts two minutes of throttling of any call of its boot, and no refusal."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from mayfly_instance.aws import Denied, Missing, Unavailable
from mayfly_instance.retries import PATIENCE, retry
from tests.instance.fake_machine import Act
from tests.instance.fakes import FakeClock
from tests.instance.test_host_set_up import archive
from tests.instance.worlds import BOOTSTRAP_ROW, HOST, World, assert_failed

AGENT_URL = "https://example.org/3.83.1/agent-amd64.tar.gz"


def throttle(world: World, call: str) -> list[int]:
    """Throttle this call for two minutes; returns the number of its attempts, after that time."""
    attempts: list[int] = []

    def end() -> None:
        attempts.append(world.cloud.asked.count(call))
        world.cloud.throttled.discard(call)

    world.cloud.asked.clear()
    world.cloud.throttled.add(call)
    world.clock.after(120, end)
    return attempts


@pytest.mark.parametrize("call", ["caller", "parameter", "object", "set_attribute"])
def test_a_booting_host_outlasts_two_minutes_of_throttling_with_few_calls(
    world: World, call: str
) -> None:
    world.add_script(Act())
    attempts = throttle(world, call)
    world.run()

    assert world.phases[-1] == "done"
    assert f"s: 400 ThrottlingException: {call}" in world.console
    assert attempts[0] < 30


@pytest.mark.parametrize(("call", "most"), [("caller", 70), ("set_attribute", 30)])
def test_a_host_outlasts_two_minutes_of_throttling_at_its_sandbox_proof(
    world: World, call: str, most: int
) -> None:
    assert world.set_up()
    world.serve_sandbox()
    attempts = throttle(world, call)
    world.sandbox()

    assert world.phases[-1] == "done"
    assert attempts[0] < most


def an_archive_that_is_refused_with(world: World, error: str) -> bytes:
    content = archive(**{"buildkite-agent": b"3.83.1"})
    world.machine.programs.discard("buildkite-agent")
    digest = hashlib.sha256(content).hexdigest()
    world.context = replace(world.context, host=replace(HOST, agent_sha256={"amd64": digest}))
    world.machine.download_error = error
    return content


@pytest.mark.parametrize(
    "error",
    [
        "curl: (22) The requested URL returned error: 429",
        "curl: (22) The requested URL returned error: 503",
        "curl: (28) Connection timed out after 10001 milliseconds",
        "curl: (6) Could not resolve host: example.org",
    ],
)
def test_a_host_outlasts_two_minutes_without_the_agents_archive(world: World, error: str) -> None:
    content = an_archive_that_is_refused_with(world, error)
    world.clock.after(120, lambda: world.machine.downloads.update({AGENT_URL: content}))
    world.run()

    assert f"{AGENT_URL}: {error}" in world.console
    assert world.phases[-1] == "done"
    assert sum(AGENT_URL in argv for argv in world.machine.commands) < 20


def test_a_host_whose_agents_archive_stays_unavailable_fails_within_its_set_up(
    world: World,
) -> None:
    error = "curl: (22) The requested URL returned error: 503"
    an_archive_that_is_refused_with(world, error)
    world.run()

    assert_failed(world, f"{AGENT_URL} cannot be fetched: {AGENT_URL}: {error}", row=BOOTSTRAP_ROW)
    assert 120 < world.clock.passed < world.context.limits.set_up


def test_a_host_whose_agents_archive_is_refused_fails_at_once(world: World) -> None:
    an_archive_that_is_refused_with(world, "curl: (22) The requested URL returned error: 403")
    world.run()

    assert_failed(world, "cannot be fetched", row=BOOTSTRAP_ROW)
    assert sum(AGENT_URL in argv for argv in world.machine.commands) == 1


def failing(error: Exception, calls: list[float], clock: FakeClock) -> None:
    calls.append(clock.passed)
    raise error


@pytest.mark.parametrize(
    ("error", "least", "most"),
    [(Unavailable("x"), 120, PATIENCE), (Denied("x"), 1, 5), (Missing("x"), 0, 0)],
    ids=["throttled", "refused", "missing"],
)
def test_the_time_of_retries_depends_on_the_kind_of_error(
    error: Exception, least: float, most: float
) -> None:
    clock, calls = FakeClock(), list[float]()
    with pytest.raises(type(error)):
        retry(lambda: failing(error, calls, clock), clock, PATIENCE)

    assert least <= clock.passed <= most
    assert len(calls) < 25


def test_hosts_that_are_throttled_together_ask_again_at_different_times() -> None:
    times = set()
    for _ in range(20):
        clock, calls = FakeClock(), list[float]()
        with pytest.raises(Unavailable):
            retry(lambda: failing(Unavailable("x"), calls, clock), clock, PATIENCE)  # noqa: B023
        times.add(round(calls[6], 2))

    assert len(times) > 10

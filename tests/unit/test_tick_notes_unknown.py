"""Notes while facts are missing or Buildkite hangs: the unknown is no news, and no tick waits."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import pytest

from mayfly.dispatch import apply as module
from mayfly.errors import Transient
from tests.unit.builders import QUEUE, a_job
from tests.unit.world import World, a_warm_world

FROM_MAIN = {
    "BUILDKITE_PIPELINE_SLUG": "web",
    "BUILDKITE_BRANCH": "main",
    "BUILDKITE_PULL_REQUEST": "false",
}


def notes(world: World, job: str = "job-1") -> list[str]:
    return world.buildkite.known[job].notes


def held() -> World:
    """A queue with a policy that cannot be read, and a job that was told so."""
    world = a_warm_world()
    world.configure(**{"policy/rules/main": "branch main"})
    world.provision()
    world.buildkite.schedule(QUEUE, a_job(), FROM_MAIN)
    world.dispatch()
    assert len(notes(world)) == 1
    return world


def test_a_job_held_by_an_unreadable_policy_is_told_once_though_its_environment_comes_and_goes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = held()
    caplog.clear()
    for _ in range(3):
        world.buildkite.fail_next("environment", Transient("503"))
        world.after(seconds=1).dispatch()
        world.after(seconds=1).dispatch()
    assert len(notes(world)) == 1
    assert not [line for line in caplog.messages if "waits on queue" in line]


def test_a_held_job_is_forgotten_when_it_has_left_the_list() -> None:
    world = held()
    world.buildkite.cancel("job-1")
    world.dispatch()
    assert world.seen[QUEUE].alone == frozenset()


def test_a_call_for_notes_that_hangs_holds_the_tick_up_for_a_moment_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "NOTES_SECONDS", 0.05)
    world = a_warm_world()
    world.schedule("job-1", rules=("gpu=yes",))
    gate, ended = threading.Event(), threading.Event()
    notify = world.buildkite.notify

    def slow(notes: Mapping[str, str]) -> Mapping[str, str]:
        assert gate.wait(10)
        refused = notify(notes)
        ended.set()
        return refused

    vars(world.buildkite)["notify"] = slow
    world.dispatch()
    assert notes(world) == []
    gate.set()
    assert ended.wait(10)
    assert len(notes(world)) == 1

"""The promises of `mayfly.ports.Buildkite`, held by the fake and by the Stacks API alike.

The Stacks API is the lab's emulator, spoken to over HTTP by the real adapter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest
import requests

import buildkite_emulator as emulator
from mayfly.adapters.buildkite.stacks import Stacks, stack_key
from mayfly.adapters.buildkite.stacks_calls import StacksCalls
from mayfly.answers import Job
from mayfly.dispatch.rhythm import LISTS
from mayfly.errors import Conflict, NotFound
from mayfly.ports import Buildkite
from tests.fakes import FakeBuildkite

OWNER = "arn:aws:cloudformation:eu-central-1:123456789012:stack/mayfly/1"


class Clock:
    """Real time, and what a test adds to it: limits count real seconds."""

    def __init__(self) -> None:
        self._added = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._added

    def advance(self, seconds: float) -> None:
        self._added += timedelta(seconds=seconds)


class World(Protocol):
    """Buildkite, and what users and agents do there."""

    @property
    def buildkite(self) -> Buildkite: ...

    @property
    def clock(self) -> Clock: ...

    def add_jobs(self, queue: str, commands: Sequence[str]) -> list[str]: ...

    def cancel(self, job: str) -> None: ...

    def pause(self, queue: str) -> None: ...

    def acquires(self, job: str, token: str, queue: str) -> bool: ...

    def told(self, job: str) -> tuple[str, int | None]: ...


class FakeWorld:
    def __init__(self) -> None:
        self.clock = Clock()
        self.buildkite = FakeBuildkite(self.clock)
        for queue in ("deploy", "other"):
            self.buildkite.add_queue(queue)

    def add_jobs(self, queue: str, commands: Sequence[str]) -> list[str]:
        names = []
        for command in commands:
            name = f"job-{len(self.buildkite.known)}"
            at = self.clock()
            job = Job(name, 3, (f"queue={queue}",), at, "web", 1, "main", command)
            self.buildkite.schedule(queue, job, {"BUILDKITE_COMMAND": command})
            names.append(name)
        return names

    def cancel(self, job: str) -> None:
        self.buildkite.cancel(job)

    def pause(self, queue: str) -> None:
        self.buildkite.queues[queue].paused = True

    def acquires(self, job: str, token: str, queue: str) -> bool:
        try:
            self.buildkite.accept(job, token)
        except Conflict:
            return False
        return True

    def told(self, job: str) -> tuple[str, int | None]:
        known = self.buildkite.known[job]
        return known.told, known.exit


class Token:
    def __init__(self, value: str) -> None:
        self._value = value

    def value(self) -> str:
        return self._value

    def refused(self) -> None:
        raise AssertionError("the emulator refuses its own token")


class EmulatorWorld:
    def __init__(self) -> None:
        self.clock = Clock()
        self.lab = emulator.Buildkite(self.clock, queues=("default", "deploy", "other"))
        self.lab.start()
        calls = StacksCalls(self.lab.agent_endpoint, Token(self.lab.agent_token))
        self.buildkite = Stacks(calls, stack_key("123456789012", "eu-central-1", "mayfly"), LISTS)
        self.buildkite.register("deploy", OWNER)

    def add_jobs(self, queue: str, commands: Sequence[str]) -> list[str]:
        steps = "".join(
            f"  - command: '{command}'\n    key: {command}\n    priority: 3\n"
            f"    agents: {{queue: {queue}}}\n"
            for command in commands
        )
        self.lab.add_pipeline("web", f"steps:\n{steps}", "https://git.example.org/web.git")
        return [job.id for job in self.lab.create_build("web").jobs]

    def cancel(self, job: str) -> None:
        self.lab.cancel_job(job)

    def pause(self, queue: str) -> None:
        self.lab.faults.paused_queues.add(queue)

    def acquires(self, job: str, token: str, queue: str) -> bool:
        def call(method: str, path: str, secret: str, body: dict[str, object]) -> requests.Response:
            url = f"{self.lab.agent_endpoint}/{path}"
            headers = {"Authorization": f"Token {secret}", "X-Buildkite-Lock-Acquire-Job": "1"}
            return requests.request(method, url, json=body, headers=headers, timeout=30)

        registered = call("POST", "register", token, {"name": "a", "meta_data": [f"queue={queue}"]})
        if not registered.ok:
            return False
        session = registered.json()["access_token"]
        call("POST", "connect", session, {})
        return call("PUT", f"jobs/{job}/acquire", session, {}).ok

    def told(self, job: str) -> tuple[str, int | None]:
        view = self.lab.job(job)
        return view.detail or "", view.exit_status


@pytest.fixture(params=["fake", "emulator"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "fake":
        yield FakeWorld()
        return
    real = EmulatorWorld()
    yield real
    real.lab.close()


def listed(world: World, queue: str = "deploy") -> list[str]:
    return [job.id for job in world.buildkite.jobs(queue).jobs]


def test_registering_again_changes_nothing(world: World) -> None:
    world.buildkite.register("deploy", OWNER)
    world.buildkite.register("other", OWNER)
    assert listed(world) == []


def test_a_queue_that_buildkite_does_not_know_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        world.buildkite.register("nowhere", OWNER)
    with pytest.raises(NotFound):
        world.buildkite.jobs("nowhere")


def test_a_job_is_listed_as_buildkite_describes_it(world: World) -> None:
    before = world.clock()
    (name,) = world.add_jobs("deploy", ["build"])
    (job,) = world.buildkite.jobs("deploy").jobs
    # Buildkite's times have milliseconds.
    assert timedelta(milliseconds=-1) <= job.scheduled_at - before <= timedelta(seconds=5)
    assert job == Job(name, 3, ("queue=deploy",), job.scheduled_at, "web", 1, "main", "build")


def test_a_list_has_the_jobs_of_its_queue_oldest_first(world: World) -> None:
    first = world.add_jobs("deploy", ["a"])
    world.add_jobs("other", ["b"])
    world.clock.advance(1)
    second = world.add_jobs("deploy", ["c"])
    assert listed(world) == first + second


def test_a_paused_queue_says_so(world: World) -> None:
    assert not world.buildkite.jobs("deploy").paused
    world.pause("deploy")
    assert world.buildkite.jobs("deploy").paused
    assert not world.buildkite.jobs("other").paused


def test_a_reserved_job_is_ours_and_off_the_list_until_the_reservation_ends(world: World) -> None:
    first, second = world.add_jobs("deploy", ["a", "b"])
    assert world.buildkite.reserve([first], 300) == {first}
    assert listed(world) == [second]
    world.clock.advance(301)
    assert sorted(listed(world)) == sorted([first, second])


def test_reserving_again_extends(world: World) -> None:
    (job,) = world.add_jobs("deploy", ["a"])
    world.buildkite.reserve([job], 300)
    world.clock.advance(200)
    assert world.buildkite.reserve([job], 300) == {job}
    world.clock.advance(200)
    assert world.buildkite.states([job]) == {job: "reserved"}


def test_only_what_could_run_is_reserved(world: World) -> None:
    cancelled, good = world.add_jobs("deploy", ["a", "b"])
    world.cancel(cancelled)
    assert world.buildkite.reserve([cancelled, good, "unknown"], 300) == {good}
    assert world.buildkite.reserve([], 300) == frozenset()


def test_states_are_buildkites_words(world: World) -> None:
    scheduled, reserved, cancelled = world.add_jobs("deploy", ["a", "b", "c"])
    world.buildkite.reserve([reserved], 300)
    world.cancel(cancelled)
    states = world.buildkite.states([scheduled, reserved, cancelled, "unknown"])
    assert states == {scheduled: "scheduled", reserved: "reserved", cancelled: "canceled"}


def test_more_jobs_than_one_call_takes_are_asked_for_in_several(world: World) -> None:
    jobs = world.add_jobs("deploy", ["a"])
    unknown = [f"unknown-{number}" for number in range(1000)]
    assert world.buildkite.states([*unknown, *jobs]) == {jobs[0]: "scheduled"}
    assert world.buildkite.reserve([*unknown, *jobs], 60) == set(jobs)
    assert set(world.buildkite.tokens([*unknown, *jobs], 60)) == set(jobs)


def test_the_environment_of_a_job_is_what_buildkite_made(world: World) -> None:
    (job,) = world.add_jobs("deploy", ["make"])
    assert world.buildkite.environment(job)["BUILDKITE_COMMAND"] == "make"
    with pytest.raises(NotFound):
        world.buildkite.environment("unknown")


def test_a_token_is_minted_only_for_a_job_that_is_reserved(world: World) -> None:
    reserved, free = world.add_jobs("deploy", ["a", "b"])
    world.buildkite.reserve([reserved], 300)
    tokens = world.buildkite.tokens([reserved, free, "unknown"], 300)
    assert list(tokens) == [reserved]
    assert tokens[reserved].startswith("bkjat_")


def test_a_token_acquires_its_job_once(world: World) -> None:
    first, second = world.add_jobs("deploy", ["a", "b"])
    world.buildkite.reserve([first, second], 300)
    tokens = world.buildkite.tokens([first, second], 300)
    assert not world.acquires(first, tokens[second], "deploy")
    assert world.acquires(first, tokens[first], "deploy")
    assert world.buildkite.states([first]) == {first: "accepted"}
    assert not world.acquires(first, tokens[first], "deploy")
    assert world.buildkite.reserve([first], 300) == frozenset()


@pytest.mark.parametrize(("reservation", "life"), [(300, 60), (60, 300)])
def test_a_token_dies_with_its_life_or_its_reservation(
    world: World, reservation: int, life: int
) -> None:
    (job,) = world.add_jobs("deploy", ["a"])
    world.buildkite.reserve([job], reservation)
    token = world.buildkite.tokens([job], life)[job]
    world.clock.advance(61)
    assert not world.acquires(job, token, "deploy")


def test_a_job_that_cannot_run_is_failed_with_its_reason(world: World) -> None:
    (job,) = world.add_jobs("deploy", ["a"])
    world.buildkite.reserve([job], 300)
    world.buildkite.finish(job, "policy: branch main only")
    assert world.told(job) == ("policy: branch main only", -1)
    assert world.buildkite.states([job]) == {job: "finished"}
    with pytest.raises(Conflict):
        world.buildkite.finish(job, "again")
    assert world.told(job) == ("policy: branch main only", -1)


def test_it_is_too_late_to_fail_a_job_that_an_agent_has(world: World) -> None:
    (job,) = world.add_jobs("deploy", ["a"])
    world.buildkite.reserve([job], 300)
    assert world.acquires(job, world.buildkite.tokens([job], 300)[job], "deploy")
    with pytest.raises(Conflict):
        world.buildkite.finish(job, "too late")
    assert world.buildkite.states([job]) == {job: "accepted"}


def test_a_job_that_buildkite_does_not_know_cannot_be_failed(world: World) -> None:
    with pytest.raises(NotFound):
        world.buildkite.finish("unknown", "no such job")

"""The promises of `mayfly.ports.Buildkite`, held by the fake and by the Stacks API alike.

`test_port_buildkite.py` beside this file runs the suite on the fake. The lab's file of that name
runs the suite on the real adapter, which speaks over HTTP to the lab's emulator. Both files bring
the fixture `world`.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from mayfly.answers import Job
from mayfly.errors import Conflict, NotFound
from tests.contract.buildkite_worlds import OWNER, World


def listed(world: World, queue: str = "deploy") -> list[str]:
    return [job.id for job in world.buildkite.jobs(queue).jobs]


def test_registering_another_queue_of_the_stack_changes_nothing(world: World) -> None:
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
    assert timedelta(milliseconds=-1) <= job.runnable_at - before <= timedelta(seconds=5)
    assert job == Job(name, 3, ("queue=deploy",), job.runnable_at, "web", 1, "main", "build")


def test_a_list_has_the_jobs_of_its_queue_oldest_first(world: World) -> None:
    first = world.add_jobs("deploy", ["a"])
    world.add_jobs("other", ["b"])
    world.clock.advance(1)
    second = world.add_jobs("deploy", ["c"])
    assert listed(world) == first + second


def test_a_list_says_whether_its_queue_is_paused(world: World) -> None:
    assert not world.buildkite.jobs("deploy").paused
    world.pause("deploy")
    assert world.buildkite.jobs("deploy").paused
    assert not world.buildkite.jobs("other").paused


def test_a_reserved_job_is_off_the_list_until_its_reservation_ends(world: World) -> None:
    first, second = world.add_jobs("deploy", ["a", "b"])
    assert world.buildkite.reserve([first], 300) == {first}
    assert listed(world) == [second]
    world.clock.advance(301)
    assert sorted(listed(world)) == sorted([first, second])


def test_reserving_a_job_again_extends_its_reservation(world: World) -> None:
    (job,) = world.add_jobs("deploy", ["a"])
    world.buildkite.reserve([job], 300)
    world.clock.advance(200)
    assert world.buildkite.reserve([job], 300) == {job}
    world.clock.advance(200)
    assert world.buildkite.states([job]) == {job: "reserved"}


def test_only_runnable_jobs_are_reserved(world: World) -> None:
    cancelled, good = world.add_jobs("deploy", ["a", "b"])
    world.cancel(cancelled)
    assert world.buildkite.reserve([cancelled, good, "unknown"], 300) == {good}
    assert world.buildkite.reserve([], 300) == frozenset()


def test_states_are_buildkites_words_and_unknown_jobs_are_omitted(world: World) -> None:
    scheduled, reserved, cancelled = world.add_jobs("deploy", ["a", "b", "c"])
    world.buildkite.reserve([reserved], 300)
    world.cancel(cancelled)
    states = world.buildkite.states([scheduled, reserved, cancelled, "unknown"])
    assert states == {scheduled: "scheduled", reserved: "reserved", cancelled: "canceled"}


def test_more_jobs_than_one_call_takes_are_sent_in_several(world: World) -> None:
    jobs = world.add_jobs("deploy", ["a"])
    unknown = [f"unknown-{number}" for number in range(1000)]
    assert world.buildkite.states([*unknown, *jobs]) == {jobs[0]: "scheduled"}
    assert world.buildkite.reserve([*unknown, *jobs], 60) == set(jobs)
    assert set(world.buildkite.tokens([*unknown, *jobs], 60)) == set(jobs)


def test_the_environment_of_a_job_comes_from_buildkite(world: World) -> None:
    (job,) = world.add_jobs("deploy", ["make"])
    assert world.buildkite.environment(job)["BUILDKITE_COMMAND"] == "make"
    with pytest.raises(NotFound):
        world.buildkite.environment("unknown")


def test_a_token_is_minted_only_for_a_reserved_job(world: World) -> None:
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
def test_a_token_expires_with_its_lifetime_or_its_reservation(
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


def test_failing_a_job_that_an_agent_has_accepted_is_a_conflict(world: World) -> None:
    (job,) = world.add_jobs("deploy", ["a"])
    world.buildkite.reserve([job], 300)
    assert world.acquires(job, world.buildkite.tokens([job], 300)[job], "deploy")
    with pytest.raises(Conflict):
        world.buildkite.finish(job, "too late")
    assert world.buildkite.states([job]) == {job: "accepted"}


def test_failing_an_unknown_job_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        world.buildkite.finish("unknown", "no such job")


def test_each_job_gets_its_own_note_reserved_or_not(world: World) -> None:
    reserved, free = world.add_jobs("deploy", ["a", "b"])
    world.buildkite.reserve([reserved], 300)
    assert world.buildkite.notify({reserved: "an instance is launched", free: "no tag gpu"}) == {}
    assert world.buildkite.notify({reserved: "no capacity"}) == {}
    assert world.notes(reserved) == ["an instance is launched", "no capacity"]
    assert world.notes(free) == ["no tag gpu"]


def test_a_refused_note_is_named_and_the_other_notes_are_accepted(world: World) -> None:
    (job,) = world.add_jobs("deploy", ["a"])
    unknown = {f"unknown-{number}": "x" for number in range(1000)}
    refused = world.buildkite.notify({**unknown, job: "good", "unknown": "x"})
    assert refused.keys() == {*unknown, "unknown"}
    assert all(refused.values())
    assert world.notes(job) == ["good"]


@pytest.mark.parametrize("text", ["é" * 128, "x " * 200, "x" + "é" * 200])
def test_a_long_note_is_cut_to_255_bytes_between_characters(world: World, text: str) -> None:
    whole, cut = world.add_jobs("deploy", ["a", "b"])
    assert world.buildkite.notify({whole: "é" * 127, cut: text}) == {}
    assert world.notes(whole) == ["é" * 127]
    (note,) = world.notes(cut)
    assert 250 < len(note.encode()) <= 255
    assert note.endswith("…")
    assert text.startswith(note[:-1])


def test_no_note_is_no_failure(world: World) -> None:
    assert world.buildkite.notify({}) == {}

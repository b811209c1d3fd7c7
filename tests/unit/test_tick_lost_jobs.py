"""A machine that ends while an agent has its job is told on the job's page at once, and once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from mayfly.adapters.dynamodb.records import to_item
from mayfly.dispatch.ended_jobs import note_of
from mayfly.errors import Transient
from mayfly.records.model import Claim
from mayfly.records.states import ClaimState
from mayfly_cli.explain.result import explain_job
from mayfly_cli.listings.jobs import job_of
from tests.unit.hosts import POWER_OFF
from tests.unit.script import Script
from tests.unit.world import World, a_warm_world, running

C = ClaimState
SPOT = "Server.SpotInstanceTermination: Spot instance termination"
BY_USER = "Client.UserInitiatedShutdown: User initiated shutdown"
END = ". Buildkite gives its agent up in about 4 min (-1, agent lost). Retries: docs/pipelines.md"


def notes(world: World) -> list[str]:
    return world.buildkite.known["job-1"].notes


def name(world: World) -> str:
    return str(world.instance().instance_id)


def ended(reason: str) -> Callable[[World], None]:
    def end(world: World) -> None:
        world.machines.end(name(world), reason)

    return end


def stopped(world: World) -> None:
    world.machines.stop([name(world)])
    world.after(seconds=5)
    world.machines.settle()
    world.reap()
    world.machines.settle()


def given_up(world: World) -> None:
    world.report(world.instance(), "failed", reason="the packet filter was removed")
    world.machines.end(name(world), POWER_OFF)


def hidden(world: World) -> None:
    world.machines.forget(name(world))
    world.reap()
    world.after(minutes=11)


def hanging(world: World) -> None:
    world.after(minutes=world.instance().max_minutes + 31).reap()
    world.machines.settle()


@dataclass(frozen=True)
class Death:
    how: str
    die: Callable[[World], None]
    cause: str


DEATHS = [
    Death("EC2 takes a spot instance", ended(SPOT), f"EC2 took the spot instance back ({SPOT})"),
    Death(
        "somebody terminates the instance",
        ended(BY_USER),
        f"the instance was terminated from outside ({BY_USER})",
    ),
    Death("somebody stops the instance", stopped, "the instance was stopped from outside"),
    Death(
        "the machine goes down without a word",
        ended(POWER_OFF),
        f"the machine switched itself off ({POWER_OFF})",
    ),
    Death("the host gives up", given_up, "the packet filter was removed"),
    Death("EC2 shows it no more", hidden, "EC2 ended the instance: EC2 does not show it any more"),
    Death("the host outlives every limit", hanging, "the instance was running for longer than"),
    Death(
        "EC2 fails",
        ended("Server.InternalError: Server error"),
        "EC2 ended the instance: Server.InternalError: Server error",
    ),
]


@pytest.mark.parametrize("death", DEATHS, ids=[death.how for death in DEATHS])
def test_the_page_is_told_at_once_and_once(death: Death) -> None:
    world = running()
    world.buildkite.start("job-1")
    death.die(world)
    at = f"{world.clock.now:%H:%M:%S}"
    world.reap()
    for _ in range(3):
        world.after(seconds=1).dispatch(wide=False)
    (note,) = notes(world)
    begin = f"Instance {name(world)} ended at {at} UTC while its job ran: {death.cause}"
    assert note.startswith(begin[: 255 - len(END) - 3])
    assert note.endswith(END)
    assert len(note.encode()) <= 255
    claim = world.claim("job-1")
    assert (claim.state, claim.told, claim.open) == (C.FINISHED, True, False)
    assert claim.reason.startswith(begin[0].lower() + begin[1:])


def test_the_tool_says_what_the_page_says_and_the_cause_whole() -> None:
    world = running()
    world.buildkite.start("job-1")
    words = f"{SPOT}; {'the console says more and more ' * 20}"
    world.machines.end(name(world), words)
    world.reap()
    world.dispatch()
    claim = world.claim("job-1")
    assert words in claim.reason
    assert notes(world) == [note_of(claim.reason)]
    assert job_of(claim, None, world.clock.now).reason == claim.reason
    assert explain_job(claim, None, None, world.clock.now).reason == claim.reason


def test_a_loop_tells_it_within_two_seconds_of_the_record() -> None:
    world = running()
    world.buildkite.start("job-1")

    died: list[datetime] = []
    told: list[datetime] = []

    def die() -> None:
        world.machines.end(name(world), SPOT)
        world.reap()
        died.append(world.clock.now)

    def look() -> None:
        if notes(world):
            told.append(world.clock.now)

    Script(world, 20, {10: die, **dict.fromkeys(range(11, 100), look)}).dispatch()
    assert told[0] - died[0] <= timedelta(seconds=2)
    assert len(notes(world)) == 1


def test_a_machine_that_ends_before_its_acceptance_was_read_is_told_too() -> None:
    world = a_warm_world()
    world.schedule("job-1")
    world.dispatch()
    world.accept("job-1")
    world.machines.end(name(world), SPOT)
    world.reap()
    for _ in range(3):
        world.after(seconds=1).dispatch(wide=False)
    (note,) = notes(world)
    assert "EC2 took the spot instance back" in note
    assert world.claim("job-1").phases.accepted is not None


def test_nothing_is_told_where_the_host_reported_the_end_of_its_agent() -> None:
    world = running()
    world.buildkite.start("job-1")
    world.report(world.instance(), "done", exit=0)
    world.machines.end(name(world), POWER_OFF)
    world.reap()
    assert world.claim("job-1").reason.startswith("the instance ended: ")
    assert world.claim("job-1").told
    world.dispatch()
    assert notes(world) == []


def test_nothing_is_told_of_a_job_that_ended_before_its_machine() -> None:
    world = running()
    world.buildkite.start("job-1")
    world.buildkite.end("job-1")
    world.machines.end(name(world), POWER_OFF)
    world.reap()
    world.dispatch()
    assert notes(world) == []
    claim = world.claim("job-1")
    assert claim.told
    assert claim.reason.endswith("(no note: Buildkite says finished)")


def test_nothing_is_told_while_buildkite_says_nothing_of_the_job() -> None:
    world = running()
    world.buildkite.start("job-1")
    world.machines.end(name(world), SPOT)
    world.reap()
    world.buildkite.fail_next("states", Transient("a time-out"))
    world.dispatch()
    assert notes(world) == []
    assert not world.claim("job-1").told
    world.dispatch()
    assert len(notes(world)) == 1


def test_a_lost_answer_to_the_save_brings_no_second_note() -> None:
    world = running()
    world.buildkite.start("job-1")
    world.machines.end(name(world), SPOT)
    world.reap()
    world.fleet.lag()
    for _ in range(3):
        world.dispatch()
    assert len(notes(world)) == 1


def test_a_claim_of_an_earlier_version_that_ended_with_its_instance_is_told_nothing() -> None:
    world = running()
    claim = world.claim("job-1")
    assert replace(claim, state=C.FINISHED).told
    assert "open_queue" not in to_item(replace(claim, state=C.FINISHED))
    assert "open_queue" in to_item(replace(claim, state=C.FINISHED, told=False))


def test_a_lost_job_costs_one_more_write_of_its_claim() -> None:
    world = running()
    world.buildkite.start("job-1")
    world.machines.end(name(world), SPOT)
    before = world.claim("job-1").version
    world.reap()
    for _ in range(3):
        world.dispatch()
    assert world.claim("job-1").version == before + 2
    assert [claim.job for claim in world.fleet.all(Claim) if claim.open] == []


@pytest.mark.parametrize("cause", ["x" * 3000, "ü" * 200, '"quoted" \N{PARTY POPPER}' * 50])
def test_the_note_of_any_cause_fits_and_keeps_what_comes_next(cause: str) -> None:
    note = note_of(f"instance i-0123456789abcdef0 ended at 11:22:59 UTC while its job ran: {cause}")
    assert len(note.encode()) <= 255
    assert note.startswith("Instance i-0123456789abcdef0 ended at 11:22:59 UTC while its job ran: ")
    assert note.endswith(END)

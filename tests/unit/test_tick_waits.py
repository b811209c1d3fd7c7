"""A job that gets no instance for hours stays claimed, and one reason is told everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from mayfly.dispatch.notes import SAVED_AT_ONCE
from mayfly.errors import Transient
from mayfly.records.changes import Save
from mayfly.records.ledger import Ledger
from mayfly.records.model import Claim
from mayfly.records.states import ClaimState, InstanceState
from mayfly.records.why import UNDER_WAY, Code
from tests.unit.builders import QUEUE, TYPES
from tests.unit.published import arn
from tests.unit.world import World, wanting

C = ClaimState


def no_capacity(world: World) -> None:
    world.machines.capacity = {("on-demand", name): 0 for name in TYPES}


def one_busy_instance(world: World) -> None:
    world.fleet.write([Save(Ledger(QUEUE, epoch=world.clock.now, live=1))])
    world.configure(**{"limits/max-instances": "1"})


def shared_policy(world: World) -> None:
    world.roles.attached[arn("role", "sandbox")] = frozenset({"arn:aws:iam::aws:policy/A"})


def no_end_of_the_boot(world: World) -> None:
    world.provision()


def no_answer(world: World) -> None:
    world.provision()
    for instance in world.instances():
        world.fleet.write([Save(replace(instance, state=InstanceState.REQUESTED))])


def no_template(world: World) -> None:
    shape = replace(world.claim("job-1").shape, architecture="riscv")
    world.fleet.write([Save(replace(world.claim("job-1"), shape=shape, rules=None))])


def for_minutes(world: World, minutes: int) -> None:
    """One tick of dispatch and provision each minute."""
    for _ in range(minutes):
        world.after(1).dispatch()
        world.provision()


def test_a_job_without_an_instance_is_never_given_back_and_its_page_says_so_after_an_hour() -> None:
    world = wanting("job-1")
    no_capacity(world)
    for_minutes(world, 6 * 60)
    claim = world.claim("job-1")
    assert [step.state for step in claim.history] == [C.WAITING]
    assert claim.reserved(world.clock.now)
    assert claim.why is not None
    assert claim.why.code is Code.NO_CAPACITY
    # The refusals began with the first launch, and are one reason since.
    assert world.clock.now - claim.why.since > timedelta(hours=5)
    soon, first, still = world.buildkite.known["job-1"].notes
    assert soon.startswith("No instance is coming yet")
    assert first.startswith("Waiting: EC2 has no m7i.large or m6i.large, on-demand now, tried ")
    assert still.startswith("Still waiting after 61 min: EC2 has no m7i.large or m6i.large, on-de")
    world.machines.capacity = {}
    for_minutes(world, 1)
    world.make_ready()
    world.dispatch()
    assert (world.claim("job-1").state, world.claim("job-1").why) == (C.ASSIGNED, None)


@pytest.mark.parametrize(
    ("lack", "code", "text"),
    [
        (no_capacity, Code.NO_CAPACITY, "EC2 has no m7i.large or m6i.large, on-demand now"),
        (one_busy_instance, Code.MAX_INSTANCES, "queue deploy has 1 instance, which is its limit"),
        (shared_policy, Code.ROLES_REFUSED, "no instance may have the queue's roles"),
        (no_template, Code.NO_TEMPLATE, "jobs wait, and the queue's stack has no such launch te"),
        (no_end_of_the_boot, Code.COMING, "launching an instance for this job"),
        (no_answer, Code.LAUNCH_UNANSWERED, "EC2 has not answered the launch of m7i.large or m"),
    ],
    ids=["no capacity", "limit", "refused queue", "no template", "boot", "no answer"],
)
def test_claim_standing_log_and_page_give_one_reason(
    lack: Callable[[World], None], code: Code, text: str
) -> None:
    world = wanting("job-1")
    lack(world)
    for_minutes(world, 4)
    why = world.claim("job-1").why
    assert why is not None
    assert why.code is code
    assert why.text.startswith(text)
    note = world.buildkite.known["job-1"].notes[-1]
    assert text[1:] in note
    if code not in UNDER_WAY:
        standing = world.fleet.standing("provision", QUEUE)
        assert standing is not None
        assert why.key in {each.key for each in standing.reasons}
        held = world.provision().held[QUEUE, *why.key]
        assert text in held.line
        assert (held.about["job"], held.about["pipeline"]) == ("job-1", "web")


def test_a_reason_that_many_jobs_share_is_written_for_a_few_at_a_time() -> None:
    jobs = [f"job-{n:03}" for n in range(SAVED_AT_ONCE + 5)]
    world = wanting(*jobs, **{"limits/max-instances": "200"})
    world.after(seconds=1).dispatch()
    world.dispatch()
    no_capacity(world)
    world.provision()
    world.after(seconds=25)
    told: list[int] = []
    for _ in range(4):
        world.fleet.calls.clear()
        world.after(seconds=1).dispatch()
        told.append(sum(claim.why is not None for claim in world.fleet.all(Claim)))
        # One transaction for the claims, one for the standing.
        assert world.fleet.calls["write"] <= 2
    assert told[0] == SAVED_AT_ONCE
    assert told[-1] == len(jobs)


def test_a_job_that_buildkite_forgot_is_given_up_after_an_hour() -> None:
    world = wanting("job-1")
    no_capacity(world)
    del world.buildkite.known["job-1"]
    del world.buildkite.queues[QUEUE].free["job-1"]
    for_minutes(world, 65)
    assert world.claim("job-1").state is C.WAITING
    for_minutes(world, 1)
    claim = world.claim("job-1")
    assert (claim.state, claim.open) == (C.RELEASED, False)
    assert claim.reason == "for an hour Buildkite has neither reserved nor known the job"


def test_a_claim_stays_for_as_long_as_buildkite_does_not_answer() -> None:
    world = wanting("job-1")
    no_capacity(world)
    for call in ("states", "reserve", "jobs"):
        world.buildkite.fail_next(call, Transient("503"), times=9999)
    for_minutes(world, 3 * 60)
    claim = world.claim("job-1")
    assert claim.state is C.WAITING
    assert claim.why is not None
    assert claim.why.code is Code.UNRESERVED
    standing = world.fleet.standing("dispatch", QUEUE)
    assert standing is not None
    assert Code.BUILDKITE_SILENT in {each.code for each in standing.reasons}

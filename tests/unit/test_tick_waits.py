"""A job that gets no instance for hours stays claimed, and its record says why it waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from mayfly.provision.waits import EXPLAIN_AT_ONCE
from mayfly.records.changes import Save
from mayfly.records.ledger import Ledger
from mayfly.records.model import Claim
from mayfly.records.states import ClaimState, InstanceState
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


def test_a_job_without_an_instance_is_never_given_back_and_says_why_each_hour(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = wanting("job-1")
    no_capacity(world)
    for_minutes(world, 6 * 60)
    claim = world.claim("job-1")
    assert [step.state for step in claim.history] == [C.WAITING]
    assert claim.reserved(world.clock.now)
    said = [line for line in caplog.messages if line.startswith("job job-1: ")]
    assert len(said) == 6
    assert claim.reason in said[-1]
    world.machines.capacity = {}
    for_minutes(world, 1)
    world.make_ready()
    world.dispatch()
    assert world.claim("job-1").state is C.ASSIGNED


@pytest.mark.parametrize(
    ("lack", "why"),
    [
        (no_capacity, "EC2 refused the last"),
        (one_busy_instance, "the queue has 1 instances, and limits/max-instances is 1"),
        (shared_policy, "the queue's sandbox role has policies of its bootstrap role"),
        (no_template, "the queue's stack has no launch template for riscv"),
        (no_end_of_the_boot, "boots at present"),
        (
            no_answer,
            "EC2 has not answered the launch of deploy/x86_64/on-demand/m7i.large+m6i.large",
        ),
    ],
    ids=["no capacity", "limit", "refused queue", "no template", "boot", "no answer"],
)
def test_the_reason_of_a_long_wait_is_what_the_job_lacks(
    lack: Callable[[World], None], why: str
) -> None:
    world = wanting("job-1")
    lack(world)
    for_minutes(world, 61)
    assert why in world.claim("job-1").reason


def test_many_long_waits_are_explained_a_few_at_a_time() -> None:
    jobs = [f"job-{n:02}" for n in range(EXPLAIN_AT_ONCE + 5)]
    world = wanting(*jobs)
    no_capacity(world)
    for_minutes(world, 60)
    told = [bool(claim.explained) for claim in world.fleet.all(Claim)]
    assert (sum(told), len(told)) == (EXPLAIN_AT_ONCE, EXPLAIN_AT_ONCE + 5)
    for_minutes(world, 1)
    assert all(claim.explained for claim in world.fleet.all(Claim))


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
    assert claim.reason == "for an hour Buildkite neither reserved the job nor said anything of it"

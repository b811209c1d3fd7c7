"""`provision` launches nothing with roles that could do too much, or that it could not read."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mayfly.answers import Policy
from mayfly.config.infra import Infra
from mayfly.errors import Misconfigured, NotFound, Transient
from mayfly.provision import tick as provision
from mayfly.provision.verdicts import LONGEST_UNREAD, REREAD
from mayfly.records.changes import Save
from mayfly.records.model import QueueRecord
from mayfly.records.states import InstanceState
from mayfly.records.why import Code
from mayfly.tick.outcome import Left, Outcome
from mayfly_fakes.services import EC2_ALONE
from tests.unit.builders import QUEUE, STACK
from tests.unit.published import arn
from tests.unit.world import World, a_warm_world, a_world, running, wanting

SANDBOX, BOOTSTRAP = arn("role", "sandbox"), arn("role", "bootstrap")
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def give(world: World, role: str, policy: str, *statements: dict[str, Any]) -> None:
    """Attach a managed policy to a role, as an operator does."""
    known = world.roles.role(role)
    world.roles.attached[role] |= {policy}
    world.roles.roles[role] = replace(known, policies=(*known.policies, Policy(policy, statements)))


def rewrite(world: World, role: str, **changes: Any) -> None:
    """Change a document of a role; what is attached to the role stays."""
    world.roles.roles[role] = replace(world.roles.role(role), **changes)


def nudged(world: World) -> Outcome:
    return provision.tick(world.provision_ports, world.edge, nudged=True)


def in_ec2(world: World) -> int:
    return len(world.machines.machines)


def test_a_sandbox_role_of_an_administrator_stops_its_queue_and_no_other() -> None:
    world = a_world()
    world.publish("other")
    world.configure("other", **{"pool/hot": "1"})
    world.schedule("job-1")
    world.dispatch()
    give(world, SANDBOX, ADMINISTRATOR, ALL)
    outcome = world.provision()
    (problem,) = outcome.problems
    refused = "no instance may have the queue's roles (the sandbox role may write IAM"
    assert problem.startswith(f"queue {QUEUE}: {refused}")
    assert "assume any role of the account (sts:AssumeRole, allowed by Admin" in problem
    assert {instance.queue for instance in world.instances()} == {"other"}


def test_a_job_waits_with_the_reason_and_runs_once_the_policy_is_gone() -> None:
    world = wanting("job-1")
    give(world, SANDBOX, ADMINISTRATOR, ALL)
    for _ in range(61):
        world.after(1).dispatch()
        world.provision()
    why = world.claim("job-1").why
    assert why is not None
    assert why.code is Code.ROLES_REFUSED
    assert "the sandbox role may write IAM" in why.detail
    # Names of roles and policies are no page's.
    assert not any("IAM" in note for note in world.buildkite.known["job-1"].notes)
    world.roles.attached[SANDBOX] = frozenset()
    del world.roles.roles[SANDBOX]
    world.after(1).dispatch()
    world.provision()
    assert in_ec2(world) == 1


def test_a_running_job_goes_on_when_its_queue_is_refused() -> None:
    world = running()
    give(world, SANDBOX, ADMINISTRATOR, ALL)
    for _ in range(5):
        world.after(1).tick()
    assert world.instance().state is InstanceState.RUNNING


def test_a_trust_policy_for_a_person_stops_the_queue() -> None:
    world = wanting("job-1")
    rewrite(world, BOOTSTRAP, trust=(EC2_ALONE, EC2_ALONE | {"Principal": {"AWS": "*"}}))
    outcome = world.after(seconds=REREAD.total_seconds()).provision()
    assert "the trust policy of the bootstrap role lets everybody assume" in outcome.problems[0]
    assert in_ec2(world) == 0


def test_a_role_with_another_id_than_published_stops_the_queue() -> None:
    """A row of the mailbox is named by the id: a proof under another role's id proves nothing."""
    world = World()
    world.roles.ids[SANDBOX] = "AROAOTHER"
    outcome = world.provision()
    assert "the id of the sandbox role is AROAOTHER" in outcome.problems[0]


# -- when roles are read ---------------------------------------------------------------------------


def test_roles_are_read_once_in_ten_minutes_and_never_by_the_tick_of_a_job() -> None:
    world = a_warm_world()
    assert world.roles.calls["role"] == 2
    for _ in range(9):
        nudged(world.after(1))
        world.provision()
    assert world.roles.calls["role"] == 2
    nudged(world.after(1))
    assert world.roles.calls["role"] == 2
    world.provision()
    assert world.roles.calls["role"] == 4


def test_a_changed_publication_is_read_at_once() -> None:
    world = a_world()
    world.publish("other")
    world.provision()
    assert world.roles.calls["role"] == 4


def test_no_job_is_launched_for_between_a_new_policy_and_its_reading() -> None:
    world = wanting("job-1")
    give(world, SANDBOX, "arn:aws:iam::123456789012:policy/new")
    nudged(world)
    assert in_ec2(world) == 0
    world.provision()
    assert in_ec2(world) == 1


def test_a_queue_record_without_a_verdict_launches_nothing_until_its_roles_are_read() -> None:
    world = wanting("job-1")
    (record,) = world.fleet.all(QueueRecord)
    world.fleet.write([Save(replace(record, roles=None))])
    nudged(world)
    assert in_ec2(world) == 0
    world.provision()
    assert in_ec2(world) == 1


# -- roles that cannot be read ---------------------------------------------------------------------


def test_a_throttle_of_iam_keeps_the_last_verdict_for_an_hour(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = a_world(**{"pool/hot": "1"})
    world.roles.fail_next("role", Transient("throttled"), times=1000)
    with caplog.at_level(logging.WARNING, "mayfly"):
        outcome = world.after(seconds=REREAD.total_seconds()).provision()
    assert f"roles of queue {QUEUE}: the last verdict counts: throttled" in caplog.text
    assert not outcome.problems
    assert in_ec2(world) == 1
    last = LONGEST_UNREAD - REREAD + timedelta(minutes=1)
    outcome = world.after(seconds=last.total_seconds()).provision()
    assert "the queue's roles could not be read from IAM since" in outcome.problems[0]
    assert outcome.left[Left.TRANSIENT] == 1


def test_a_throttle_keeps_a_refusal_too() -> None:
    world = wanting("job-1")
    give(world, SANDBOX, ADMINISTRATOR, ALL)
    world.provision()
    world.roles.fail_next("role", Transient("throttled"), times=1000)
    outcome = world.after(seconds=REREAD.total_seconds()).provision()
    assert "the sandbox role may write IAM" in outcome.problems[0]


def test_a_queue_whose_roles_were_never_read_launches_nothing() -> None:
    world = World()
    world.configure(**{"pool/hot": "1"})
    world.roles.fail_next("role", Transient("throttled"))
    outcome = world.provision()
    assert "the queue's roles have not been read from IAM so far" in outcome.problems[0]
    assert outcome.unfinished
    assert in_ec2(world) == 0
    world.provision()
    assert in_ec2(world) == 1


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Misconfigured("AccessDenied"), "a role of the queue cannot be read: AccessDenied"),
        (NotFound("gone"), "a role of the queue does not exist: gone"),
    ],
)
def test_a_role_that_iam_does_not_show_refuses_whatever_was_known(
    error: Exception, told: str
) -> None:
    world = wanting("job-1")
    world.roles.fail_next("role", error)
    outcome = world.after(seconds=REREAD.total_seconds()).provision()
    assert told in outcome.problems[0]
    assert in_ec2(world) == 0


# -- policies of both roles ------------------------------------------------------------------------

LIMITS = f"arn:aws:iam::123456789012:policy/mayfly/{STACK}/limits"


def test_both_roles_may_carry_a_policy_of_the_stack_that_only_denies() -> None:
    world = wanting("job-1")
    for role in (BOOTSTRAP, SANDBOX):
        give(world, role, LIMITS, ALL | {"Effect": "Deny"})
    world.provision()
    assert in_ec2(world) == 1


def test_a_policy_of_the_stack_that_allows_may_not_be_carried_by_both_roles() -> None:
    world = wanting("job-1")
    for role in (BOOTSTRAP, SANDBOX):
        give(world, role, LIMITS, ALL | {"Action": "s3:GetObject"})
    outcome = world.provision()
    assert f"both roles carry {LIMITS}, which allows something" in outcome.problems[0]
    assert in_ec2(world) == 0


def test_the_record_keeps_the_verdict_for_every_worker() -> None:
    world = a_world()
    (record,) = world.fleet.all(QueueRecord)
    assert record.roles is not None
    assert record.roles.refused == ""
    assert record.roles.at == world.clock.now
    assert Infra.parse(QUEUE, STACK, record.infra).sandbox_role == SANDBOX

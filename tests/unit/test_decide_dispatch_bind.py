"""Dispatch: pauses, reservations, and which claim is bound to which instance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mayfly.config import rules
from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import serves
from mayfly.dispatch.actions import BindJob, KeepReservations, ReserveJobs
from mayfly.dispatch.bound import RENEW_BEFORE, RESERVATION
from mayfly.records.changes import Save
from mayfly.records.model import Claim, Instance, Shape
from mayfly.records.phases import Phases
from mayfly.records.states import ClaimState, InstanceState
from mayfly.tick.actions import NudgeProvision, WriteRecords
from mayfly_protocol.assignment import to_row
from tests.unit.builders import (
    NOW,
    QUEUE,
    SHAPE,
    TYPES,
    a_claim,
    a_config,
    a_job,
    ago,
    an_instance,
    assigned,
    ec2_id,
    later,
)
from tests.unit.dispatch_views import a_view, binds, decided, kinds, reserved

# -- pauses ----------------------------------------------------------------------------------------

HERE, THERE = a_config(paused=True), a_config()


@pytest.mark.parametrize(("config", "there"), [(HERE, False), (THERE, True)])
def test_a_paused_queue_opens_no_job_and_binds_and_renews_no_claim(
    config: QueueConfig, there: bool
) -> None:
    due = a_claim(reserved_until=later(1))
    view = a_view(a_job("new"), claims=(due,), ready=(an_instance(),), paused=there)
    assert decided(view, config) == []


@pytest.mark.parametrize(("config", "there"), [(HERE, False), (THERE, True)])
def test_a_claim_that_was_assigned_before_a_pause_stays_reserved(
    config: QueueConfig, there: bool
) -> None:
    host = an_instance(InstanceState.ASSIGNED)
    held = assigned(reserved_until=later(1))
    view = a_view(claims=(held,), paused=there, instances={host.key: host})
    assert reserved(decided(view, config)) == ["job-1"]


def test_no_claim_is_bound_while_the_pause_at_buildkite_is_unknown() -> None:
    due = a_claim(reserved_until=later(1))
    view = a_view(claims=(due,), ready=(an_instance(),), listing=None, paused=None)
    assert kinds(decided(view)) == [ReserveJobs, KeepReservations]


def test_a_pause_of_the_last_list_holds_until_the_next_list() -> None:
    view = a_view(claims=(a_claim(),), ready=(an_instance(),), listing=None, paused=True)
    assert decided(view) == []
    assert binds(decided(replace(view, paused=False))) == {"job-1": 0}


# -- reservations ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "due"),
    [
        (a_claim(reserved_until=None), True),
        (a_claim(reserved_until=NOW + RENEW_BEFORE), False),
        (a_claim(reserved_until=NOW + RENEW_BEFORE - (later(seconds=1) - NOW)), True),
        (assigned(reserved_until=later(3)), True),
        (assigned(reserved_until=later(5)), False),
        (assigned(state=ClaimState.RUNNING, reserved_until=ago(5)), False),
        (a_claim(state=ClaimState.FAILED, reserved_until=ago(5)), False),
    ],
)
def test_a_reservation_is_renewed_each_minute_until_the_job_is_accepted(
    claim: Claim, due: bool
) -> None:
    assert reserved(decided(a_view(claims=(claim,)))) == (["job-1"] if due else [])


def test_a_claim_that_ends_in_this_tick_is_not_reserved_again_and_its_instance_may_be_spare() -> (
    None
):
    due = a_claim(reserved_until=later(1))
    actions = decided(a_view(claims=(due,), states={"job-1": "canceled"}))
    assert kinds(actions) == [WriteRecords, NudgeProvision]


def test_a_failed_attempt_waits_again_with_its_new_version_and_asks_for_an_instance() -> None:
    gone = an_instance(InstanceState.TERMINATED)
    claim = assigned(reserved_until=later(1))
    actions = decided(a_view(claims=(claim,), instances={gone.key: gone}))
    assert kinds(actions) == [WriteRecords, ReserveJobs, KeepReservations, NudgeProvision]
    assert isinstance(actions[1], ReserveJobs)
    assert actions[1].claims[0].version == claim.version + 1


def test_a_failed_attempt_is_bound_anew_when_an_instance_is_ready() -> None:
    gone = an_instance(InstanceState.TERMINATED)
    view = a_view(claims=(assigned(),), instances={gone.key: gone}, ready=(an_instance(number=1),))
    actions = decided(view)
    assert kinds(actions) == [WriteRecords, BindJob]
    assert binds(actions) == {"job-1": 1}


# -- binding ---------------------------------------------------------------------------------------


def ready(number: int, **changes: Any) -> Instance:
    return an_instance(number=number, **changes)


def test_an_instance_is_never_bound_to_two_jobs() -> None:
    claims = tuple(a_claim(f"job-{n}") for n in range(3))
    given = binds(decided(a_view(claims=claims, ready=(ready(0), ready(1)))))
    assert len(given) == len(set(given.values())) == 2


def test_the_most_urgent_claim_is_bound_first() -> None:
    claims = (
        a_claim("late", runnable_at=NOW),
        a_claim("early", runnable_at=ago(9)),
        a_claim("urgent", priority=5, runnable_at=NOW),
    )
    assert binds(decided(a_view(claims=claims, ready=(ready(0),)))) == {"urgent": 0}
    both = binds(decided(a_view(claims=claims, ready=(ready(0), ready(1)))))
    assert set(both) == {"urgent", "early"}


def test_the_longest_idle_instance_is_bound_first() -> None:
    instances = (ready(0, since=ago(1)), ready(1, since=ago(9)), ready(2, since=ago(5)))
    assert binds(decided(a_view(claims=(a_claim(),), ready=instances))) == {"job-1": 1}


def test_an_instance_of_an_old_spec_is_bound_only_after_those_of_the_new_spec() -> None:
    old, new = ready(0, spec="spec-old", since=ago(60)), ready(1, since=NOW)
    claims = (a_claim("job-1"), a_claim("job-2", runnable_at=NOW))
    assert binds(decided(a_view(claims=claims, ready=(old, new)))) == {"job-1": 1, "job-2": 0}


def test_a_job_that_buildkite_does_not_reserve_takes_no_instance_from_others() -> None:
    claims = (
        a_claim("foreign", priority=9, since=ago(seconds=5), reserved_until=None),
        a_claim("lapsed", priority=9, since=ago(9), reserved_until=ago(seconds=5)),
        a_claim("ours"),
    )
    view = a_view(claims=claims, ready=(ready(0),))
    actions = decided(view, refused={"foreign", "lapsed"})
    assert binds(actions) == {"ours": 0}
    assert set(reserved(actions)) == {"foreign", "lapsed"}  # Buildkite may still reserve them


def test_a_lapsed_claim_that_buildkite_reserves_again_is_bound_at_once() -> None:
    lapsed = a_claim(since=ago(9), reserved_until=ago(seconds=5))
    actions = decided(a_view(claims=(lapsed,), ready=(ready(0),)))
    assert kinds(actions) == [ReserveJobs, BindJob]
    bind = actions[1]
    assert isinstance(bind, BindJob)
    assert bind.claim.reserved(NOW)


def test_a_new_reservation_is_saved_with_the_binding_or_instead_of_it() -> None:
    view = a_view(
        claims=(a_claim(reserved_until=None), a_claim("kept")), ready=(ready(0), ready(1))
    )
    first, second = [a for a in decided(view) if isinstance(a, BindJob)]
    assert [change.record for change in first.without_token if isinstance(change, Save)] == [
        replace(a_claim(), reserved_until=NOW + RESERVATION, phases=Phases(reserved=NOW))
    ]
    assert second.without_token == ()


def test_a_claim_that_no_ready_instance_serves_does_not_delay_the_next_claim() -> None:
    arm = a_claim("arm", priority=9, shape=replace(SHAPE, architecture="arm64"))
    view = a_view(claims=(arm, a_claim("x86")), ready=(ready(0),))
    assert binds(decided(view)) == {"x86": 0}


@pytest.mark.parametrize(
    ("offered", "does"),
    [
        (SHAPE, True),
        (replace(SHAPE, purchase="spot"), True),
        (replace(SHAPE, instance_types=(TYPES[0],)), True),
        (replace(SHAPE, instance_types=(*TYPES, "m5.large")), False),
        (replace(SHAPE, architecture="arm64"), False),
        (replace(SHAPE, queue="other"), False),
    ],
)
def test_a_shape_serves_another_that_accepts_each_of_its_types(offered: Shape, does: bool) -> None:
    assert serves(offered, SHAPE) is does


def test_the_mark_of_an_unreadable_policy_is_not_sent_to_the_host() -> None:
    last = rules.parse_rules("deploys", "pipeline=web branch=main")
    view = a_view(claims=(a_claim(),), ready=(ready(0),))
    (bind,) = decided(view, a_config(rules=(*last, rules.UNREADABLE)))
    assert isinstance(bind, BindJob)
    assert bind.assignment.rules == ("pipeline=web branch=main fork=no",)


def test_an_assignment_has_all_fields_and_is_not_written_without_its_token() -> None:
    config = a_config(
        rules=rules.parse_rules("deploys", "pipeline=web branch=main"),
        tags={"os": "linux"},
        imds="off",
        root="yes",
        max_minutes=30,
        agent_config="no-plugins=true",
    )
    claim = a_claim(repository="https://example.org/acme/web")
    view = a_view(claims=(claim,), ready=(ready(0),), agent_endpoint="http://127.0.0.1:1/v3")
    (bind,) = decided(view, config)
    assert isinstance(bind, BindJob)
    assert bind.assignment.token == ""
    sent = to_row(replace(bind.assignment, token="bkjat_token"))
    assert sent == {
        "protocol": 1,
        "job": "job-1",
        "boot": "boot-0",
        "queue": QUEUE,
        "name": f"{QUEUE}-{ec2_id(0)}",
        "tags": f"queue={QUEUE},arch=x86_64,os=linux",
        "endpoint": "http://127.0.0.1:1/v3",
        "imds": "off",
        "root": "yes",
        "max_minutes": 30,
        "policy": {
            "rules": ["pipeline=web branch=main fork=no"],
            "repository": "https://example.org/acme/web",
        },
        "config": "no-plugins=true",
        "token": "bkjat_token",
    }
    with pytest.raises(ValueError, match="without its token"):
        to_row(bind.assignment)

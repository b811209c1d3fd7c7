"""Waits, cost, changes, the plan and the doctor."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from mayfly.config.queue import in_force
from mayfly.provision.decide import decide
from mayfly.provision.gather import gather
from mayfly.provision.refresh import refresh
from mayfly.records.audit import ParameterChange, SpecChange
from mayfly.records.pages import Page
from mayfly.records.states import ClaimState, InstanceState, LaunchState
from mayfly.tick.outcome import Outcome
from mayfly_cli.listings.reading import read_launches
from mayfly_cli.operations.reading import QueueView, StackView, read_queue, read_stack
from mayfly_cli.past.changes import alarm_events
from mayfly_cli.past.cost import Row, cost_of
from mayfly_cli.past.reading import read_past
from mayfly_cli.past.volumes import Volumes
from mayfly_cli.past.waits import waits_of
from mayfly_cli.plan.result import plan_of
from tests.cli.operations.conftest import StackInMoto
from tests.cli.operations.samples import begun, past
from tests.unit.builders import NOW, QUEUE, STACK, a_launch, a_queue, ago, an_instance, later
from tests.unit.world import World


def test_waits_tell_hot_and_cold_apart_by_the_launch_of_the_instance() -> None:
    rows = {(row.name, row.path): row for row in waits_of(past(), "queue").rows}
    assert set(rows) == {("default", "hot"), ("default", "cold")}
    assert rows["default", "hot"].p50 == 1.6
    assert rows["default", "cold"].p99 == 41.0


def test_waits_may_be_told_by_pipeline() -> None:
    assert {row.name for row in waits_of(past(), "pipeline").rows} == {"app", "web"}


def test_the_cost_of_a_job_is_that_of_its_instance_from_binding_to_end() -> None:
    cost = cost_of(past(), "pipeline")
    rows = {row.name: row for row in cost.rows}
    # 8.4 minutes for $0.04 an hour on spot, and 8 minutes for $0.1008.
    assert rows["app"].usd == (Decimal("0.04") * Decimal("8.4") / 60).quantize(Decimal("0.0001"))
    assert rows["web"].usd == (Decimal("0.1008") * 8 / 60).quantize(Decimal("0.0001"))
    assert (rows["app"].spot, rows["web"].spot) == (1.0, 0.0)
    assert cost.unpriced_hours > 0


def test_a_pipeline_without_a_known_price_is_listed_with_its_hours_and_no_sum() -> None:
    known = past()
    for priced, spent, usd in (((), "unknown", None), (known.instances[1:], "$", Decimal())):
        kept = {each.key for each in priced}
        some = replace(
            known,
            instances=tuple(i if i.key in kept else replace(i, price="") for i in known.instances),
        )
        cost = cost_of(some, "pipeline")
        assert {row.name for row in cost.rows} == {"app", "web"}
        bare = [row for row in cost.rows if row.usd is None]
        assert all(row.unpriced_hours == row.hours > 0 for row in bare)
        assert all(row.spent == "unknown" for row in bare)
        assert any(row.spent.startswith(spent) for row in cost.rows)
        assert bool(cost.rows[0].usd is None) is (usd is None)


def test_a_sum_that_leaves_hours_out_says_at_least() -> None:
    row = Row("app", 2, 1.0, Decimal("3.92"), 0.0, unpriced_hours=0.5)
    assert row.spent == "at least $3.92"


def test_the_cost_counts_only_the_time_that_was_asked_for() -> None:
    short = replace(past(), start=ago(52))
    rows = {row.name: row for row in cost_of(short, "pipeline").rows}
    assert rows["web"].hours == round(2 / 60, 3)


def test_what_no_job_had_is_the_idle_pool() -> None:
    assert cost_of(past(), "queue").idle_pool_usd > Decimal("0.1")


def test_a_stopped_instance_costs_its_volume_alone() -> None:
    """700 minutes of 50 GiB; of the 720 since the launch, EC2 bills 20."""
    resting = past().instances[-1]
    only = replace(past(), instances=(resting,))
    pool = cost_of(only, "queue").stopped_pool
    assert (pool.instances, pool.hours, pool.gib) == (1, round(700 / 60, 3), 50)
    months = Decimal(700) / (60 * 24 * 30) * 50
    assert pool.gib_months == round(float(months), 4)
    assert pool.usd == (months * Decimal("0.0952")).quantize(Decimal("0.0001"))
    billed = Decimal("0.1008") * 20 / 60
    assert cost_of(only, "queue").idle_pool_usd == billed.quantize(Decimal("0.0001"))
    short = cost_of(replace(only, start=ago(60)), "queue")
    assert (short.stopped_pool.hours, short.idle_pool_usd) == (1.0, Decimal(0))


def test_a_volume_without_a_known_price_or_size_is_told_and_costs_not_nothing() -> None:
    only = replace(past(), instances=past().instances[-1:])
    for volumes in (Volumes({"default": 50}), Volumes({}, "0.08")):
        pool = cost_of(replace(only, volumes=volumes), "queue").stopped_pool
        assert pool.usd is None
        assert "cost not known" in str(pool)
    assert "size of volumes not known of default" in str(pool)
    assert str(cost_of(replace(only, instances=()), "queue").stopped_pool) == "stopped pool: none"


def test_the_plan_is_what_the_next_tick_of_provision_decides() -> None:
    world = World()
    world.configure(**{"pool/hot": "2"})
    world.provision()
    record = world.fleet.queue(QUEUE)
    assert record is not None
    world.configure(**{"pool/hot": "4"})
    # The record alone follows, as if `provision` had died between record and launch.

    refresh(world.provision_ports, Outcome(), world.clock.now)
    record = world.fleet.queue(QUEUE)
    assert record is not None
    config = in_force(record)
    assert config is not None
    now = world.clock.now
    expected = decide(gather(record, world.provision_ports, now), config, now)
    view = StackView(STACK, "eu", now, (read_queue(world.fleet, record),))
    (plan,) = plan_of(view).queues
    assert expected
    assert [step.action for step in plan.steps] == [type(each).__name__ for each in expected]
    assert [step.reason for step in plan.steps] == [each.reason for each in expected]


def test_a_queue_without_a_configuration_has_no_plan() -> None:

    record = replace(a_queue(), config="")
    view = StackView(STACK, "eu", NOW, (QueueView(record, None),))
    (plan,) = plan_of(view).queues
    assert plan.error == "there is no good configuration"


def test_a_tool_reads_the_records_that_a_tick_wrote() -> None:
    world = World()
    world.configure(**{"pool/hot": "2"})
    world.provision()
    view = read_stack(world.fleet, STACK, "eu", world.clock.now, world.fleet.queues())
    assert len(view.queues[0].instances) == 2


def test_changes_are_in_one_time_line_with_who_made_them(in_moto: StackInMoto) -> None:
    client = in_moto.account.client("cloudformation")
    client.create_stack(StackName="ci", TemplateBody='{"Resources": {}}')
    name = "/mayfly/ci/queues/deploy/pool/hot"
    bob = "arn:aws:iam::1:user/bob"
    in_moto.save(
        ParameterChange(name, old="3", new="10", at=ago(5), number=2, who=bob),
        ParameterChange(name, old="10", new=None, at=ago(3)),
        ParameterChange(name, old="1", new="3", at=ago(60 * 48), number=1),
        SpecChange("deploy", ago(4), "a1", "b2", ("recycle: launch/generation is x",)),
        SpecChange("deploy", ago(60 * 48), "0", "a1"),
    )
    found = json.loads(in_moto.run("changes", "--json").out)["events"]
    parameters = [each for each in found if each["kind"] == "parameter"]
    assert [(e["old"], e["new"], e["who"]) for e in parameters] == [
        ("10", None, ""),
        ("3", "10", bob),
    ]
    assert "deploy/pool/hot" in in_moto.run("changes").out
    [spec] = [each for each in found if each["kind"] == "spec"]
    assert (spec["name"], spec["old"], spec["new"]) == ("deploy", "a1", "b2")
    assert "a1 -> b2: recycle: launch/generation is x" in in_moto.run("changes").out


def test_waits_and_cost_read_closed_records_by_time(in_moto: StackInMoto) -> None:
    claim = replace(begun(1.6, 2), queue="deploy")
    in_moto.save(claim)
    in_moto.provision(1)
    in_moto.now += timedelta(minutes=1)
    (row,) = json.loads(in_moto.run("waits", "--json").out)["rows"]
    assert (row["name"], row["path"], row["jobs"], row["p50"]) == ("deploy", "unknown", 1, 1.6)
    assert json.loads(in_moto.run("cost", "--json").out)["rows"] == []


def test_a_record_that_closes_between_two_reads_counts_once(in_moto: StackInMoto) -> None:
    running = replace(begun(1.6, 2), queue="deploy", state=ClaimState.RUNNING)
    ready = an_instance(queue="deploy")
    launch = a_launch(queue="deploy", created=in_moto.now)
    in_moto.save(running, ready, launch)
    history: Any = SimpleNamespace(
        claims=lambda *_: Page((replace(running, state=ClaimState.FINISHED),)),
        instances=lambda *_: Page((replace(ready, state=InstanceState.TERMINATED),)),
        launches=lambda *_: Page((replace(launch, state=LaunchState.SETTLED),)),
    )
    connection = replace(in_moto.connected(None, None), history=history)
    found = read_past(connection, timedelta(hours=2))
    assert [each.state for each in found.claims] == [ClaimState.FINISHED]
    assert [each.state for each in found.instances] == [InstanceState.TERMINATED]
    assert len(read_launches(connection, None, timedelta(hours=2), failed=False).launches) == 1


@pytest.mark.parametrize(
    ("state", "minutes", "told"),
    [
        ("OK", 1, False),
        ("INSUFFICIENT_DATA", 0, False),
        ("ALARM", 1, True),
        ("OK", 60, True),
        ("INSUFFICIENT_DATA", 60, True),
    ],
)
def test_the_first_verdict_on_a_new_alarm_is_a_change_only_if_the_alarm_goes_off(
    state: str, minutes: float, told: bool
) -> None:
    alarm = {
        "AlarmName": "ci-DispatchSilent",
        "StateValue": state,
        "AlarmConfigurationUpdatedTimestamp": ago(minutes),
        "StateUpdatedTimestamp": NOW,
    }
    assert bool(alarm_events([alarm], ago(100))) is told
    assert alarm_events([alarm], later(1)) == []

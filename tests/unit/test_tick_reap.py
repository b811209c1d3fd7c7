"""Ticks of reap against the fakes: terminations, spared instances, closed records, last words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mayfly.errors import Conflict, MayflyError, Misconfigured, NotFound, Transient
from mayfly.events import StateChanged
from mayfly.reap import tick as reap
from mayfly.reap.apply import Applier
from mayfly.reap.decide import decide
from mayfly.reap.gather import gather
from mayfly.records.changes import Drop, Save
from mayfly.records.model import Stray
from mayfly.records.states import ClaimState, InstanceState
from mayfly.tick.outcome import Left, Outcome
from tests.unit.builders import row
from tests.unit.world import a_warm_world, ec2_state, launched, running

S, C = InstanceState, ClaimState


# -- overstaying -----------------------------------------------------------------------------------


def test_a_silent_host_is_condemned_then_terminated_then_closed_and_its_console_kept() -> None:
    world = launched()
    world.machines.machines[str(world.instance().instance_id)].console = "kernel panic"
    world.after(5, seconds=1).reap()
    assert world.instance().state is S.CONDEMNED
    assert ec2_state(world) == "shutting-down"
    world.machines.settle()
    world.after(1).reap()
    assert world.instance().state is S.TERMINATED
    assert world.ledger().live == 0
    ((_, text),) = world.words.kept[str(world.instance().instance_id)]
    assert "the instance was launching for longer than 5 minutes" in text
    assert "kernel panic" in text
    assert "09:00:00 launching: EC2 launched the instance" in text


def test_a_repeated_tick_of_reap_changes_nothing() -> None:
    world = launched()
    world.after(6).reap()
    assert not world.reap().changed
    world.machines.settle()
    world.reap()
    assert not world.reap().changed
    assert world.ledger().live == 0


def test_throttled_last_words_are_kept_by_the_next_tick() -> None:
    world = launched()
    world.words.fail_next("keep", Transient("throttled"))
    world.after(6).reap()
    assert world.words.kept == {}
    world.reap()
    assert len(world.words.kept) == 1
    assert world.instance().words_kept


def test_last_words_of_an_ended_host_are_kept_before_its_rows_are_cleared() -> None:
    world = launched()
    world.report(world.instance(), "failed", words="dd: no space left")
    world.machines.end(str(world.instance().instance_id), "Client.InstanceInitiatedShutdown")
    world.words.fail_next("keep", Transient("throttled"))
    world.reap()
    assert (world.instance().state, world.instance().owes_words) == (S.TERMINATED, True)
    assert world.mailbox.rows
    world.reap()
    ((_, text),) = world.words.kept[str(world.instance().instance_id)]
    assert "dd: no space left" in text
    assert not world.instance().open
    assert world.mailbox.rows == {}


def test_a_missing_log_group_keeps_no_record_open() -> None:
    world = launched()
    world.words.fail_next("keep", Misconfigured("no such log group"), times=9)
    world.machines.end(str(world.instance().instance_id), "Server.InternalError")
    outcome = world.reap()
    assert outcome.problems
    assert world.instance().state is S.TERMINATED


def test_last_words_are_kept_without_console_output() -> None:
    world = launched()
    world.machines.fail_next("console", NotFound("gone"))
    world.after(6).reap()
    ((_, text),) = world.words.kept[str(world.instance().instance_id)]
    assert "no console output of the instance any more" in text


def test_a_console_that_cannot_be_read_keeps_no_record_open() -> None:
    world = launched()
    world.machines.end(str(world.instance().instance_id), "Client.InstanceInitiatedShutdown")
    world.machines.fail_next("console", Misconfigured("reap may not read it"))
    world.reap()
    assert world.instance().state is S.TERMINATED
    assert world.instance().reason == "EC2 ended the instance: Client.InstanceInitiatedShutdown"


def test_a_console_that_is_refused_in_every_read_keeps_no_record_open() -> None:
    world = launched()
    world.machines.fail_next("console", Misconfigured("reap may not read it"), times=9)
    world.machines.end(str(world.instance().instance_id), "Server.InternalError")
    outcome = world.reap()
    assert outcome.problems
    assert world.instance().state is S.TERMINATED


def test_a_refused_console_spares_no_condemned_instance() -> None:
    world = launched()
    world.machines.fail_next("console", Misconfigured("reap may not read it"), times=9)
    world.after(6).reap()
    assert world.instance().state is S.CONDEMNED
    assert ec2_state(world) == "shutting-down"


@pytest.mark.parametrize("end", ["canceled", "lost", "timed out"])
def test_a_host_that_hangs_under_its_job_is_gone_half_an_hour_after_the_job(end: str) -> None:
    world = running()
    world.dispatch()
    if end == "canceled":
        world.buildkite.cancel("job-1")
    world.buildkite.end("job-1", -1)
    if end == "timed out":
        world.buildkite.known["job-1"].state = "timed_out"
    for _ in range(27):
        assert ec2_state(world) == "running"
        world.after(1).dispatch()
        world.reap()
    assert ec2_state(world) == "shutting-down"
    world.machines.settle()
    world.reap()
    assert world.ledger().live == 0
    ((_, text),) = world.words.kept[str(world.instance().instance_id)]
    assert "its job ended more than 25 minutes ago" in text


def test_a_host_that_hangs_is_gone_though_the_index_lags() -> None:
    world = running()
    world.dispatch()
    world.buildkite.end("job-1", -1)
    world.dispatch()
    world.after(26)
    world.fleet.lag()
    world.reap()
    assert ec2_state(world) == "shutting-down"


def test_a_host_whose_job_goes_on_costs_no_read_of_its_claim() -> None:
    world = running()
    world.dispatch()
    before = world.fleet.calls["claim"]
    world.after(60).reap()
    assert world.fleet.calls["claim"] == before
    assert ec2_state(world) == "running"


def test_a_stopped_host_is_terminated_at_once_though_its_job_seems_to_run() -> None:
    world = running()
    world.dispatch()
    machine = world.machines.machines[str(world.instance().instance_id)]
    machine.seen = replace(machine.seen, state="stopped")
    event = StateChanged(machine.seen.instance_id, "stopped")
    reap.on_state_change(world.reap_ports, event, world.edge)
    assert ec2_state(world) == "shutting-down"
    assert world.instance().reason == "the instance was stopped from outside"


# -- instances that are spared ---------------------------------------------------------------------


@pytest.mark.parametrize("error", [Conflict("dispatch was first"), Transient("throttled")])
def test_an_instance_is_terminated_only_after_its_record(error: MayflyError) -> None:
    world = launched()
    world.after(6)
    world.fleet.fail_next("write", error)
    world.reap()
    assert ec2_state(world) == "running"
    assert world.words.kept == {}


def test_a_job_that_is_accepted_while_reap_decides_goes_on() -> None:
    world = a_warm_world()
    world.schedule("job-1")
    world.dispatch()
    world.after(3, seconds=1)
    view = gather(world.reap_ports)
    world.accept("job-1")
    world.dispatch()
    outcome = Outcome()
    decision = decide(view, world.clock.now)
    Applier(world.reap_ports, outcome, world.clock.now, world.edge).carry_out(decision)
    assert outcome.left == {Left.CONFLICT: 1}
    assert world.words.kept == {}
    assert world.instance().state is S.RUNNING
    assert ec2_state(world) == "running"


def test_a_running_job_survives_an_outage_of_buildkites_states() -> None:
    world = a_warm_world()
    world.schedule("job-1")
    world.dispatch()
    world.accept("job-1")
    world.report(world.instance(), "running")
    world.buildkite.fail_next("states", Transient("503"), times=99)
    for _ in range(20):
        world.after(1).dispatch()
        world.reap()
    assert world.instance().state is S.ASSIGNED
    assert ec2_state(world) == "running"


def test_a_busy_instance_missing_from_one_answer_is_neither_closed_nor_a_stray() -> None:
    world = running()
    world.machines.hidden = {str(world.instance().instance_id)}
    world.after(30).reap()
    world.machines.hidden = set()
    world.after(1).reap()
    assert world.instance().state is S.RUNNING
    assert world.claim("job-1").state is C.RUNNING
    assert ec2_state(world) == "running"
    assert world.fleet.all(Stray) == []


def test_an_instance_that_ec2_has_forgotten_is_closed_ten_minutes_later() -> None:
    world = running()
    world.machines.forget(str(world.instance().instance_id))
    for _ in range(11):
        assert world.instance().state is S.RUNNING
        world.reap()
        world.after(1)
    world.reap()
    assert world.instance().state is S.TERMINATED
    assert world.claim("job-1").state is C.FINISHED
    assert world.ledger().live == 0


def test_the_rows_of_a_record_that_changes_while_reap_decides_are_kept() -> None:
    world = running()
    instance = world.instance()
    world.report(instance, "done", exit=1, words="the last lines")
    world.machines.end(str(instance.instance_id), "Client.InstanceInitiatedShutdown")
    decision = decide(gather(world.reap_ports), world.clock.now)
    world.fleet.write([Save(instance)])
    outcome = Outcome()
    Applier(world.reap_ports, outcome, world.clock.now, world.edge).carry_out(decision)
    assert outcome.left == {Left.CONFLICT: 1}
    assert world.mailbox.rows[row(instance)].report is not None
    world.reap()
    assert world.mailbox.rows == {}


# -- the end ---------------------------------------------------------------------------------------


def test_a_host_has_two_minutes_to_power_off_after_the_end_of_its_agent() -> None:
    world = running()
    world.buildkite.end("job-1")
    world.report(world.instance(), "done", exit=0)
    world.reap()
    assert world.instance().state is S.DONE
    world.after(2).reap()
    assert ec2_state(world) == "running"
    world.after(seconds=1).reap()
    assert ec2_state(world) == "shutting-down"


def test_claim_instance_slot_and_mailbox_rows_end_together() -> None:
    world = running()
    world.machines.end(str(world.instance().instance_id), "Server.SpotInstanceTermination")
    world.reap()
    assert world.instance().state is S.TERMINATED
    assert world.claim("job-1").state is C.FINISHED
    assert "SpotInstanceTermination" in world.claim("job-1").reason
    assert world.ledger().live == 0
    assert world.mailbox.rows == {}


def test_throttled_mailbox_rows_are_cleared_by_the_next_tick() -> None:
    world = running()
    world.machines.end(str(world.instance().instance_id), "Server.SpotInstanceTermination")
    world.mailbox.fail_next("remove", Transient("throttled"))
    world.reap()
    assert world.instance().open
    world.reap()
    assert world.mailbox.rows == {}
    assert world.ledger().live == 0


def test_mailbox_rows_that_cannot_be_removed_keep_no_record_open() -> None:
    world = running()
    world.machines.end(str(world.instance().instance_id), "Server.SpotInstanceTermination")
    world.mailbox.fail_next("remove", Misconfigured("reap may not remove rows"), times=9)
    outcome = world.reap()
    assert outcome.problems
    assert world.instance().state is S.TERMINATED
    assert world.ledger().live == 0


def test_a_claim_seen_running_after_the_end_of_its_instance_is_finished() -> None:
    world = a_warm_world()
    world.schedule("job-1")
    world.dispatch()
    world.accept("job-1")
    world.machines.end(str(world.instance().instance_id), "Server.InternalError")
    world.reap()
    world.dispatch()
    assert world.claim("job-1").state is C.FINISHED
    assert "Server.InternalError" in world.claim("job-1").reason


def test_a_running_claim_without_an_instance_record_is_finished() -> None:
    world = running()
    world.machines.forget(str(world.instance().instance_id))
    world.fleet.write([Drop(world.instance())])
    world.reap()
    assert world.claim("job-1").state is C.FINISHED
    assert world.claim("job-1").reason == "the instance has no record any more"

"""Ticks of sandbox against the fakes: record before replacement, and ready only by proof."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mayfly.answers import Association
from mayfly.errors import Conflict, MayflyError, Transient
from mayfly.records.states import InstanceState
from mayfly.sandbox import tick as sandbox
from mayfly.sandbox.apply import carry_out
from mayfly.sandbox.decide import decide
from mayfly.sandbox.gather import gather
from mayfly.tick.outcome import Left, Outcome
from mayfly_protocol.phases import Phase
from tests.unit.builders import BOOTSTRAP, SANDBOX, row
from tests.unit.world import World, wanting

S = InstanceState


def launched() -> World:
    world = wanting("job-1")
    world.provision()
    world.machines.settle()
    return world


def association(world: World) -> Association:
    return world.machines.machines[str(world.instance().instance_id)].association


def test_a_host_becomes_ready_by_its_reports_and_its_new_profile() -> None:
    world = launched()
    states = []
    for phase in ("booting", "bootstrapped", "sandboxed"):
        world.report(world.instance(), phase)
        world.sandbox()
        world.machines.settle()
        states.append(world.instance().state)
    assert states == [S.BOOTING, S.SWAPPING, S.READY]
    assert [step.state for step in world.instance().history[2:]] == [
        "booting",
        "bootstrapped",
        "swapping",
        "ready",
    ]
    assert (association(world).profile, world.instance().proven) == (SANDBOX, True)


@pytest.mark.parametrize("error", [Conflict("another was first"), Transient("throttled")])
def test_a_profile_is_replaced_only_after_its_record(error: MayflyError) -> None:
    world = launched()
    world.report(world.instance(), "bootstrapped")
    world.fleet.fail_next("write", error)
    world.sandbox()
    assert world.machines.calls["replace_profile"] == 0
    assert association(world).profile == BOOTSTRAP
    world.sandbox()
    assert association(world).profile == SANDBOX


def test_a_host_condemned_during_a_tick_of_sandbox_keeps_its_profile() -> None:
    world = launched()
    world.report(world.instance(), "bootstrapped")
    view = gather(world.sandbox_ports, Outcome(), wide=True)
    world.after(6).reap()
    assert world.instance().state is S.CONDEMNED
    for action in decide(view, world.clock.now):
        outcome = Outcome()
        carry_out([action], world.sandbox_ports, outcome, world.edge)
        assert outcome.left == {Left.CONFLICT: 1}
    assert association(world).profile == BOOTSTRAP


def test_a_throttled_replacement_is_repeated_by_the_next_tick() -> None:
    world = launched()
    world.report(world.instance(), "bootstrapped")
    world.machines.fail_next("replace_profile", Transient("throttled"))
    world.sandbox()
    assert world.instance().state is S.SWAPPING
    assert association(world).profile == BOOTSTRAP
    world.sandbox()
    assert association(world).profile == SANDBOX


def test_a_replacement_with_a_lost_answer_is_not_repeated() -> None:
    world = launched()
    world.report(world.instance(), "bootstrapped")
    world.machines.fail_next("replace_profile", Transient("no answer"), done=True)
    world.sandbox()
    shown = association(world)
    world.sandbox()
    world.machines.settle()
    world.sandbox()
    assert association(world).id == shown.id
    assert world.machines.calls["replace_profile"] == 1


def test_an_association_replaced_by_another_tick_is_a_conflict() -> None:
    world = launched()
    world.report(world.instance(), "bootstrapped")
    view = gather(world.sandbox_ports, Outcome(), wide=True)
    world.sandbox()
    late = replace(view, instances=(world.instance(),))
    (action,) = decide(late, world.clock.now)
    outcome = Outcome()
    carry_out([action], world.sandbox_ports, outcome, world.edge)
    assert outcome.left == {Left.CONFLICT: 1}
    assert association(world).profile == SANDBOX


def test_a_proof_in_the_bootstrap_row_does_not_count() -> None:
    world = launched()
    world.report(world.instance(), "bootstrapped")
    world.sandbox()
    world.machines.settle()
    forged = world.mailbox.rows[row(world.instance(), "bootstrap")].report
    assert forged is not None
    world.mailbox.report(row(world.instance(), "bootstrap"), replace(forged, phase=Phase.SANDBOXED))
    world.sandbox()
    assert world.instance().state is S.SWAPPING


def test_a_foreign_profile_condemns_the_instance() -> None:
    world = launched()
    world.report(world.instance(), "bootstrapped")
    machine = world.machines.machines[str(world.instance().instance_id)]
    machine.association = replace(machine.association, profile=BOOTSTRAP.replace("deploy", "other"))
    world.sandbox()
    assert world.instance().state is S.CONDEMNED
    assert "foreign profile" in world.instance().reason
    assert world.nudges.sent[-1] == "an instance was condemned before it was ready"
    assert world.reap_nudges.sent == ["an instance was condemned before it was ready"]


def test_associations_are_read_only_for_hosts_that_are_set_up() -> None:
    world = launched()
    world.sandbox()
    assert world.machines.calls["associations"] == 0
    world.report(world.instance(), "bootstrapped")
    world.sandbox()
    assert world.machines.calls["associations"] == 1


@pytest.mark.parametrize("read", ["reports", "associations"])
def test_a_throttled_read_of_sandbox_changes_nothing_and_is_left_to_the_next_tick(
    read: str,
) -> None:
    world = launched()
    world.report(world.instance(), "bootstrapped")
    port = world.mailbox if read == "reports" else world.machines
    port.fail_next(read, Transient("throttled"))
    looked = sandbox.tick(world.sandbox_ports, world.edge, wide=True)
    assert looked.outcome.left == {Left.TRANSIENT: 1}
    assert looked.open_work
    assert world.instance().state is S.LAUNCHING

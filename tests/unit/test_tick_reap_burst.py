"""Many ends at once, consoles and logs that hang: reap closes first, each part has a bound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from threading import Event

import pytest

from mayfly.errors import Misconfigured, Transient
from mayfly.events import StateChanged
from mayfly.reap import apply
from mayfly.reap import tick as reap
from mayfly.reap.words import SAMPLE
from mayfly.records.states import ClaimState, InstanceState
from mayfly.tick.outcome import Left
from tests.unit.builders import QUEUE
from tests.unit.world import World, a_world, ec2_state, launched, running

S = InstanceState
BY_ITSELF = "Client.InstanceInitiatedShutdown"


def many(count: int) -> World:
    """A world with this many launched instances."""
    limits = {"limits/max-instances": str(count), "limits/max-launches-per-minute": str(count)}
    world = a_world(**limits, **{"pool/hot": str(count)})
    while len(world.instances()) < count:
        world.provision()
    world.machines.settle()
    return world


def end_all(world: World) -> None:
    for instance_id in world.machines.machines:
        world.machines.end(instance_id, BY_ITSELF)


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits for consoles and words as short as a test wants them."""
    monkeypatch.setattr(apply, "CONSOLE_SECONDS", 0.1)
    monkeypatch.setattr(apply, "WORDS_SECONDS", 0.1)


@pytest.fixture
def stuck(patience: None) -> Iterator[Event]:
    """Hangs whatever waits for this event, until the test is over."""
    del patience
    event = Event()
    yield event
    event.set()


def hang_consoles(world: World, stuck: Event) -> None:
    vars(world.machines)["console"] = lambda _: str(stuck.wait(60))


def test_one_tick_closes_300_silent_ends_and_reads_a_bounded_number_of_consoles() -> None:
    world = many(300)
    end_all(world)
    world.reap()
    assert len(world.instances(S.TERMINATED)) == 300
    assert world.ledger().live == 0
    assert world.machines.calls["console"] == SAMPLE + apply.MOST_WORDS
    assert len(world.words.kept) == apply.MOST_WORDS


def test_the_words_that_one_tick_does_not_keep_are_kept_by_later_ticks() -> None:
    world = many(100)
    for machine in world.machines.machines.values():
        machine.console = "kernel panic"
    end_all(world)
    for _ in range(3):
        world.after(1).reap()
    assert len(world.words.kept) == 100
    assert all("kernel panic" in text for [(_, text)] in world.words.kept.values())
    assert not any(instance.open for instance in world.instances())
    assert world.mailbox.rows == {}


def test_consoles_that_hang_delay_neither_closings_nor_terminations(stuck: Event) -> None:
    world = many(20)
    overdue, *others = world.machines.machines
    for instance_id in others:
        world.machines.end(instance_id, BY_ITSELF)
    hang_consoles(world, stuck)
    world.after(6).reap()
    assert len(world.instances(S.TERMINATED)) == 19
    assert world.machines.machines[overdue].seen.state == "shutting-down"
    assert world.ledger().live == 1
    assert world.words.kept == {}


def test_a_log_that_hangs_delays_neither_the_closing_nor_the_claim(stuck: Event) -> None:
    world = running()
    vars(world.words)["keep"] = lambda *_: stuck.wait(60)
    world.machines.end(str(world.instance().instance_id), "Server.SpotInstanceTermination")
    outcome = world.reap()
    assert world.claim("job-1").state is ClaimState.FINISHED
    assert world.ledger().live == 0
    assert outcome.left == {Left.TRANSIENT: 1}


def test_a_console_that_always_hangs_costs_the_words_only_their_console(stuck: Event) -> None:
    world = launched()
    world.report(world.instance(), "booting", words="installed git")
    world.machines.end(str(world.instance().instance_id), BY_ITSELF)
    hang_consoles(world, stuck)
    world.reap()
    assert world.words.kept == {}
    world.after(11).reap()
    ((_, text),) = world.words.kept[str(world.instance().instance_id)]
    assert "installed git" in text
    assert "(EC2 did not give the console in time)" in text
    assert not world.instance().open


def test_a_console_that_reap_may_not_read_is_named_in_the_words() -> None:
    world = launched()
    world.machines.fail_next("console", Misconfigured("not authorized"), times=9)
    world.after(6).reap()
    ((_, text),) = world.words.kept[str(world.instance().instance_id)]
    assert "(the console cannot be read: not authorized)" in text
    assert ec2_state(world) == "shutting-down"


def test_words_that_cannot_be_kept_for_an_hour_are_given_up_with_a_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = launched()
    world.report(world.instance(), "booting")
    world.machines.end(str(world.instance().instance_id), BY_ITSELF)
    world.words.fail_next("keep", Transient("the log is down"), times=99)
    for _ in range(62):
        world.reap()
        world.after(1)
    assert not world.instance().open
    assert world.mailbox.rows == {}
    name = world.instance().instance_id
    assert f"the last words of {name} could not be kept for an hour" in caplog.text


def test_the_record_of_a_removed_queue_stays_until_its_last_words_are_kept() -> None:
    world = launched()
    world.parameters.remove(f"/mayfly-infra/ci/queues/{QUEUE}")
    world.buildkite.cancel("job-1")
    world.dispatch()
    world.machines.end(str(world.instance().instance_id), BY_ITSELF)
    world.words.fail_next("keep", Transient("throttled"))
    world.reap()
    world.provision()
    assert world.fleet.queue(QUEUE) is not None
    world.reap()
    world.provision()
    world.provision()
    assert world.fleet.queue(QUEUE) is None
    assert len(world.words.kept) == 1


def test_a_tick_without_time_leaves_closings_to_the_next_tick_and_says_so() -> None:
    world = many(30)
    end_all(world)
    real = world.fleet.write

    def slow(*given: object, **named: object) -> None:
        world.after(seconds=5)
        real(*given, **named)  # type: ignore[arg-type]  # passed on as given

    vars(world.fleet)["write"] = slow
    outcome = world.reap()
    closed = len(world.instances(S.TERMINATED))
    assert 0 < closed < 30
    assert outcome.left[Left.TRANSIENT] > 0
    for _ in range(3):
        world.reap()
    assert len(world.instances(S.TERMINATED)) == 30


def note_calls(port: object, call: str, order: list[str]) -> None:
    """Append the call's name to `order` at each call."""
    real = getattr(port, call)

    def noted(*given: object) -> object:
        order.append(call)
        return real(*given)

    vars(port)[call] = noted


def test_overdue_instances_are_terminated_before_ended_ones_are_closed() -> None:
    world = many(3)
    overdue, *others = world.machines.machines
    for instance_id in others:
        world.machines.end(instance_id, BY_ITSELF)
    order: list[str] = []
    note_calls(world.machines, "terminate", order)
    note_calls(world.fleet, "write", order)
    world.after(6).reap()
    assert order[:2] == ["write", "terminate"]
    assert world.machines.machines[overdue].seen.state == "shutting-down"


def test_the_event_of_an_end_closes_its_instance_though_the_console_hangs(stuck: Event) -> None:
    world = launched()
    instance = world.instance()
    world.machines.end(str(instance.instance_id), BY_ITSELF)
    hang_consoles(world, stuck)
    event = StateChanged(str(instance.instance_id), "terminated")
    reap.on_state_change(world.reap_ports, event, world.edge)
    assert world.instance().state is S.TERMINATED
    assert replace(world.instance(), owes_words=False).open is False

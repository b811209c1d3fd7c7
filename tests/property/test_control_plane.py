"""All four functions in a world of random events: the invariants hold at every step.

The world has one virtual clock. Hypothesis chooses the next actor, the next fault and its time. At
the end faults stop, and everything must come to rest.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mayfly.dispatch.lease import take
from mayfly.errors import Transient
from mayfly.tick.outcome import Outcome
from tests.property.purity import decide_twice
from tests.unit import invariants
from tests.unit.builders import BOOTSTRAP, QUEUE, STACK, TYPES, a_job
from tests.unit.fuses import EFFECTS, READS, Crash, Fuse
from tests.unit.hosts import Hosts
from tests.unit.world import World, a_world

FUNCTIONS = st.sampled_from(["dispatch", "provision", "sandbox", "reap"])
NUMBERS = st.integers(1, 15)
MOST_JOBS = 5
PHASES = ["new", "booting", "bootstrapped", "sandboxed", "assigned", "second boot"]


class ControlPlane(RuleBasedStateMachine):
    """Each rule is one event; a rule ends before the next rule begins."""

    def __init__(self) -> None:
        super().__init__()
        self.world: World = a_world(**{"limits/max-instances": "4"})
        self.hosts = Hosts(self.world)
        self.fuse = Fuse(0, None)
        self.fuse.into(self.world)
        self.jobs: list[str] = []
        self.foreign: set[str] = set()
        """Jobs that an agent of another stack runs."""

    def invoke(self, name: str) -> Outcome:
        functions: dict[str, Callable[[], Outcome]] = {
            "dispatch": self.world.dispatch,
            "provision": self.world.provision,
            "sandbox": self.world.sandbox,
            "reap": self.world.reap,
        }
        return functions[name]()

    @initialize(stopped=st.integers(0, 2), wanted=st.integers(0, 2))
    def a_pool_is_filled_and_used(self, stopped: int, wanted: int) -> None:
        """Half a dozen events would have to come in their order for a stopped instance to start."""
        self.world.configure(**{"pool/stopped": str(stopped)})
        for _ in range(10 if stopped else 0):
            self.every_function_and_every_host_runs(1)
        for _ in range(wanted if stopped else 0):
            self.a_job_is_scheduled(0, "main")

    # -- people and time ---------------------------------------------------------------------------

    @precondition(lambda self: len(self.jobs) < MOST_JOBS)
    @rule(priority=st.integers(-1, 1), branch=st.sampled_from(["main", "main", "feature"]))
    def a_job_is_scheduled(self, priority: int, branch: str) -> None:
        self.jobs.append(f"job-{len(self.jobs)}")
        job = a_job(self.jobs[-1], priority=priority, runnable_at=self.world.clock.now)
        facts = {"BUILDKITE_BRANCH": branch, "BUILDKITE_PULL_REQUEST": "false"}
        self.world.buildkite.schedule(QUEUE, job, {"BUILDKITE_PIPELINE_SLUG": "web", **facts})

    @precondition(lambda self: self.jobs)
    @rule(number=st.integers(0, MOST_JOBS - 1))
    def a_job_is_cancelled(self, number: int) -> None:
        self.world.buildkite.cancel(self.jobs[number % len(self.jobs)])

    @rule(
        hot=st.integers(0, 2),
        stopped=st.integers(0, 2),
        paused=st.sampled_from(["true", "false", "false"]),
    )
    def an_operator_changes_the_queue(self, hot: int, stopped: int, paused: str) -> None:
        pools = {"pool/hot": str(hot), "pool/stopped": str(stopped)}
        self.world.configure(**{**pools, "paused": paused})

    @precondition(lambda self: self.jobs)
    @rule(number=st.integers(0, MOST_JOBS - 1))
    def another_stack_runs_a_job(self, number: int) -> None:
        job = self.jobs[number % len(self.jobs)]
        if self.world.buildkite.known[job].state in {"scheduled", "reserved"}:
            self.world.buildkite.reserve([job], 300)
            (token,) = self.world.buildkite.tokens([job], 300).values()
            self.world.buildkite.accept(job, token)
            self.foreign.add(job)

    @rule(restricts=st.booleans())
    def an_operator_adds_or_removes_a_policy_rule(self, restricts: bool) -> None:
        name = f"/mayfly/{STACK}/queues/{QUEUE}/policy/rules/main"
        if restricts:
            self.world.parameters.put(name, "branch=main")
        elif name in self.world.parameters.stored:
            self.world.parameters.remove(name)

    @rule(paused=st.booleans())
    def the_queue_is_paused_or_resumed_at_buildkite(self, paused: bool) -> None:
        self.world.buildkite.queues[QUEUE].paused = paused

    @rule(seconds=st.sampled_from([1, 5, 30, 61, 121, 301]))
    def time_passes(self, seconds: int) -> None:
        self.world.after(seconds=seconds)

    # -- hosts and EC2 -----------------------------------------------------------------------------

    @rule()
    def hosts_take_a_step(self) -> None:
        self.hosts.step()

    @rule(fate=st.sampled_from([*PHASES, "hangs new"]))
    def the_next_host_is_to_fail_or_to_hang(self, fate: str) -> None:
        self.hosts.fates = [fate]

    @rule(number=st.integers(0, 9))
    def a_host_hangs_where_it_is(self, number: int) -> None:
        if hosts := [host for host in self.hosts.hosts.values() if host.phase != "off"]:
            host = hosts[number % len(hosts)]
            host.fate = f"hangs {host.phase}"

    @rule()
    def buildkite_ends_the_jobs_of_hosts_that_hang(self) -> None:
        self.hosts.lose_agents()

    @rule(number=st.integers(0, 9))
    def ec2_reclaims_a_spot_instance(self, number: int) -> None:
        if alive := self.alive():
            victim = alive[number % len(alive)]
            self.world.machines.end(victim, "Server.SpotInstanceTermination")

    @rule(number=st.integers(0, 9))
    def a_person_stops_an_instance(self, number: int) -> None:
        if alive := self.alive():
            self.hosts.stop(alive[number % len(alive)])

    @rule(number=st.integers(0, 9))
    def a_person_starts_an_instance(self, number: int) -> None:
        if off := self.in_ec2("stopped"):
            self.world.machines.start([off[number % len(off)]])

    @rule(number=st.integers(0, 9))
    def a_person_gives_a_stopped_instance_the_bootstrap_profile(self, number: int) -> None:
        if off := self.in_ec2("stopped"):
            self.world.machines.give(off[number % len(off)], BOOTSTRAP)

    def alive(self) -> list[str]:
        """Ids of the instances that EC2 runs."""
        return self.in_ec2("running")

    def in_ec2(self, state: str) -> list[str]:
        """Ids of the instances that EC2 has in this state."""
        machines = self.world.machines.machines
        return [id_ for id_, machine in machines.items() if machine.seen.state == state]

    @rule(left=st.sampled_from([None, 0, 1]))
    def ec2_capacity_changes(self, left: int | None) -> None:
        shelves = [("on-demand", kind) for kind in TYPES]
        self.world.machines.capacity = {} if left is None else dict.fromkeys(shelves, left)

    @rule(hides=st.booleans())
    def describe_hides_or_shows_instances(self, hides: bool) -> None:
        self.world.machines.hidden = set(self.world.machines.machines) if hides else set()

    @rule(lags=st.booleans())
    def the_index_lags_or_catches_up(self, lags: bool) -> None:
        self.world.fleet.lag() if lags else self.world.fleet.catch_up()

    # -- functions ---------------------------------------------------------------------------------

    @rule(name=FUNCTIONS)
    def a_function_runs(self, name: str) -> None:
        self.fuse.set(0)
        self.invoke(name)

    @rule(rounds=st.integers(1, 6))
    def every_function_and_every_host_runs(self, rounds: int) -> None:
        self.fuse.set(0)
        for _ in range(rounds):
            self.world.tick()
            self.hosts.step()
            self.world.after(seconds=1)

    @rule(name=FUNCTIONS, number=NUMBERS)
    def a_function_dies(self, name: str, number: int) -> None:
        self.fuse.set(number, Crash(), after=True)
        self.fuse.run(lambda: self.invoke(name))

    @rule(name=FUNCTIONS, number=NUMBERS, lost=st.booleans(), any_call=st.booleans())
    def a_function_is_throttled_or_loses_an_answer(
        self, name: str, number: int, lost: bool, any_call: bool
    ) -> None:
        counts = EFFECTS | READS if any_call else EFFECTS
        self.fuse.set(number, Transient("throttled"), counts=counts, after=lost)
        self.fuse.run(lambda: self.invoke(name))

    @rule(name=FUNCTIONS, other=FUNCTIONS, number=NUMBERS, any_call=st.booleans())
    def another_function_runs_in_between(
        self, name: str, other: str, number: int, any_call: bool
    ) -> None:
        def between() -> None:
            if other == "dispatch":
                self.world.fence = take(self.world.fleet, "newer", self.world.clock.now).lease.fence
            self.invoke(other)

        self.fuse.set(number, counts=EFFECTS | READS if any_call else EFFECTS)
        self.fuse.between = between
        self.fuse.run(lambda: self.invoke(name))
        self.fuse.between = None

    @rule(name=FUNCTIONS)
    def repeated_ticks_of_a_function_come_to_rest(self, name: str) -> None:
        """`same-in-same-out`: of six ticks at one instant, the last changes nothing."""
        self.fuse.set(0)
        self.world.fleet.catch_up()
        self.world.machines.hidden = set()  # reap repeats a termination until EC2 shows it
        outcomes = [self.invoke(name) for _ in range(6)]
        last = outcomes[-1]
        assert not last.changed, f"same-in-same-out: {name} does {last.as_dict()} for ever"
        decide_twice(self.world)

    # -- what holds --------------------------------------------------------------------------------

    @invariant()
    def the_invariants_hold(self) -> None:
        invariants.always(self.world, self.hosts)
        invariants.token_stays(self.world)

    def teardown(self) -> None:
        """Faults stop and the pool is empty: only jobs still want instances."""
        world = self.world
        self.fuse.set(0)
        self.hosts.fates = []
        world.fleet.catch_up()
        world.machines.hidden, world.machines.capacity = set(), {}
        world.buildkite.queues[QUEUE].paused = False
        world.configure(**{"pool/hot": "0", "pool/stopped": "0", "paused": "false"})
        for job in self.foreign:
            world.buildkite.end(job)
        for seconds in (*[1] * 12, *[61] * 12, *[1] * 12, *[61] * 22, *[1] * 4):
            world.tick()
            self.hosts.step()
            self.hosts.lose_agents()
            invariants.always(world, self.hosts)
            world.after(seconds=seconds)
        invariants.at_rest(world)


def _settings(most: int) -> settings:
    return settings(
        max_examples=most,
        stateful_step_count=40,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )


TestControlPlane = ControlPlane.TestCase
TestControlPlane.settings = _settings(10)


class _ForLong(ControlPlane):
    """The same by more examples."""


TestControlPlaneForLong = pytest.mark.slow(_ForLong.TestCase)
TestControlPlaneForLong.settings = _settings(40)

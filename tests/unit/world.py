"""A world for ticks: fakes of every port, one clock, and hosts under a test's control."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mayfly.answers import Job
from mayfly.dispatch import tick as dispatch
from mayfly.dispatch.lease import take
from mayfly.dispatch.long_reads import LongReads
from mayfly.dispatch.notes import PATIENCE
from mayfly.dispatch.ports import DispatchPorts
from mayfly.dispatch.view import LastTick, Turn
from mayfly.provision import tick as provision
from mayfly.provision.ports import Asked, ProvisionPorts
from mayfly.reap import tick as reap
from mayfly.reap.ports import ReapPorts
from mayfly.records.ledger import Ledger
from mayfly.records.model import Claim, Instance, QueueRecord
from mayfly.records.states import InstanceState
from mayfly.sandbox import tick as sandbox
from mayfly.sandbox.ports import SandboxPorts
from mayfly.tick.edge import Edge
from mayfly.tick.outcome import Outcome
from mayfly_fakes import (
    FakeBuildkite,
    FakeFleet,
    FakeHistory,
    FakeLastWords,
    FakeMachines,
    FakeMailbox,
    FakeNudges,
    FakeParameters,
    FakePriceList,
    FakeRoles,
    Faults,
)
from mayfly_protocol.phases import Phase
from mayfly_protocol.report import Report
from tests.unit.builders import BOOTSTRAP, NOW, QUEUE, STACK, TYPES, a_job, row
from tests.unit.published import TEMPLATES, arn, queue_stack

BUNDLE = '{"layer": "arn:aws:lambda:eu-central-1:123456789012:layer:x:1", "sha256": "aa"}'


@dataclass(slots=True)
class Clock:
    """The one clock of a world; only a test moves the clock."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass(slots=True)
class World:
    """Buildkite with one queue, EC2, SSM and the tables, all in memory; stack `ci`."""

    clock: Clock = field(default_factory=Clock)
    fence: int | None = None
    seen: Mapping[str, LastTick] = field(default_factory=dict)
    """Memory of dispatch from its last tick to the next, by queue."""
    mailbox: FakeMailbox = field(default_factory=FakeMailbox)
    parameters: FakeParameters = field(default_factory=FakeParameters)
    nudges: FakeNudges = field(default_factory=FakeNudges)
    reap_nudges: FakeNudges = field(default_factory=FakeNudges)
    provision_nudges: FakeNudges = field(default_factory=FakeNudges)
    """Nudges that `provision` sends to itself."""
    asked: Asked = field(default_factory=Asked)
    words: FakeLastWords = field(default_factory=FakeLastWords)
    roles: FakeRoles = field(default_factory=FakeRoles)
    prices: FakePriceList = field(default_factory=FakePriceList)
    fleet: FakeFleet = field(init=False)
    buildkite: FakeBuildkite = field(init=False)
    machines: FakeMachines = field(init=False)

    def __post_init__(self) -> None:
        self.fleet = FakeFleet(self.mailbox)
        self.buildkite = FakeBuildkite(self.clock)
        templates = {template["id"]: BOOTSTRAP for template in TEMPLATES.values()}
        self.machines = FakeMachines(self.clock, templates)
        self.parameters.put(f"/mayfly-infra/{STACK}/bundle", BUNDLE)
        self.publish(QUEUE)
        self.configure(**{"launch/instance-types": ",".join(TYPES)})

    # -- the world -----------------------------------------------------------------------------

    def publish(self, queue: str, **changes: object) -> None:
        """Deploy the stack of a queue, with changes of what it publishes; add the queue."""
        named = {
            f"{side}_{what}": arn(kind, side, queue=queue)
            for side in ("bootstrap", "sandbox")
            for what, kind in (("profile", "instance-profile"), ("role", "role"))
        }
        text = queue_stack(queue=queue, **named, **changes)
        self.parameters.put(f"/mayfly-infra/{STACK}/queues/{queue}", text)
        self.roles.attached[named["bootstrap_role"]] = frozenset({"arn:aws:iam::aws:policy/A"})
        self.roles.attached[named["sandbox_role"]] = frozenset()
        published = json.loads(text)
        for side in ("bootstrap", "sandbox"):
            self.roles.ids[named[f"{side}_role"]] = published[f"{side}_role_id"]
        self.buildkite.add_queue(queue)

    def configure(self, queue: str = QUEUE, /, **parameters: str) -> None:
        """Write parameters of a queue as an operator does."""
        for name, value in parameters.items():
            self.parameters.put(f"/mayfly/{STACK}/queues/{queue}/{name}", value)

    def schedule(self, *names: str, **changes: object) -> list[Job]:
        """Make jobs runnable now; returns them."""
        jobs = [a_job(name, **{"runnable_at": self.clock.now, **changes}) for name in names]
        for job in jobs:
            self.buildkite.schedule(QUEUE, job)
        return jobs

    def report(self, instance: Instance, phase: str, **said: object) -> None:
        """Write a report as a host does, into the row of its credentials in this phase."""
        side = "bootstrap" if phase in {"booting", "bootstrapped"} else "sandbox"
        boot = f"boot-{instance.instance_id}"
        report = Report(Phase(phase), boot, at=self.clock.now, **said)  # type: ignore[arg-type]  # by test
        self.mailbox.report(row(instance, side), report)

    def boot(self) -> None:
        """Start every launched host, and let each report its set-up."""
        self.machines.settle()
        for instance in self.instances(InstanceState.LAUNCHING, InstanceState.BOOTING):
            self.report(instance, "bootstrapped")

    def prove(self) -> None:
        """Let every swapping host report with its new profile."""
        self.machines.settle()
        for instance in self.instances(InstanceState.SWAPPING):
            self.report(instance, "sandboxed")

    def make_ready(self) -> None:
        """Make every launched instance ready."""
        self.boot()
        self.sandbox()
        self.prove()
        self.sandbox()

    def accept(self, job: str) -> None:
        """Acquire a bound job as its agent does, with the token from the mailbox row."""
        claim = self.claim(job)
        assert claim.slot is not None
        instance = self.fleet.instance(claim.slot)
        assert instance is not None
        assignment = self.mailbox.rows[row(instance)].assignment
        assert assignment is not None
        self.buildkite.accept(job, str(assignment["token"]))

    # -- ticks ---------------------------------------------------------------------------------

    @property
    def dispatch_ports(self) -> DispatchPorts:
        return DispatchPorts(
            self.fleet, self.buildkite, self.parameters, self.nudges, self.reap_nudges
        )

    @property
    def provision_ports(self) -> ProvisionPorts:
        return ProvisionPorts(
            STACK,
            self.fleet,
            FakeHistory(self.fleet),
            self.mailbox,
            self.machines,
            self.parameters,
            self.roles,
            self.prices,
            self.reap_nudges,
            self.provision_nudges,
            "eu-central-1",
            "/buildkite/mayfly/agent-token",
            self.asked,
        )

    @property
    def sandbox_ports(self) -> SandboxPorts:
        return SandboxPorts(self.fleet, self.mailbox, self.machines, self.nudges, self.reap_nudges)

    @property
    def reap_ports(self) -> ReapPorts:
        return ReapPorts(self.fleet, self.mailbox, self.machines, self.nudges, self.words)

    @property
    def edge(self) -> Edge:
        """The edge of an invocation with 52 s left, as every function has in its first moment."""
        return Edge(self.clock, self.clock.sleep, self.clock.now + timedelta(seconds=52))

    def dispatch(self, *, wide: bool = True, reads_states: bool = True) -> Outcome:
        """Run one tick of dispatch under the world's lease; returns its outcome."""
        queues = tuple(self.fleet.all(QueueRecord))
        listed = frozenset(record.queue for record in queues if record.active)
        turn = Turn(
            *(queues, listed, self.fence or 0, wide, reads_states),
            seen=self.seen,
            explains=self.clock.now - PATIENCE if wide else None,
        )
        ports = self.dispatch_ports
        with closing(LongReads.of(ports)) as long:
            outcome, self.seen = dispatch.tick(ports, turn, self.clock.now, long)
        return outcome

    def provision(self) -> Outcome:
        return provision.tick(self.provision_ports, self.edge)

    def sandbox(self) -> Outcome:
        return sandbox.tick(self.sandbox_ports, self.edge, wide=True).outcome

    def reap(self) -> Outcome:
        return reap.tick(self.reap_ports, self.edge)

    def tick(self) -> list[Outcome]:
        """Run one tick of each function, in the order of a job's way; returns the outcomes."""
        return [self.dispatch(), self.provision(), self.sandbox(), self.reap()]

    def after(self, minutes: float = 0, *, seconds: float = 0) -> World:
        """Move the clock; returns this world."""
        self.clock.now += timedelta(minutes=minutes, seconds=seconds)
        return self

    # -- records and fakes ---------------------------------------------------------------------

    @property
    def ports(self) -> Iterable[Faults]:
        """Every fake that can fail."""
        rest = (self.provision_nudges, self.words, self.roles)
        mine = (self.fleet, self.buildkite, self.machines, self.mailbox)
        return (*mine, self.parameters, self.nudges, self.reap_nudges, *rest)

    def claim(self, job: str) -> Claim:
        claim = self.fleet.claim(job)
        assert claim is not None, f"no claim of {job}"
        return claim

    def instances(self, *states: InstanceState) -> list[Instance]:
        """Instances in these states; without states, all instances, open or closed."""
        return [i for i in self.fleet.all(Instance) if not states or i.state in states]

    def instance(self) -> Instance:
        """The only instance; raises ValueError if there are more or none."""
        (only,) = self.instances()
        return only

    def ledger(self) -> Ledger:
        ledger = self.fleet.ledger(QUEUE)
        assert ledger is not None
        return ledger


def a_world(**parameters: str) -> World:
    """A world with a configured queue, after one tick of provision, with the lease taken."""
    world = World()
    world.configure(**parameters)
    world.provision()
    world.fence = take(world.fleet, "test", world.clock.now).lease.fence
    return world


def a_warm_world(count: int = 1, /, **parameters: str) -> World:
    """A world as of `a_world` with a hot pool of `count` ready instances."""
    world = a_world(**{"pool/hot": str(count), **parameters})
    world.provision()
    world.make_ready()
    return world


def wanting(*jobs: str, **parameters: str) -> World:
    """A world in which these jobs wait for an instance."""
    world = a_world(**parameters)
    world.schedule(*jobs)
    world.dispatch()
    return world


def launched() -> World:
    """A world with one instance, launched just now."""
    world = wanting("job-1")
    world.provision()
    world.machines.settle()
    return world


def running() -> World:
    """A world with one instance, which runs `job-1`."""
    world = a_warm_world()
    world.schedule("job-1")
    world.dispatch()
    world.accept("job-1")
    world.dispatch()
    world.report(world.instance(), "running")
    return world


def ec2_state(world: World) -> str:
    """EC2's state of the only instance."""
    return world.machines.machines[str(world.instance().instance_id)].seen.state

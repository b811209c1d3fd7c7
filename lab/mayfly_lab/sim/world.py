"""One run's world: the fakes, the functions, the hosts and the people, on one virtual clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from mayfly_fakes import (
    FakeHistory,
    FakeLastWords,
    FakeMailbox,
    FakeParameters,
    FakePriceList,
    FakeRoles,
)
from mayfly_lab.sim.buildkite import SimBuildkite
from mayfly_lab.sim.calls import Bucket
from mayfly_lab.sim.chance import Chance
from mayfly_lab.sim.ec2 import SimMachines
from mayfly_lab.sim.events import (
    NudgeQueue,
    Stream,
    a_stream,
    event_of,
    messages_of_reap,
    nudges_of_provision,
)
from mayfly_lab.sim.functions import Functions
from mayfly_lab.sim.hosts import Hosts
from mayfly_lab.sim.people import People
from mayfly_lab.sim.plan import Plan
from mayfly_lab.sim.profiles import STACK, Profiles
from mayfly_lab.sim.table import SimFleet
from mayfly_lab.sim.time import Tasks, Time

BEGIN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TYPES = ("m7i.large", "m6i.large")
_BUNDLE = '{"layer": "arn:aws:lambda:eu-central-1:123456789012:layer:x:1", "sha256": "aa"}'
_FUNCTIONS = ("dispatch", "provision", "sandbox", "reap")


@dataclass(slots=True)
class World:
    """Everything of one run."""

    chance: Chance
    time: Time
    tasks: Tasks
    profiles: Profiles
    fleet: SimFleet
    mailbox: FakeMailbox
    buildkite: SimBuildkite
    machines: SimMachines
    hosts: Hosts
    people: People
    functions: Functions
    words: FakeLastWords
    nudges: NudgeQueue
    reap_nudges: NudgeQueue
    stream: Stream
    broken: list[tuple[str, Exception]] = field(default_factory=list)
    """Errors that left an invocation or a host, with its name."""

    def begin(self) -> None:
        """Let the schedules run from now on."""
        for function in _FUNCTIONS:
            self.time.after(
                self.chance.between(0, 20, f"schedule of {function}"),
                partial(self._scheduled, function, 0),
            )

    def lack_capacity(self, seconds: float) -> None:
        """Let EC2 run out of types for a time within these seconds."""
        for market in ("on-demand", "spot"):
            for kind in TYPES:
                name = f"{market} {kind}"
                if self.chance.happens("no-capacity", name):
                    at = self.chance.between(0, seconds, f"no {name}")
                    lasts = self.chance.between(5, 240, f"no {name} lasts")
                    place = market, kind
                    self.time.after(at, partial(self.machines.capacity.__setitem__, place, 0))
                    self.time.after(at + lasts, partial(self.machines.capacity.pop, place, None))

    def _scheduled(self, function: str, minute: int) -> None:
        self.time.after(60.0, lambda: self._scheduled(function, minute + 1))
        if minute and self.chance.happens("not-invoked", f"{function} minute {minute}"):
            return
        getattr(self.functions, function)()

    def changed(self, instance_id: str, word: str) -> None:
        """An instance has changed: its host feels it, and EC2 tells of it."""
        self.hosts.changed(instance_id, word)
        event = event_of(instance_id, word, self.time.clock())
        if event is not None:
            self.reap_nudges.put(event)


def a_world(seed: int, plan: Plan) -> World:
    """The world of a seed, before anything has happened."""
    chance = Chance(seed, plan.rates, plan.kept)
    time = Time(BEGIN)
    broken: list[tuple[str, Exception]] = []
    tasks = Tasks(time, lambda task, error: broken.append((task.name, error)))
    queues = ["deploy", "test", "nightly"][: chance.number(1, 3, "queues")]
    profiles = Profiles(queues)
    mailbox = FakeMailbox()
    fleet = SimFleet(mailbox, time, chance)
    buildkite = SimBuildkite(time, chance)
    world: World

    def changed(instance_id: str, word: str) -> None:
        world.changed(instance_id, word)

    machines = SimMachines(time, chance, profiles.templates(), changed)
    parameters, roles, words = FakeParameters(), FakeRoles(), FakeLastWords()
    fakes: dict[str, object] = {
        "fleet": fleet,
        "history": FakeHistory(fleet),
        "mailbox": mailbox,
        "machines": machines,
        "buildkite": buildkite,
        "parameters": parameters,
        "roles": roles,
        "prices": FakePriceList(),
        "words": words,
    }
    functions = Functions(tasks, chance, fakes, _buckets())
    nudges, reap_nudges = nudges_of_provision(functions), messages_of_reap(functions)
    fakes["nudges"], fakes["reap_nudges"] = nudges, reap_nudges
    stream = a_stream(functions)
    hosts = Hosts(tasks, chance, machines, mailbox, buildkite, profiles, stream.wrote)
    people = People(time, chance, buildkite, parameters, queues, plan.arrivals)
    world = World(
        *(chance, time, tasks, profiles, fleet, mailbox, buildkite, machines, hosts, people),
        *(functions, words, nudges, reap_nudges, stream, broken),
    )
    hosts.lasts = people.lasts
    parameters.put(f"/mayfly-infra/{STACK}/bundle", _BUNDLE)
    for queue in queues:
        _publish(world, queue, parameters, roles)
    return world


def _publish(world: World, queue: str, parameters: FakeParameters, roles: FakeRoles) -> None:
    profiles, chance, people = world.profiles, world.chance, world.people
    parameters.put(f"/mayfly-infra/{STACK}/queues/{queue}", profiles.publication(queue))
    for side in ("bootstrap", "sandbox"):
        arn = profiles.arn("role", side, queue)
        attached = {"arn:aws:iam::aws:policy/A"} if side == "bootstrap" else set()
        roles.attached[arn] = frozenset(attached)
        roles.ids[arn] = profiles.role_id(side, queue)
    world.buildkite.add_queue(queue)
    purchase = chance.one_of(
        ("on-demand", "on-demand", "spot", "spot-then-on-demand"), f"purchase of {queue}"
    )
    stopped = chance.number(0, 2, f"stopped of {queue}") if purchase == "on-demand" else 0
    for name, value in (
        ("launch/instance-types", ",".join(TYPES)),
        ("launch/purchase", purchase),
        ("limits/max-instances", str(chance.number(2, 8, f"most of {queue}"))),
        ("pool/hot", str(chance.number(0, 2, f"hot of {queue}"))),
        ("pool/stopped", str(stopped if chance.draw(f"has stopped {queue}") < 0.4 else 0)),
        ("job/max-minutes", "10"),
    ):
        people.configure(queue, name, value)


def _buckets() -> dict[str, Bucket]:
    """EC2's buckets. Source: EC2 API reference, "Request throttling"."""
    changes, reads = Bucket(50, 5), Bucket(100, 20)
    return {
        "machines.replace_profile": changes,
        "machines.terminate": Bucket(100, 5),
        "machines.create_fleet": Bucket(50, 5),
        "machines.instances": reads,
        "machines.instances_of": reads,
        "machines.associations": reads,
        "machines.console": reads,
    }

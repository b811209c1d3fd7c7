"""Invariants of docs/security.md and docs/architecture.md on fakes; each failure names its own."""

from __future__ import annotations

from collections import Counter

from mayfly.config.queue import QueueConfig
from mayfly.records.model import Claim, Instance, Launch
from mayfly.records.states import InstanceState
from tests.unit.builders import QUEUE, SANDBOX
from tests.unit.hosts import Hosts
from tests.unit.world import World

OVER = {"finished", "canceled"}


def always(world: World, hosts: Hosts) -> None:
    """Assert the invariants of every moment, also right after a failure."""
    _one_assignment(world, hosts)
    _proven_first(world)
    _bounded(world)
    _nobody_shot(hosts)
    _not_repeated(world, hosts)


def _one_assignment(world: World, hosts: Hosts) -> None:
    open_rows = {key: r.assignment for key, r in world.mailbox.rows.items() if r.assignment}
    jobs = Counter(str(assignment["job"]) for assignment in open_rows.values())
    assert all(count == 1 for count in jobs.values()), f"one-assignment: {jobs}"
    bound = Counter(claim.slot for claim in world.fleet.all(Claim) if claim.slot and claim.open)
    assert all(count == 1 for count in bound.values()), f"one-assignment: {bound}"
    assert all(len(jobs) == 1 for jobs in hosts.served.values()), f"one-assignment: {hosts.served}"


def _proven_first(world: World) -> None:
    for key, mailbox_row in world.mailbox.rows.items():
        if mailbox_row.assignment is not None:
            instance = world.fleet.instance_of(key.partition(":")[2])
            assert instance is not None, f"proven-first: {key} has no record"
            assert instance.sandbox_row == key, f"proven-first: {key} is no sandbox row"
            assert instance.proven, f"proven-first: {instance.instance_id}"
            boot = mailbox_row.assignment["boot"]
            assert boot == instance.boot, f"proven-first: {boot} is not the proven {instance.boot}"
            machine = world.machines.machines[instance.instance_id or ""]
            assert machine.association.profile == SANDBOX, "proven-first: not the sandbox profile"


def token_stays(world: World) -> None:
    """No acquisition token is in a record, a nudge or a log."""
    kept = (*world.fleet.records.values(), *world.nudges.sent, *world.words.kept.values())
    assert not [each for each in kept if "bkjat_" in repr(each)], "token-stays"


def _bounded(world: World) -> None:
    record = world.fleet.queue(QUEUE)
    assert record is not None
    ledger = world.fleet.ledger(QUEUE)
    slots = [i for i in world.instances() if i.state is not InstanceState.TERMINATED]
    live = ledger.live if ledger is not None else 0
    assert live == len(slots), f"bounded: the ledger says {live}, there are {len(slots)} slots"
    assert live <= QueueConfig.from_json(record.config).max_instances, "bounded: max-instances"


def _nobody_shot(hosts: Hosts) -> None:
    assert not hosts.shot, f"nobody-shot: {hosts.shot}"


def _not_repeated(world: World, hosts: Hosts) -> None:
    assert all(count == 1 for count in hosts.ran.values()), f"every-job-ends: {hosts.ran}"
    finished = [job for job in hosts.ran if world.buildkite.known[job].told]
    assert not finished, f"every-job-ends: finished by us although accepted: {finished}"


def at_rest(world: World) -> None:
    """Assert the invariants of rest, after every job and every wish for an instance has ended."""
    token_stays(world)
    open_claims = [claim for claim in world.fleet.all(Claim) if claim.open]
    assert not open_claims, f"every-job-ends: {open_claims}"
    states = {job: kept.state for job, kept in world.buildkite.known.items()}
    assert set(states.values()) <= OVER, f"every-job-ends: {states}"
    assert not world.instances(*set(InstanceState) - {InstanceState.TERMINATED}), "nothing-leaks"
    assert not [launch for launch in world.fleet.all(Launch) if launch.open], "nothing-leaks"
    alive = [m.seen for m in world.machines.machines.values() if m.seen.state != "terminated"]
    assert not alive, f"nothing-leaks: {alive}"
    assert not world.mailbox.rows, f"nothing-leaks: {list(world.mailbox.rows)}"
    ledger = world.fleet.ledger(QUEUE)
    assert ledger is None or ledger.live == 0, "nothing-leaks: slots of the ledger"
    ids = {i.instance_id for i in world.fleet.all(Instance) if i.instance_id}
    assert set(world.machines.machines) <= ids, "nothing-leaks: EC2 has instances without record"

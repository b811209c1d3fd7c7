"""False reports of instances: into foreign rows, too early, too late, malformed, in floods.

Two jobs of one queue send the credentials of their hosts out, which stand outside then, beside the
hosts themselves. Another queue's instance waits for a job meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from attacks.asking import Ask, Caller, Told, assert_passed, assert_refused, summary
from attacks.collector import Collector
from attacks.conftest import Seen
from attacks.host_calls import write
from attacks.kept import (
    BOOTSTRAP,
    QUEUES,
    ROLES,
    SANDBOX,
    SCRIPT,
    TAKEN,
    VICTIM,
    Taken,
    push,
    take,
    taken,
)
from attacks.rows import attack
from attacks.things import Table
from mayfly.records.model import Instance
from mayfly.records.states import InstanceState
from stories.stage import QUICK, Stage

PARAMETERS = QUEUES
SCRIPTS = {TAKEN: SCRIPT}
DELAYS = replace(QUICK, minute=10.0)
_FLOOD_SECONDS = 3.0
_THREADS = 4
_LARGE = "x" * 6000
"""Beyond the 4 KB that a report may have."""


@pytest.fixture(scope="module")
def pair(stage: Stage, collector: Collector) -> Iterator[tuple[Taken, Taken]]:
    jobs = [push(stage, collector) for _ in range(2)]
    first, second = (take(stage, collector, job) for job in jobs)
    assert first.instance != second.instance
    yield first, second
    for each in (first, second):
        each.let_go()


def report(table: Table, phase: str, boot: str = "forged", **more: Any) -> Ask:
    """A host's report."""
    value = {"protocol": {"N": "1"}, "phase": {"S": phase}, "boot": {"S": boot}, **more}
    return _raw_report(table, {"M": value})


def _raw_report(table: Table, value: Mapping[str, Any]) -> Ask:
    given = {**write(table), "ExpressionAttributeValues": {":v": value}}
    return Ask("dynamodb", "update_item", given)


def _ticks(stage: Stage) -> None:
    """Let the readers of reports look; each must end well."""
    for function in ("sandbox", "reap"):
        stage.tick(function)


def _standing(instance: Instance) -> tuple[object, ...]:
    return instance.state, instance.boot, instance.job, instance.proven, instance.sandbox_row


def _role_id(stage: Stage) -> str:
    """The id of the sandbox role of another queue."""
    return str(stage.published(VICTIM)["sandbox_role_id"])


@attack(
    "Two instances exchange their rows: each reports and reads in the rows of the other, with the"
    " credentials of both roles, and in a row with the role id of another queue",
    refused_by="IAM: the host's role and the Mailbox's policy",
    mechanism="dynamodb:LeadingKeys must be aws:userid, which names the instance",
)
def test_two_instances_with_exchanged_rows(pair: tuple[Taken, Taken], seen: Seen) -> None:
    told, own = [], []
    before = [_standing(each.record) for each in pair]
    for mine, other in (pair, pair[::-1]):
        for kind in ROLES:
            caller = mine.callers[kind]
            for row in map(other.row, ROLES):
                told.append(caller.make(report(row, "sandboxed")))
                told.append(caller.make(report(row, "failed")))
                told.append(caller.ask("dynamodb", "get_item", TableName=row.name, Key=row.key))
            wrong = SANDBOX if kind == BOOTSTRAP else BOOTSTRAP
            posing = replace(mine.row(kind), row=f"{_role_id(mine.stage)}:{mine.instance}")
            told += [caller.make(report(row, "sandboxed")) for row in (mine.row(wrong), posing)]
            own.append(caller.make(report(mine.row(kind), "running", mine.record.boot or "")))
    assert_refused(told)
    assert_passed(own)
    _ticks(pair[0].stage)
    assert [_standing(each.record) for each in pair] == before
    seen(f"{len(told)} calls: {summary(told)}; reports in own rows: {summary(own)}")


@attack(
    "Kept bootstrap credentials write the old row of their own instance, after the proof",
    refused_by="nobody",
    mechanism="the role may write this row; since the proof, sandbox and reap read the sandbox"
    " role's",
    remains="The write has no effect on the instance. Issued credentials end within six hours;"
    " nothing ends them sooner.",
)
def test_the_old_row_no_longer_counts(pair: tuple[Taken, Taken], seen: Seen) -> None:
    attacker, stage = pair[0], pair[0].stage
    before = _standing(attacker.record)
    row = attacker.row(BOOTSTRAP)
    phases = ("booting", "bootstrapped", "sandboxed", "failed", "done")
    told = attacker.callers[BOOTSTRAP].all(report(row, phase) for phase in phases)
    assert not any(each.code for each in told), told
    _ticks(stage)
    assert _standing(attacker.record) == before
    assert stage.job(attacker.job).outcome is None
    seen(f"{len(told)} reports: {summary(told)}; the instance is as before, its job runs on")


@attack(
    "An early proof: `sandboxed` is reported with bootstrap credentials, before the switch-over",
    refused_by="IAM and sandbox",
    mechanism="only sandbox credentials of this instance write its sandbox row, and only that row"
    " counts as a proof",
)
def test_an_early_proof_does_not_count(stage: Stage, collector: Collector, seen: Seen) -> None:
    stage.ready(VICTIM)  # the fault is for the next host that boots
    stage.lab.aws.faults.set("imds-stuck", "*", count=1)
    job, early = stage.swapping(TAKEN)
    caller = Caller(stage.lab.aws.endpoint, taken(collector, BOOTSTRAP)[early])
    host = Taken(stage, early, job, {BOOTSTRAP: caller})
    boot = host.record.boot or "forged"
    own, other = (caller.make(report(host.row(role), "sandboxed", boot)) for role in ROLES)
    assert not own.code, own
    assert_refused([other])
    stage.tick("sandbox")
    assert host.record.state is InstanceState.SWAPPING
    stage.age(early, 10)
    gone = stage.gone(early)
    stage.lab.aws.faults.clear()
    stage.lab.buildkite.cancel_job(job)
    assert not gone.proven
    seen(
        f"into the own row: {summary([own])}, without effect; into the sandbox row:"
        f" {summary([other])}; {gone.reason}"
    )


@attack(
    "A proof of another boot, and the same proof again, from the running instance's own role",
    refused_by="sandbox and the host",
    mechanism="the record keeps the boot of the first proof; an assignment names that boot",
)
def test_a_later_proof_changes_nothing(pair: tuple[Taken, Taken], seen: Seen) -> None:
    attacker, stage = pair[0], pair[0].stage
    row, before = attacker.row(SANDBOX), _standing(attacker.record)
    boots = ("another-boot", attacker.record.boot or "", "another-boot")
    told = attacker.callers[SANDBOX].all(report(row, "sandboxed", boot) for boot in boots)
    assert not any(each.code for each in told), told
    _ticks(stage)
    assert _standing(attacker.record) == before
    assert len(stage.assignments(attacker.job)) == 1
    seen(f"{len(told)} proofs: {summary(told)}; boot, job and the one assignment are as before")


@attack(
    "Sandbox credentials read the own row for the job's token, while the job runs",
    refused_by="dispatch",
    mechanism="the assignment leaves the row once Buildkite has accepted the job",
)
def test_the_own_row_has_no_token_while_the_job_runs(pair: tuple[Taken, Taken], seen: Seen) -> None:
    attacker, stage = pair[0], pair[0].stage
    row, dynamodb = attacker.row(SANDBOX), attacker.callers[SANDBOX].client("dynamodb")

    def read() -> str:
        item = dynamodb.get_item(TableName=row.name, Key=row.key)["Item"]
        assert item["key"]["S"] == row.row
        return str(item)

    stage.until("the assignment is gone", lambda: "assignment" not in read())
    assert not any(token in read() for token in stage.lab.buildkite.issued_tokens())
    seen("the row is readable, and holds no assignment")


@attack(
    "Sandbox credentials write the own assignment or notice, or have old values returned",
    refused_by="IAM",
    mechanism="dynamodb:Attributes allows key and report, dynamodb:ReturnValues nothing",
)
def test_the_own_row_takes_reports_only(pair: tuple[Taken, Taken], seen: Seen) -> None:
    row, caller = pair[0].row(SANDBOX), pair[0].callers[SANDBOX]
    writes = [write(row, attribute) for attribute in ("assignment", "notice", "expires")]
    writes.append(write(row, ReturnValues="ALL_OLD"))
    asks = [Ask("dynamodb", "update_item", given) for given in writes]
    asks.append(Ask("dynamodb", "delete_item", {"TableName": row.name, "Key": row.key}))
    told = caller.all(asks)
    assert_refused(told)
    allowed = caller.make(Ask("dynamodb", "update_item", write(row)))
    assert not allowed.code, allowed
    seen(f"{len(told)} writes: {summary(told)}; a report: {summary([allowed])}")


def assert_no_effect(attacker: Taken, lies: Sequence[Ask]) -> None:
    """Assert that the Mailbox takes each report, and that none changes record or job."""
    before = _standing(attacker.record)
    for lie in lies:
        assert_passed([attacker.callers[SANDBOX].make(lie)])
        _ticks(attacker.stage)
        assert _standing(attacker.record) == before, lie
        assert attacker.stage.job(attacker.job).outcome is None


_MALFORMED: tuple[Mapping[str, Any], ...] = (
    {"S": "no map"},
    {"M": {}},
    {"M": {"protocol": {"N": "1"}, "phase": {"S": "x" * 300_000}, "boot": {"S": "b"}}},
    {"M": {"protocol": {"S": "one"}, "phase": {"L": []}, "boot": {"M": {}}}},
    {"M": {"protocol": {"N": "999999999999999999999"}, "phase": {"S": "sandboxed"}}},
    {"M": {"protocol": {"N": "1"}, "phase": {"S": "done"}, "words": {"S": "\x00\x1b[2J" * 999}}},
    {"B": b"\xff" * 1000},
    {"NULL": True},
)


@attack(
    "Oversize and malformed reports: no map, no phase, other types, 300 KB, escapes, bytes",
    refused_by="sandbox and reap",
    mechanism="a report that cannot be read is named in the log and changes nothing; one bad row"
    " stops no other",
)
def test_malformed_reports_stop_nobody(pair: tuple[Taken, Taken], seen: Seen) -> None:
    attacker, stage = pair[0], pair[0].stage
    row = attacker.row(SANDBOX)
    assert_no_effect(attacker, [_raw_report(row, value) for value in _MALFORMED])
    assert stage.ended(stage.push(VICTIM)).outcome == "passed"
    assert stage.job(attacker.job).outcome is None
    assert_passed([attacker.callers[SANDBOX].make(report(row, "running", "forged"))])
    seen(f"{len(_MALFORMED)} reports; all ticks ended well, another queue's job passed meanwhile")


@attack(
    "Reports of another protocol, deeply nested, beyond 4 KB, with a name of another instance",
    refused_by="sandbox and reap",
    mechanism="a report that breaks the protocol is logged and counted, and changes nothing",
)
def test_reports_that_break_the_protocol(pair: tuple[Taken, Taken], seen: Seen) -> None:
    attacker, stage = pair[0], pair[0].stage
    row = attacker.row(SANDBOX)
    deep: dict[str, Any] = {"S": "end"}
    for _ in range(28):  # DynamoDB takes 32 levels
        deep = {"M": {"reason": deep}}
    lies = [
        report(row, "failed", protocol={"N": "2"}),
        report(row, "failed", protocol={"S": "1"}),
        report(row, "failed", protocol={"N": "1e125"}),
        report(row, "failed", reason=deep),
        report(row, "failed", reason={"S": _LARGE}),
        report(row, "failed", instance={"S": pair[1].instance}, job={"L": []}),
        report(row, "Failed"),
        report(row, "failed", ""),
    ]
    assert_no_effect(attacker, lies)
    told = [x for x in stage.log_lines("reap") if "unreadable report" in str(x.get("message"))]
    assert told
    assert not any(_LARGE in str(line) for line in told)
    good = attacker.callers[SANDBOX].make(report(row, "running", attacker.record.boot or ""))
    assert_passed([good])
    seen(f"{len(lies)} reports, each taken with HTTP 200; logged: {told[0]['message']}")


@attack(
    "A flood of reports beyond 4 KB into the own row, as fast as the attacker can, by 4 threads",
    refused_by="sandbox; DynamoDB's limit of a partition in an account",
    mechanism="the stream only nudges: one tick reads each row once, however often the row was"
    " written",
    remains="The writes cost money, up to what a partition takes: 1,000 write units a second."
    " Terminate the instance; issued credentials end within six hours.",
)
def test_a_flood_of_reports(pair: tuple[Taken, Taken], seen: Seen) -> None:
    attacker, stage = pair[0], pair[0].stage
    before = _standing(attacker.record)
    flood = report(attacker.row(SANDBOX), "running", words={"S": _LARGE})
    counts: list[int] = []
    until = time.monotonic() + _FLOOD_SECONDS

    def pour() -> None:
        caller, number = attacker.callers[SANDBOX].again(), 0
        while time.monotonic() < until:
            assert_passed([caller.make(flood)])
            number += 1
        counts.append(number)

    threads = [threading.Thread(target=pour) for _ in range(_THREADS)]
    stage.ready(VICTIM)
    runs = _invocations(stage)
    for thread in threads:
        thread.start()
    began = time.monotonic()
    job = stage.push(VICTIM)
    ended = stage.ended(job)
    took = time.monotonic() - began
    for thread in threads:
        thread.join()
    assert len(counts) == _THREADS
    assert ended.outcome == "passed"
    _ticks(stage)
    assert _standing(attacker.record) == before
    ticks = _invocations(stage) - runs
    seen(
        f"{sum(counts)} reports in {_FLOOD_SECONDS:g} s, {ticks} runs of sandbox meanwhile; another"
        f" queue's job passed in {took:.1f} s"
    )


def _invocations(stage: Stage) -> int:
    """How often sandbox has run."""
    log = stage.lab.aws.log_of("sandbox").read_text("utf-8", errors="replace")
    return log.count("START RequestId") or log.count('"function_request_id"')


@attack(
    "Reports of a terminated instance, in both of its rows, with credentials that are still alive",
    refused_by="sandbox and reap",
    mechanism="a closed record is never read again; EC2 shows no association of the instance",
    remains="The rows stay in the Mailbox, with at most 400 KB each, for hosts cannot write the"
    " time at which a row expires. Issued credentials end within six hours; nothing else does.",
)
def test_reports_of_a_terminated_instance(pair: tuple[Taken, Taken], seen: Seen) -> None:
    gone, stage = pair[1], pair[1].stage
    rows = {kind: gone.row(kind) for kind in ROLES}
    gone.let_go()
    assert stage.ended(gone.job).outcome == "passed"
    before = _standing(stage.gone(gone.instance))
    told: list[Told] = [
        gone.callers[kind].make(report(row, phase, gone.record.boot or "b"))
        for kind, row in rows.items()
        for phase in ("booting", "bootstrapped", "sandboxed", "running", "failed")
    ]
    assert_passed(told)
    for function in ("sandbox", "reap", "provision"):
        stage.tick(function)
    assert _standing(gone.record) == before
    assert not gone.record.open
    read = gone.callers[SANDBOX].ask(
        "dynamodb", "get_item", TableName=rows[SANDBOX].name, Key=rows[SANDBOX].key
    )
    assert_passed([read])
    seen(f"{len(told)} reports: {summary(told)}; the record stays {gone.record.state}")

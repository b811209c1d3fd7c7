"""Reports of instances that lie: into rows of another instance, after their end, deep, in floods.

Two jobs of one queue send the credentials of their hosts out, which stand outside then, beside the
hosts themselves. Another queue's instance waits for a job meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from attacks import hosts
from attacks.asking import Ask, Caller, Told, assert_passed, assert_refused, summary
from attacks.collector import Collector
from attacks.conftest import Seen
from attacks.host_calls import write
from attacks.kept import sends, taken
from attacks.rows import attack
from attacks.things import Table
from mayfly.records.model import Instance
from mayfly_lab.lab import STACK
from stories.stage import QUICK, Stage
from whole.steps import HOLD

TAKEN, VICTIM = "taken", "victim"
PARAMETERS = {TAKEN: {"imds": "job"}, VICTIM: {"pool/hot": "1"}}
SCRIPTS = {TAKEN: f"#!/bin/bash\nset -eu\n{sends('boot')}"}
DELAYS = replace(QUICK, minute=10.0)
_FLOOD_SECONDS = 3.0
_THREADS = 4
_LARGE = "x" * 6000
"""Beyond the 4 KB that a report may have."""


@dataclass(slots=True)
class Taken:
    """One instance whose credentials are out."""

    stage: Stage
    instance: str
    job: str
    bootstrap: Caller
    sandbox: Caller

    @property
    def record(self) -> Instance:
        return self.stage.instance(self.instance)

    def row(self, kind: str) -> Table:
        record = self.record
        row = record.bootstrap_row if kind == "bootstrap" else record.sandbox_row
        return Table(f"{STACK}-mailbox", "key", row or "")

    def caller(self, kind: str) -> Caller:
        return self.bootstrap if kind == "bootstrap" else self.sandbox


@pytest.fixture(scope="module")
def pair(stage: Stage, collector: Collector) -> Iterator[tuple[Taken, Taken]]:
    code = f"{sends('sandbox', collector.url)}\n{HOLD}"
    jobs = [stage.push(TAKEN, code) for _ in range(2)]
    first, second = (_taken(stage, collector, job) for job in jobs)
    assert first.instance != second.instance
    yield first, second
    for each in (first, second):
        if each.record.open:
            hosts.run(stage, each.instance, "touch /tmp/go")


def _taken(stage: Stage, collector: Collector, job: str) -> Taken:
    instance = stage.running(job)
    stage.until("credentials are out", lambda: instance in taken(collector, "sandbox"))
    endpoint = stage.lab.aws.endpoint
    bootstrap, sandbox = (taken(collector, path)[instance] for path in ("boot", "sandbox"))
    return Taken(stage, instance, job, Caller(endpoint, bootstrap), Caller(endpoint, sandbox))


def report(table: Table, phase: str, boot: str = "forged", **more: Any) -> Ask:
    """A host's report."""
    value = {"protocol": {"N": "1"}, "phase": {"S": phase}, "boot": {"S": boot}, **more}
    given = {**write(table), "ExpressionAttributeValues": {":v": {"M": value}}}
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
        for kind in ("bootstrap", "sandbox"):
            caller = mine.caller(kind)
            for row in (other.row("bootstrap"), other.row("sandbox")):
                told.append(caller.make(report(row, "sandboxed")))
                told.append(caller.make(report(row, "failed")))
                told.append(caller.ask("dynamodb", "get_item", TableName=row.name, Key=row.key))
            wrong = "sandbox" if kind == "bootstrap" else "bootstrap"
            posing = replace(mine.row(kind), row=f"{_role_id(mine.stage)}:{mine.instance}")
            told += [caller.make(report(row, "sandboxed")) for row in (mine.row(wrong), posing)]
            own.append(caller.make(report(mine.row(kind), "running", mine.record.boot or "")))
    assert_refused(told)
    assert_passed(own)
    _ticks(pair[0].stage)
    assert [_standing(each.record) for each in pair] == before
    seen(f"{len(told)} calls: {summary(told)}; reports in own rows: {summary(own)}")


@attack(
    "Reports of another protocol, deeply nested, beyond 4 KB, with a name of another instance",
    refused_by="sandbox and reap",
    mechanism="a report that breaks the protocol is logged and counted, and changes nothing",
)
def test_reports_that_break_the_protocol(pair: tuple[Taken, Taken], seen: Seen) -> None:
    attacker, stage = pair[0], pair[0].stage
    row, before = attacker.row("sandbox"), _standing(attacker.record)
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
    for lie in lies:
        assert_passed([attacker.sandbox.make(lie)])
        _ticks(stage)
        assert _standing(attacker.record) == before, lie
        assert stage.job(attacker.job).outcome is None
    told = [x for x in stage.log_lines("reap") if "unreadable report" in str(x.get("message"))]
    assert told
    assert not any(_LARGE in str(line) for line in told)
    good = attacker.sandbox.make(report(row, "running", attacker.record.boot or ""))
    assert_passed([good])
    seen(f"{len(lies)} reports, each taken with HTTP 200; logged: {told[0]['message']}")


@attack(
    "A flood of reports beyond 4 KB into the own row, as fast as the attacker can, by 4 threads",
    refused_by="sandbox; DynamoDB's limit of a partition in an account",
    mechanism="the stream only nudges: one tick reads each row once, however often it was written",
    remains="The writes cost money, up to what a partition takes: 1,000 write units a second."
    " Terminate the instance; issued credentials end within six hours.",
)
def test_a_flood_of_reports(pair: tuple[Taken, Taken], seen: Seen) -> None:
    attacker, stage = pair[0], pair[0].stage
    before = _standing(attacker.record)
    flood = report(attacker.row("sandbox"), "running", words={"S": _LARGE})
    counts: list[int] = []
    until = time.monotonic() + _FLOOD_SECONDS

    def pour() -> None:
        caller, number = attacker.sandbox.again(), 0
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
    rows = {kind: gone.row(kind) for kind in ("bootstrap", "sandbox")}
    hosts.run(stage, gone.instance, "touch /tmp/go")
    assert stage.ended(gone.job).outcome == "passed"
    before = _standing(stage.gone(gone.instance))
    told: list[Told] = [
        gone.caller(kind).make(report(row, phase, gone.record.boot or "b"))
        for kind, row in rows.items()
        for phase in ("booting", "bootstrapped", "sandboxed", "running", "failed")
    ]
    assert_passed(told)
    for function in ("sandbox", "reap", "provision"):
        stage.tick(function)
    assert _standing(gone.record) == before
    assert not gone.record.open
    read = gone.sandbox.ask(
        "dynamodb", "get_item", TableName=rows["sandbox"].name, Key=rows["sandbox"].key
    )
    assert_passed([read])
    seen(f"{len(told)} reports: {summary(told)}; the record stays {gone.record.state}")

"""Single parts of the front door: switches, journal, rate limits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from local.aws_lab import principal
from mayfly_lab.aws.front.buckets import LIMITS, Buckets
from mayfly_lab.aws.front.call import Call, Kind, Refusal
from mayfly_lab.aws.front.journal import Entry, Journal
from mayfly_lab.faults import SWITCHES, Faults, FaultSyntaxError, parse_seconds


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


# ------------------------------------------------------------------ switches


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("throttle=ec2:CreateFleet", ("throttle", "ec2:CreateFleet", 1, None, "", "*")),
        ("throttle=ec2:*,count=3", ("throttle", "ec2:*", 3, None, "", "*")),
        ("no-capacity=m7i.large/*", ("no-capacity", "m7i.large/*", None, None, "", "*")),
        ("error=ssm:*,for=2m", ("error", "ssm:*", None, 1120.0, "", "*")),
        ("latency=*:*,value=15ms", ("latency", "*:*", None, None, "15ms", "*")),
        ("error=ec2:Run*,by=provision", ("error", "ec2:Run*", 1, None, "", "provision")),
    ],
)
def test_the_text_of_a_fault_switch_is_parsed(text: str, fields: tuple[Any, ...]) -> None:
    fault = Faults(Clock()).parse(text)
    assert (fault.name, fault.target, fault.count, fault.until, fault.value, fault.by) == fields


@pytest.mark.parametrize(
    "text",
    [
        "throttle",
        "throttle=",
        "explode=ec2:*",
        "throttle=ec2:*,often=1",
        "throttle=ec2:*,count=many",
        "throttle=ec2:*,for=soon",
        "latency=ec2:*",
        "latency=ec2:*,value=1h",
    ],
)
def test_an_invalid_fault_switch_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(FaultSyntaxError, match=r".+"):
        Faults().parse(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("5", 5.0), ("250ms", 0.25), ("1.5s", 1.5), ("2m", 120.0)]
)
def test_durations_have_units(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


def test_a_switch_applies_until_its_count_or_its_time_is_over() -> None:
    clock = Clock()
    faults = Faults(clock)
    faults.set("throttle", "a", count=2)
    late = faults.set("throttle", "b", seconds=10)
    assert [bool(faults.take("throttle", "a")) for _ in range(3)] == [True, True, False]
    assert faults.take("throttle", "b")
    assert late.struck == 1
    clock.now += 10
    assert faults.take("throttle", "b") is None


def test_a_switch_applies_only_to_its_named_target() -> None:
    faults = Faults()
    faults.set("no-capacity", "m7i.*/subnet-1")
    assert faults.take("no-capacity", "m7i.large/subnet-2") is None
    assert faults.take("throttle", "m7i.large/subnet-1") is None
    assert faults.take("no-capacity", "x", "m7i.large/subnet-1")


def test_switches_can_be_turned_off() -> None:
    faults = Faults()
    faults.set("no-capacity", "*")
    faults.set("throttle", "*", count=9)
    faults.clear("no-capacity")
    assert faults.take("no-capacity", "x") is None
    assert faults.take("throttle", "x")
    faults.clear()
    assert faults.take("throttle", "x") is None


def test_every_switch_has_a_meaning() -> None:
    assert all(switch.meaning for switch in SWITCHES.values())


# ------------------------------------------------------------------ journal


def report(phase: str) -> Call:
    values = {":r": {"M": {"phase": {"S": phase}, "boot": {"S": "b-1"}, "words": {"S": "long"}}}}
    parameters = {
        "TableName": "mayfly-mailbox",
        "Key": {"key": {"S": "AROA:i-1"}},
        "UpdateExpression": "SET report = :r",
        "ExpressionAttributeValues": values,
    }
    return Call("dynamodb", "UpdateItem", parameters)


def test_the_journal_entry_of_a_write_has_key_and_state() -> None:
    journal = Journal(clock=Clock())
    journal.called(principal(Kind.SANDBOX, "i-1"), report("sandboxed"), 200)
    (entry,) = journal
    assert (entry.at, entry.principal, entry.kind) == (1000.0, "AROASANDBOX:i-1", "sandbox")
    assert entry.resources == {
        "rows": [
            {
                "operation": "UpdateItem",
                "table": "mayfly-mailbox",
                "key": "AROA:i-1",
                "attributes": ["key", "report"],
                "state": {"report": {"phase": "sandboxed", "boot": "b-1"}},
            }
        ]
    }


def test_journal_entries_are_found_by_kind_and_subject() -> None:
    journal = Journal()
    reap = principal(Kind.FUNCTION, "reap")
    journal.called(reap, Call("ec2", "TerminateInstances", {"InstanceIds": ["i-1"]}), 200)
    journal.called(reap, Call("ec2", "TerminateInstances", {"InstanceIds": ["i-2"]}), 403, "No")
    journal.happened("ec2", "StateChange", InstanceId="i-1", state="terminated")
    assert len(journal.select("i-1")) == 2
    assert len(journal.select(service="ec2", operation="TerminateInstances")) == 2
    assert [entry.error for entry in journal.select(ok=False)] == ["No"]
    assert journal.select(kind="aws")[0].resources["state"] == "terminated"


def test_the_journal_file_has_readable_entries_without_parameters(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.called(principal(Kind.SANDBOX, "i-1"), report("done"), 200)
    journal.close()
    journal.happened("ec2", "StateChange", InstanceId="i-1")  # still stored in memory
    (line,) = path.read_text().splitlines()
    told = json.loads(line)
    assert told["resources"]["rows"][0]["state"]["report"]["phase"] == "done"
    assert "request" not in told
    assert len(list(journal)) == 2
    assert isinstance(next(iter(journal)), Entry)


# ------------------------------------------------------------------ limits


def spent(buckets: Buckets, action: str, kind: Kind = Kind.FUNCTION) -> bool:
    service, _, operation = action.partition(":")
    try:
        buckets.spend(principal(kind, "provision"), Call(service, operation, {}))
    except Refusal as refusal:
        return refusal.code != "Throttling"
    return True


def test_a_token_bucket_empties_and_refills() -> None:
    clock = Clock()
    buckets = Buckets(clock)
    assert [spent(buckets, "ec2:RunInstances") for _ in range(6)] == [True] * 5 + [False]
    clock.now += 0.5
    assert spent(buckets, "ec2:RunInstances")
    assert not spent(buckets, "ec2:RunInstances")


def test_each_kind_of_call_has_its_own_rate_limit() -> None:
    buckets = Buckets(Clock())
    while spent(buckets, "ec2:CreateFleet"):
        pass
    assert not spent(buckets, "ec2:ReplaceIamInstanceProfileAssociation")
    assert spent(buckets, "ec2:DescribeInstances")
    assert spent(buckets, "ec2:TerminateInstances")
    assert spent(buckets, "dynamodb:PutItem")


def test_calls_of_administrators_use_no_rate_limit() -> None:
    buckets = Buckets(Clock())
    assert all(spent(buckets, "ssm:PutParameter", Kind.ADMINISTRATOR) for _ in range(50))


def test_the_rate_limits_are_the_documented_ones_of_aws() -> None:
    numbers = {limit.name: (limit.size, limit.per_second) for limit in LIMITS}
    assert numbers == {
        "RunInstances": (5, 2),
        "StartInstances": (5, 2),
        "TerminateInstances": (100, 5),
        "associations": (100, 5),
        "reads": (100, 20),
        "writes": (50, 5),
        "parameters": (40, 40),
        "parameter writes": (3, 3),
    }

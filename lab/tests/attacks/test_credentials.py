"""Credentials of instances, kept and used from outside against the account.

A bootstrap script sends what the metadata service gives it to the attacker's own server, and so
does the code of a job on a queue with `imds: job`. The attacker's server stands outside, and the
calls are made there, after the instance has been proven and while its job runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from attacks.calls import DENIED, MAILBOX, calls_of, client, code_of, codes, write
from attacks.collector import Collector
from attacks.conftest import Seen
from attacks.held import ROLES, SCRIPT, TAKEN, VICTIM, Held, holding, read_keys
from attacks.rows import attack
from mayfly.records.states import InstanceState
from stories.stage import QUICK, Stage

PARAMETERS = {TAKEN: {"imds": "job"}, VICTIM: {"pool/hot": "1", "imds": "job"}}
SCRIPTS = {TAKEN: SCRIPT}
DELAYS = replace(QUICK, minute=10.0)


@pytest.fixture(scope="module")
def held(stage: Stage, collector: Collector) -> Iterator[Held]:
    with holding(stage, collector) as found:
        yield found


def assert_denied(held: Held, service: str, seen: Seen) -> None:
    """Assert that every call of the service is denied to both roles, whose keys are alive."""
    for role in ROLES:
        found = codes(held.stage, held.keys(role), service, calls_of(service, held.victim))
        allowed = {call: code for call, code in found.items() if code not in DENIED}
        assert allowed == {}, role
        told = ", ".join(sorted(set(found.values())))
        seen(f"{role}: {len(found)} calls, all {told}; STS names the role and the instance")


_DENIES = "the role has no such right; Denies hold whatever an operator attaches"


@attack(
    "Kept credentials of either role are used against"
    " Mailbox and Fleet: other instances' rows, tables, PartiQL, transactions, backups",
    refused_by="IAM",
    mechanism=_DENIES,
)
def test_kept_credentials_are_denied_the_tables(held: Held, seen: Seen) -> None:
    assert_denied(held, "dynamodb", seen)


@attack(
    "Kept credentials of either role are used against"
    " another instance: power, tags, user data, metadata options, profile, image, console",
    refused_by="IAM",
    mechanism=_DENIES,
)
def test_kept_credentials_are_denied_other_instances(held: Held, seen: Seen) -> None:
    assert_denied(held, "ec2", seen)


@attack(
    "Kept credentials of either role are used against"
    " the cluster's token, the bundle, parameters of queues, and for commands on instances",
    refused_by="IAM",
    mechanism=_DENIES,
)
def test_kept_credentials_are_denied_parameters_and_commands(held: Held, seen: Seen) -> None:
    assert_denied(held, "ssm", seen)


@attack(
    "Kept credentials of either role are used against"
    " the queue's bootstrap scripts and their bucket",
    refused_by="IAM",
    mechanism=_DENIES,
)
def test_kept_credentials_are_denied_bootstrap_scripts(held: Held, seen: Seen) -> None:
    assert_denied(held, "s3", seen)


@attack(
    "Kept credentials of either role are used against the functions and the layer of hosts",
    refused_by="IAM",
    mechanism=_DENIES,
)
def test_kept_credentials_are_denied_functions_and_layers(held: Held, seen: Seen) -> None:
    assert_denied(held, "lambda", seen)


@attack(
    "Kept credentials of either role are used against keys",
    refused_by="IAM",
    mechanism=_DENIES,
)
def test_kept_credentials_are_denied_keys(held: Held, seen: Seen) -> None:
    assert_denied(held, "kms", seen)


@attack(
    "Kept credentials of either role are used against roles: of hosts and of functions",
    refused_by="IAM",
    mechanism=_DENIES,
)
def test_kept_credentials_are_denied_roles(held: Held, seen: Seen) -> None:
    assert_denied(held, "iam", seen)


@attack(
    "Kept credentials of either role are used against other roles, by AssumeRole",
    refused_by="IAM",
    mechanism=_DENIES,
)
def test_kept_credentials_are_denied_the_assumption_of_roles(held: Held, seen: Seen) -> None:
    assert_denied(held, "sts", seen)


# ---------------------------------------------------------------- what remains: the own rows


@attack(
    "Kept bootstrap credentials write the old row of their own instance, after the proof",
    refused_by="nobody",
    mechanism="the role may write this row; since the proof, sandbox and reap read the other one",
    remains="The write has no effect on the instance. Issued credentials end within six hours;"
    " nothing ends them sooner.",
)
def test_the_old_row_no_longer_counts(held: Held, seen: Seen) -> None:
    stage, before = held.stage, held.stage.instance(held.instance)
    wrote = [
        code_of(
            stage, held.bootstrap, "dynamodb", "update_item", **report(held.row("bootstrap"), phase)
        )
        for phase in ("booting", "bootstrapped", "sandboxed", "failed", "done")
    ]
    assert wrote == ["done"] * 5, "the write never arrived"
    for function in ("sandbox", "reap"):
        stage.tick(function)
    after = stage.instance(held.instance)
    assert (after.state, after.boot, after.job) == (before.state, before.boot, before.job)
    assert stage.job(held.job).outcome is None
    seen(f"5 reports written, the instance is {after.state} as before, its job runs on")


def report(row: str, phase: str, boot: str = "forged") -> dict[str, object]:
    """Parameters of a host's report."""
    value = {"protocol": {"N": "1"}, "phase": {"S": phase}, "boot": {"S": boot}}
    return {**write(row), "ExpressionAttributeValues": {":v": {"M": value}}}


@attack(
    "An early proof: `sandboxed` is reported with bootstrap credentials, before the switch-over",
    refused_by="IAM and sandbox",
    mechanism="only sandbox credentials of this instance write its sandbox row, and only that row"
    " counts as a proof",
)
def test_an_early_proof_does_not_count(held: Held, collector: Collector, seen: Seen) -> None:
    stage = held.stage
    known = len(collector.sent("/boot"))
    before = len(stage.launched(TAKEN))
    stage.lab.aws.faults.set("imds-stuck", "*", count=1)
    job = stage.push(TAKEN)
    early = stage.until("an instance is launched", lambda: stage.launched(TAKEN)[before:])[0]
    stage.until(
        "the profile is replaced", lambda: stage.instance(early).state is InstanceState.SWAPPING
    )
    keys = read_keys(collector.sent("/boot")[known].body)
    record = stage.instance(early)
    boot = record.boot or "forged"
    own, other = (
        code_of(stage, keys, "dynamodb", "update_item", **report(row or "", "sandboxed", boot))
        for row in (record.bootstrap_row, record.sandbox_row)
    )
    assert (own, other) == ("done", "AccessDeniedException")
    stage.tick("sandbox")
    assert stage.instance(early).state is InstanceState.SWAPPING
    stage.age(early, 10)
    gone = stage.gone(early)
    stage.lab.aws.faults.clear()
    stage.lab.buildkite.cancel_job(job)
    assert not gone.proven
    seen(f"into the own row: {own}, without effect; into the sandbox row: {other}; {gone.reason}")


@attack(
    "A proof of another boot, and the same proof again, from the running instance's own role",
    refused_by="sandbox and the host",
    mechanism="the record keeps the boot of the first proof; an assignment names that boot",
)
def test_a_later_proof_changes_nothing(held: Held, seen: Seen) -> None:
    stage, before = held.stage, held.stage.instance(held.instance)
    row = held.row("sandbox")
    wrote = [
        code_of(stage, held.sandbox, "dynamodb", "update_item", **report(row, "sandboxed", boot))
        for boot in ("another-boot", before.boot or "", "another-boot")
    ]
    assert wrote == ["done"] * 3, "the write never arrived"
    for function in ("sandbox", "reap"):
        stage.tick(function)
    after = stage.instance(held.instance)
    assert (after.boot, after.job) == (before.boot, before.job)
    assert len(stage.assignments(held.job)) == 1
    seen("3 proofs written; boot, job and the one assignment are as before")


@attack(
    "Sandbox credentials read the own row for the job's token, while the job runs",
    refused_by="dispatch",
    mechanism="the assignment leaves the row once Buildkite has accepted the job",
)
def test_the_own_row_has_no_token_while_the_job_runs(held: Held, seen: Seen) -> None:
    stage, row = held.stage, held.row("sandbox")

    def read() -> str:
        dynamodb = client(stage, "dynamodb", held.sandbox)
        item = dynamodb.get_item(TableName=MAILBOX, Key={"key": {"S": row}})["Item"]
        assert item["key"]["S"] == row
        return str(item)

    stage.until("the assignment is gone", lambda: "assignment" not in read())
    assert not any(token in read() for token in stage.lab.buildkite.issued_tokens())
    seen("the row is readable, and holds no assignment")


@attack(
    "Sandbox credentials write the own assignment or notice, or have old values returned",
    refused_by="IAM",
    mechanism="dynamodb:Attributes allows key and report, dynamodb:ReturnValues nothing",
)
def test_the_own_row_takes_reports_only(held: Held, seen: Seen) -> None:
    row = held.row("sandbox")
    calls = [
        ("update_item", write(row, "assignment")),
        ("update_item", write(row, "notice")),
        ("update_item", write(row, "expires")),
        ("update_item", {**write(row), "ReturnValues": "ALL_OLD"}),
        ("delete_item", {"TableName": MAILBOX, "Key": {"key": {"S": row}}}),
    ]
    found = codes(held.stage, held.sandbox, "dynamodb", calls)
    assert set(found.values()) == {"AccessDeniedException"}, found
    allowed = code_of(held.stage, held.sandbox, "dynamodb", "update_item", **write(row))
    assert allowed == "done"
    seen(f"{len(calls)} writes, all AccessDeniedException; a report: {allowed}")


_MALFORMED: tuple[dict[str, object], ...] = (
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
def test_malformed_reports_stop_nobody(held: Held, seen: Seen) -> None:
    stage, row = held.stage, held.row("sandbox")
    for value in _MALFORMED:
        call = {**write(row), "ExpressionAttributeValues": {":v": value}}
        assert code_of(stage, held.sandbox, "dynamodb", "update_item", **call) == "done"
        for function in ("sandbox", "reap"):
            stage.tick(function)
    other = stage.push(VICTIM)
    assert stage.ended(other).outcome == "passed"
    assert stage.job(held.job).outcome is None
    good = code_of(
        stage, held.sandbox, "dynamodb", "update_item", **report(row, "running", "forged")
    )
    assert good == "done"
    seen(f"{len(_MALFORMED)} reports; all ticks ended well, another queue's job passed meanwhile")

"""Hosts with bootstrap scripts, late metadata, and mailbox rows of other instances."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from mayfly.records.model import Instance
from mayfly.records.states import InstanceState
from mayfly_lab.aws.ec2.moments import Aspect
from mayfly_lab.aws.front.call import Kind
from mayfly_lab.contracts import Keys
from mayfly_lab.lab import STACK, LabChoices
from mayfly_lab.report.checks import mailbox_writes
from stories.stage import BOOT, QUICK, Stage, a_stage

HOT, SET_UP, SLOW = "hot", "set-up", "slow"
MAILBOX = f"{STACK}-mailbox"
LEAKED: list[str] = []
"""Instances whose bootstrap credentials a story used after the proof."""
READ_AND_WRITE = ("GetItem", "UpdateItem")


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    choices = LabChoices(
        queues=(HOT, SET_UP, SLOW),
        delays=replace(QUICK, minute=10.0),
        boot_seconds=BOOT,
        parameters={
            HOT: {"pool/hot": "1"},
            SLOW: {"launch/instance-types": "c7i.large"},
        },
    )
    with a_stage(choices) as stage:
        yield stage
        stage.lab.aws.faults.clear()


# ------------------------------------------------------------------ the operator's script


def put_script(stage: Stage, script: str) -> str:
    """Upload a script for the queue. Returns the value of `bootstrap/script` that names it."""
    text = f"#!/bin/bash\nset -eu\n{script}\n"
    return stage.lab.put_script(SET_UP, "set-up.sh", text)


def set_up_by(stage: Stage, script: str) -> None:
    """Let the queue's next instances run this script."""
    set_parameter(stage, put_script(stage, script))


def set_parameter(stage: Stage, value: str) -> None:
    """Write the queue's `bootstrap/script`."""
    spec = stage.queue(SET_UP).spec
    stage.lab.put_parameter(SET_UP, "bootstrap/script", value)
    stage.until("the script is in force", lambda: stage.queue(SET_UP).spec != spec)


def refused(stage: Stage, script: str) -> Instance:
    """The record of the one instance that was launched for a job with this script."""
    return failed(stage, put_script(stage, script))


def failed(stage: Stage, value: str) -> Instance:
    """The record of the one instance that was launched for a job with this parameter."""
    before = len(stage.launched(SET_UP))
    set_parameter(stage, value)
    job = stage.push(SET_UP, "echo it ran")
    instance_id = stage.until("an instance is launched", lambda: stage.launched(SET_UP)[before:])[0]
    # Without the cancel another instance would be launched, and fail in the same way.
    stage.lab.buildkite.cancel_job(job)
    gone = stage.gone(instance_id)
    assert not gone.proven
    assert InstanceState.SWAPPING not in [step.state for step in gone.history]
    assert stage.finished(job).state == "released"
    return gone


def test_files_of_a_bootstrap_script_are_available_to_all_jobs_of_the_queue(stage: Stage) -> None:
    set_up_by(
        stage,
        'install -m 644 /dev/stdin "$MAYFLY_HOOKS_DIR/known_hosts" <<<"git.example.org is known"\n'
        'install -m 755 /dev/stdin "$MAYFLY_HOOKS_DIR/environment" <<END\n'
        "export SET_UP_BY=$MAYFLY_STACK/$MAYFLY_QUEUE/$AWS_REGION\n"
        "END",
    )
    job = stage.push(SET_UP, 'cat "$MAYFLY_HOOKS_DIR/known_hosts"; echo "by $SET_UP_BY"')
    assert stage.ended(job).outcome == "passed"
    log = stage.log_of(job)
    assert "git.example.org is known" in log
    assert f"by {STACK}/{SET_UP}/us-east-1" in log


def test_a_failed_bootstrap_script_fails_the_host_with_its_last_lines(stage: Stage) -> None:
    gone = refused(stage, "echo no space left on device >&2; exit 3")
    assert gone.reason == "s3://mayfly-scripts/set-up/set-up.sh exited with 3"
    assert "no space left on device" in stage.last_words(gone.instance_id or "")


def test_a_process_left_by_the_bootstrap_script_fails_the_host(stage: Stage) -> None:
    # Another scope, so the process does not end with the script's scope.
    gone = refused(
        stage,
        "cd /; systemd-run --scope --quiet --unit=elsewhere sleep 300 &>/dev/null &\n"
        'until [ "$(cat /proc/$!/comm)" = sleep ]; do sleep 0.1; done',
    )
    assert "left over" in gone.reason
    assert "sleep" in gone.reason
    assert "left over" in stage.last_words(gone.instance_id or "")


def overwrite(stage: Stage, script: str) -> None:
    """Put another script in the place of the queue's, as anybody with a right on the bucket can."""
    body = f"#!/bin/bash\n{script}\n".encode()
    client = stage.lab.aws.client("s3")
    client.put_object(Bucket="mayfly-scripts", Key=f"{SET_UP}/set-up.sh", Body=body)


def test_a_pinned_version_of_the_bootstrap_script_runs_after_the_object_was_overwritten(
    stage: Stage,
) -> None:
    set_up_by(stage, 'install -m 644 /dev/stdin "$MAYFLY_HOOKS_DIR/words" <<<"as reviewed"')
    overwrite(stage, 'echo rewritten > "$MAYFLY_HOOKS_DIR/words"')
    job = stage.push(SET_UP, 'cat "$MAYFLY_HOOKS_DIR/words"')
    assert stage.ended(job).outcome == "passed"
    assert "as reviewed" in stage.log_of(job)


def test_a_bootstrap_script_with_another_digest_than_its_pin_fails_the_host(stage: Stage) -> None:
    pinned = stage.lab.put_script(SET_UP, "set-up.sh", "#!/bin/bash\n")
    place, _, digest = pinned.split()
    overwrite(stage, "exit 0")
    gone = failed(stage, f"{place} {digest}")
    assert f"bootstrap/script says {digest}, and the object that it names has" in gone.reason


def test_a_missing_bootstrap_script_fails_the_host(stage: Stage) -> None:
    gone = failed(stage, "s3://mayfly-scripts/set-up/nowhere.sh")
    assert "nowhere.sh, which does not exist" in gone.reason


# ------------------------------------------------------------------ metadata


def test_a_host_whose_metadata_never_shows_the_sandbox_profile_gets_no_job(stage: Stage) -> None:
    stage.lab.aws.faults.set("imds-stuck", "c7i.large", count=1)
    job, stuck = stage.swapping(SLOW)
    stage.until(
        "the host waits for the profile",
        lambda: "waiting for the sandbox profile" in stage.lab.room.console(stuck),
    )
    stage.age(stuck, 10)
    gone = stage.gone(stuck)
    assert not gone.proven
    assert gone.reason == "the instance was swapping for longer than 6 minutes"
    assert "waiting for the sandbox profile" in stage.last_words(stuck)
    assert stage.ended(job).outcome == "passed"
    assert stage.finished(job).attempt == 1


def test_a_host_whose_metadata_flaps_is_proven_only_once_it_is_steady(stage: Stage) -> None:
    faults = stage.lab.aws.faults
    faults.set("imds-flapping", "c7i.large")
    before = len(stage.launched(SLOW))
    job = stage.push(SLOW)
    flapping = stage.until("an instance is launched", lambda: stage.launched(SLOW)[before:])[0]
    stage.until(
        "the host waits for the profile",
        lambda: "waiting for the sandbox profile" in stage.lab.room.console(flapping),
    )
    steady = datetime.now(UTC)
    faults.clear("imds-flapping")
    assert stage.ended(job).outcome == "passed"
    (ready,) = [s for s in stage.served(job).history if s.state == InstanceState.READY]
    assert stage.served(job).instance_id == flapping
    assert ready.at > steady


# ------------------------------------------------------------------ the mailbox


def act_as(stage: Stage, kind: Kind, instance: Instance) -> Any:
    """A DynamoDB client with an instance's credentials for one of its roles."""
    if kind is Kind.BOOTSTRAP:
        LEAKED.append(instance.instance_id or "")
    pinned = instance.pinned
    profile = pinned.bootstrap_profile if kind is Kind.BOOTSTRAP else pinned.sandbox_profile
    keys, _ = stage.lab.aws.sessions.of_instance(instance.instance_id or "", profile)
    return client(stage, keys)


def client(stage: Stage, keys: Keys) -> Any:
    return boto3.client(
        "dynamodb",
        region_name="us-east-1",
        endpoint_url=stage.lab.aws.endpoint,
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
        aws_session_token=keys.token,
        config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
    )


def write(dynamodb: Any, row: str | None, phase: str, boot: str = "b") -> str:
    """Write a report as a host does. Returns the error's code, or an empty text."""
    report = {"protocol": {"N": "1"}, "phase": {"S": phase}, "boot": {"S": boot}}
    try:
        dynamodb.update_item(
            TableName=MAILBOX,
            Key={"key": {"S": row}},
            UpdateExpression="SET report = :r",
            ExpressionAttributeValues={":r": {"M": report}},
        )
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def test_a_mailbox_row_accepts_writes_of_its_own_instance_only(stage: Stage) -> None:
    """Neither another instance nor the other role can write, read or prove the row."""
    (ready,) = stage.ready(HOT)
    mine = stage.instance(ready)
    stage.lab.put_parameter(HOT, "pool/hot", "2")
    other = next(i for i in stage.ready(HOT, 2) if i != ready)
    stage.lab.put_parameter(HOT, "pool/hot", "1")
    stranger = stage.instance(other)
    as_bootstrap = act_as(stage, Kind.BOOTSTRAP, mine)
    as_stranger = act_as(stage, Kind.SANDBOX, stranger)
    attempts = [
        write(as_bootstrap, mine.sandbox_row, "sandboxed"),
        write(as_stranger, mine.sandbox_row, "failed"),
        write(as_stranger, mine.bootstrap_row, "failed"),
        write(as_bootstrap, stranger.bootstrap_row, "failed"),
    ]
    assert attempts == ["AccessDeniedException"] * 4
    for reader in (as_bootstrap, as_stranger):
        with pytest.raises(ClientError, match="not authorized"):
            reader.get_item(TableName=MAILBOX, Key={"key": {"S": mine.sandbox_row}})
    with pytest.raises(ClientError, match="not authorized"):
        as_stranger.scan(TableName=MAILBOX)
    denied = stage.lab.aws.journal.select(error="AccessDeniedException", about=MAILBOX)
    assert len(denied) >= 6
    job = stage.push(HOT)
    assert stage.ended(job).outcome == "passed"
    states = [step.state for step in stage.instance(ready).history]
    assert InstanceState.CONDEMNED not in states


def test_reports_with_bootstrap_credentials_after_the_proof_change_nothing(stage: Stage) -> None:
    (ready, *_) = stage.ready(HOT)
    instance = stage.instance(ready)
    leaked = act_as(stage, Kind.BOOTSTRAP, instance)
    for phase in ("booting", "bootstrapped", "failed"):
        assert write(leaked, instance.bootstrap_row, phase) == ""
        stage.tick("sandbox")
    assert stage.instance(ready).state is InstanceState.READY
    job = stage.push(HOT)
    assert stage.ended(job).outcome == "passed"
    served = stage.gone(stage.served(job).instance_id or "")
    assert "the host gave up" not in served.reason


def test_a_host_that_reports_twice_is_sandboxed_and_bound_once(stage: Stage) -> None:
    (ready, *_) = stage.ready(HOT)
    instance = stage.instance(ready)
    again = act_as(stage, Kind.SANDBOX, instance)
    for boot in (instance.boot or "", "another-boot"):
        assert write(again, instance.sandbox_row, "sandboxed", boot) == ""
    for function in ("sandbox", "reap"):
        stage.tick(function)
    assert stage.instance(ready).state is InstanceState.READY
    assert stage.instance(ready).boot == instance.boot
    job = stage.push(HOT)
    assert stage.ended(job).outcome == "passed"
    assert len(stage.assignments(job)) == 1
    moments = stage.lab.aws.moments.of(ready)
    assert len([m for m in moments if m.aspect is Aspect.PROFILE]) == 2


def test_an_assignment_of_an_unknown_protocol_ends_the_host_and_not_the_job(stage: Stage) -> None:
    (ready, *_) = stage.ready(HOT)
    instance = stage.instance(ready)
    assignment = {
        "protocol": {"N": "99"},
        "job": {"S": "0190a8b7-6d2e-4c43-9a6c-3f2b8e1d7c55"},
        "boot": {"S": instance.boot},
    }
    stage.lab.aws.client("dynamodb").update_item(
        TableName=MAILBOX,
        Key={"key": {"S": instance.sandbox_row}},
        UpdateExpression="SET assignment = :a",
        ExpressionAttributeValues={":a": {"M": assignment}},
    )
    gone = stage.gone(ready)
    assert "protocol" in gone.reason
    assert "protocol" in stage.last_words(ready)
    assert gone.job is None
    assert any(
        w.row == w.by == instance.sandbox_row and w.state["report"].get("phase") == "failed"
        for w in mailbox_writes(list(stage.lab.aws.journal))
        if "report" in w.state
    )


def test_at_the_end_nothing_is_left_and_every_promise_was_kept(stage: Stage) -> None:
    stage.empty()
    own = {f"bootstrap-ends: {i} called dynamodb:{o}" for i in LEAKED for o in READ_AND_WRITE}
    broken = [each.removesuffix(" with the bootstrap role") for each in stage.broken_promises()]
    assert set(broken) <= own

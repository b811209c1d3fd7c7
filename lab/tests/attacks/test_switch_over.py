"""The profile's switch-over attacked: by a metadata service that errs, by code that keeps keys."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from attacks.conftest import Seen
from attacks.rows import attack
from attacks.ways import BOTH
from mayfly.records.states import InstanceState
from mayfly_lab.aws.ec2.moments import Aspect
from mayfly_lab.report.checks import mailbox_writes
from stories.stage import QUICK, Stage

_LINGER = 3.0
DELAYS = replace(QUICK, imds_linger=_LINGER)
_TYPES = {
    "stuck": "c7i.large",
    "flapping": "c6i.large",
    "split": "m6i.large",
    "silent": "r6i.large",
    "failing": "r7i.large",
}
PARAMETERS = {
    **{queue: {"launch/instance-types": types} for queue, types in _TYPES.items()},
    "plain": {},
    "leaves": {"job/attempts": "1"},
}
SCRIPTS = {
    "leaves": """#!/bin/bash
cd /
systemd-run --scope --quiet --unit=elsewhere sleep 300 &>/dev/null &
until [ "$(cat /proc/$!/comm)" = sleep ]; do sleep 0.1; done
""",
}
_GATE = "the gate: the paths iam/info, the list of roles and the old role's credentials must agree,"
_WATCHED = 3.0
"""Seconds for which a host under a fault is watched: thirty looks of the gate."""


@pytest.fixture(autouse=True)
def no_faults(stage: Stage) -> Iterator[None]:
    yield
    stage.lab.aws.faults.clear()


def waits_at_the_gate(stage: Stage, queue: str, fault: str) -> tuple[str, str]:
    """A job of the queue, and its instance under a fault, whose profile has been replaced."""
    stage.lab.aws.faults.set(fault, _TYPES[queue])
    job, instance = stage.swapping(queue)
    stage.until(
        "the host waits",
        lambda: "waiting for the sandbox profile" in stage.lab.room.console(instance),
    )
    end = time.monotonic() + _WATCHED
    while time.monotonic() < end:
        assert not stage.instance(instance).proven
        assert proofs(stage, instance) == []
        time.sleep(0.1)
    return job, instance


def proofs(stage: Stage, instance: str) -> list[float]:
    """When the host of this instance reported `sandboxed`, in seconds since the epoch."""
    writes = mailbox_writes(list(stage.lab.aws.journal))
    return [
        w.at
        for w in writes
        if w.row.endswith(f":{instance}") and w.state.get("report", {}).get("phase") == "sandboxed"
    ]


def assert_proven_only_without(stage: Stage, queue: str, fault: str, seen: Seen) -> None:
    """Assert that the host is not proven under a fault, and is without it."""
    job, instance = waits_at_the_gate(stage, queue, fault)
    stage.lab.aws.faults.clear()
    steady = time.time()
    assert stage.ended(job).outcome == "passed"
    (proof,) = proofs(stage, instance)
    assert proof > steady
    assert stage.served(job).instance_id == instance
    seen(f"{_WATCHED:g} s without a proof; proven {proof - steady:.1f} s after the fault's end")


@attack(
    "EC2 says that the profile is replaced, and the metadata service serves bootstrap for ever",
    refused_by="the host, and the state's deadline",
    mechanism="the proof is a write with sandbox credentials, which this host never gets",
)
def test_a_service_that_never_switches_gets_no_job(stage: Stage, seen: Seen) -> None:
    stage.lab.aws.faults.set("imds-stuck", _TYPES["stuck"], count=1)
    job, stuck = stage.swapping("stuck")
    stage.age(stuck, 10)
    gone = stage.gone(stuck)
    assert proofs(stage, stuck) == []
    assert stage.ended(job).outcome == "passed"
    assert stage.served(job).instance_id != stuck
    seen(f"no proof; {gone.reason}; another instance ran the job")


@attack(
    "The metadata service serves the old and the new profile in turn",
    refused_by="the host",
    mechanism=f"{_GATE} three times in a row over fresh connections",
)
def test_a_service_that_flaps_proves_nothing(stage: Stage, seen: Seen) -> None:
    assert_proven_only_without(stage, "flapping", "imds-flapping", seen)


@attack(
    "The metadata service answers two profiles in two places: the new profile with the old role",
    refused_by="the host",
    mechanism=f"{_GATE} and STS must name the sandbox role",
)
def test_a_service_with_two_profiles_proves_nothing(stage: Stage, seen: Seen) -> None:
    assert_proven_only_without(stage, "split", "imds-split", seen)


@attack(
    "The metadata service falls silent, or fails, after the profile was replaced",
    refused_by="the host",
    mechanism="no answer is no proof; at the gate's limit the host powers off",
)
def test_a_service_that_fails_proves_nothing(stage: Stage, seen: Seen) -> None:
    stage.lab.aws.faults.set("imds-stuck", _TYPES["failing"], count=1)
    job, instance = stage.swapping("failing")
    stage.lab.aws.faults.set("imds-silent", _TYPES["failing"])
    time.sleep(_WATCHED)
    assert proofs(stage, instance) == []
    stage.age(instance, 10)
    gone = stage.gone(instance)
    assert not gone.proven
    stage.lab.aws.faults.clear()
    assert stage.ended(job).outcome == "passed"
    seen(f"{_WATCHED:g} s of silence without a proof; {gone.reason}; another instance ran the job")


@attack(
    "The metadata service lists the new role alone, and still serves the old one's credentials"
    " by name",
    refused_by="the host",
    mechanism=f"{_GATE} and the old role's credentials must be gone",
)
def test_credentials_that_linger_keep_the_gate_shut(stage: Stage, seen: Seen) -> None:
    job = stage.push("plain")
    assert stage.ended(job).outcome == "passed"
    served = stage.served(job)
    (proof,) = proofs(stage, served.instance_id or "")
    replaced = [
        m.at
        for m in stage.lab.aws.moments.of(served.instance_id or "")
        if m.aspect is Aspect.PROFILE and m.value == served.pinned.sandbox_profile
    ]
    waited = proof - replaced[0]
    assert waited > _LINGER
    seen(f"served for {_LINGER:g} s after the switch; proven {waited:.1f} s after the replacement")


@attack(
    "A daemon of the image and its worker hold bootstrap credentials, and go on using them",
    refused_by="user data and the host",
    mechanism="user data kills and masks the services; the supervisor starts only once none runs",
)
def test_a_daemon_of_the_image_calls_no_more_after_the_switch(stage: Stage, seen: Seen) -> None:
    job = stage.push("plain")
    assert stage.ended(job).outcome == "passed"
    served = stage.served(job)
    (proof,) = proofs(stage, served.instance_id or "")
    calls = [
        entry.at
        for entry in stage.lab.aws.journal
        if entry.principal == served.bootstrap_row
        and entry.operation == "UpdateInstanceInformation"
    ]
    later = [at for at in calls if at > proof]
    assert calls, "the daemon never called"
    assert later == []
    seen(f"{len(calls)} calls of the daemon before the switch, none after the proof")


@attack(
    "The bootstrap script leaves a process behind, outside of its scope",
    refused_by="the host",
    mechanism="every process from after the script's start that is in no unit of the system"
    " condemns the host",
    places=BOTH,
)
def test_a_process_left_by_the_script_condemns_the_host(stage: Stage, seen: Seen) -> None:
    job = stage.push("leaves")
    stage.ended(job)
    gone = stage.gone(stage.launched("leaves")[0])
    assert not gone.proven
    assert InstanceState.SWAPPING not in [step.state for step in gone.history]
    left = re.search(r"left over: sleep\[\d+\]", gone.reason)
    assert left
    seen(f"{gone.reason}; the profile was never replaced, no job ran")

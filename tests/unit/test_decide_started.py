"""Sandbox: the proof of a boot that Mayfly commanded, and what ends an instance instead."""

from __future__ import annotations

from typing import Any

import pytest

from mayfly.answers import Association
from mayfly.records.model import Instance
from mayfly.records.states import InstanceState
from mayfly.sandbox.actions import ReplaceProfile
from mayfly.sandbox.decide import decide, imminent, wants_associations
from mayfly.sandbox.view import SandboxView
from mayfly_protocol.report import Report
from tests.unit.builders import (
    BOOTSTRAP,
    NOW,
    SANDBOX,
    a_report,
    an_instance,
    ec2_id,
    row,
    saves,
    shown,
)

S = InstanceState
STARTED = an_instance(S.STARTING, boot="boot-0", proven=True, starts=2)
PROOF = a_report("sandboxed", "boot-2", start=2)


def a_view(
    report: Report | None = PROOF,
    associations: tuple[Association, ...] | None = (shown(),),
    side: str = "sandbox",
) -> SandboxView:
    reports = {row(STARTED, side): report} if report is not None else {}
    known = {ec2_id(): associations} if associations is not None else {}
    return SandboxView((STARTED,), reports, known)


def after(view: SandboxView) -> Instance | None:
    """The instance that the decision saves; None where it saves none."""
    found: list[Any] = [saves(a).get("Instance") for a in decide(view, NOW)]
    return next((each for each in found if each is not None), None)


def test_a_proof_of_another_boot_with_the_latest_order_makes_the_instance_ready() -> None:
    ready = after(a_view())
    assert ready is not None
    assert (ready.state, ready.boot, ready.starts) == (S.READY, "boot-2", 2)


@pytest.mark.parametrize(
    "view",
    [
        a_view(None),
        a_view(a_report("sandboxed", "boot-0", start=2)),
        a_view(a_report("sandboxed", "boot-0")),
        a_view(a_report("sandboxed", "boot-2")),
        a_view(a_report("sandboxed", "boot-2", start=1)),
        a_view(a_report("sandboxed", "boot-2", start=3)),
        a_view(a_report("running", "boot-2", start=2)),
        a_view(a_report("failed", "boot-0")),
        a_view(PROOF, side="bootstrap"),
        a_view(a_report("failed", "boot-2"), side="bootstrap"),
        a_view(a_report("bootstrapped", "boot-2"), side="bootstrap"),
        a_view(associations=None),
        a_view(associations=()),
        a_view(associations=(shown(state="associating"),)),
        a_view(associations=(shown(), shown(name="iip-assoc-2"))),
    ],
    ids=[
        *("no report", "the proven boot", "the first boot's own proof", "a boot without an order"),
        *("an earlier order", "an order that was never given", "another phase"),
        *("a failure of the boot before", "a proof in the bootstrap row"),
        *("a failure in the bootstrap row", "set-up in the bootstrap row"),
        *("EC2 did not answer", "no association", "a profile on its way", "two associations"),
    ],
)
def test_without_the_whole_proof_nothing_happens(view: SandboxView) -> None:
    assert decide(view, NOW) == []


@pytest.mark.parametrize(
    "associations",
    [
        (shown(BOOTSTRAP),),
        (shown(BOOTSTRAP, "associating"),),
        (shown("arn:other"),),
        (shown(), shown(BOOTSTRAP, "associating", name="iip-assoc-2")),
    ],
)
@pytest.mark.parametrize("report", [None, PROOF])
def test_a_started_instance_with_another_profile_is_condemned_and_never_given_the_sandbox(
    associations: tuple[Association, ...], report: Report | None
) -> None:
    view = a_view(report, associations)
    condemned = after(view)
    assert condemned is not None
    assert condemned.state is S.CONDEMNED
    assert not [a for a in decide(view, NOW) if isinstance(a, ReplaceProfile)]
    named = next(a.profile for a in associations if a.profile != SANDBOX)
    assert condemned.reason == f"the instance was started, and EC2 shows {named}"


def test_a_started_host_that_reports_a_failure_is_condemned_with_its_reason() -> None:
    condemned = after(a_view(a_report("failed", "boot-2", reason="no order to start")))
    assert condemned is not None
    assert (condemned.state, condemned.reason) == (S.CONDEMNED, "no order to start")


def test_profiles_are_read_each_second_and_at_once_with_a_proof() -> None:
    silent, proven = a_view(None), a_view()
    assert wants_associations(STARTED, silent.reports, wide=True)
    assert not wants_associations(STARTED, silent.reports, wide=False)
    assert wants_associations(STARTED, proven.reports, wide=False)
    assert imminent(proven, NOW)
    assert not imminent(silent, NOW)

"""Sandbox: set-up, replacement of the profile, proof, and failures of hosts on their way."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from mayfly.answers import Association
from mayfly.records.model import Instance
from mayfly.records.states import InstanceState
from mayfly.sandbox.actions import ReplaceProfile, SandboxAction
from mayfly.sandbox.decide import (
    PREPARED_IMAGE,
    WATCHED,
    decide,
    imminent,
    wants_associations,
)
from mayfly.sandbox.view import SandboxView
from mayfly.tick.actions import NudgeProvision, NudgeReap, WriteRecords
from mayfly_protocol.report import Report
from tests.unit.builders import (
    BOOTSTRAP,
    BOOTSTRAP_ID,
    NOW,
    SANDBOX,
    SANDBOX_ID,
    a_report,
    an_instance,
    ec2_id,
    saves,
    shown,
)

S = InstanceState
B, X = f"{BOOTSTRAP_ID}:{ec2_id()}", f"{SANDBOX_ID}:{ec2_id()}"
"""Keys of the instance's bootstrap row and sandbox row."""

BOOTING, SET_UP, PROOF = a_report("booting"), a_report("bootstrapped"), a_report("sandboxed")
FAILED = a_report("failed", reason="no space left on device")
OLD, NEW = shown(BOOTSTRAP, name="iip-old"), shown(SANDBOX, name="iip-new")
BUSY_OLD = replace(OLD, state="associating")
BUSY_NEW = replace(NEW, state="associating")
LEAVING = replace(OLD, state="disassociating")
FOREIGN = shown("arn:aws:iam::123456789012:instance-profile/admin")


@dataclass(frozen=True)
class Case:
    story: str
    state: InstanceState
    reports: dict[str, Report] = field(default_factory=dict)
    shown: tuple[Association, ...] | None = None
    """Associations in EC2's answer; None: not asked, or not answered."""
    then: list[str] = field(default_factory=list)
    """Actions in order: states that are written, `replace` for the call, `reap` and `nudge`."""


CASES = [
    Case("a launched host has no report", S.LAUNCHING),
    Case("the supervisor runs", S.LAUNCHING, {B: BOOTING}, then=["booting"]),
    Case("a repeated report changes nothing", S.BOOTING, {B: BOOTING}),
    Case("a phase after set-up changes nothing", S.LAUNCHING, {B: a_report("running")}),
    Case("set up, no answer from EC2", S.BOOTING, {B: SET_UP}, None, ["swapping"]),
    Case("set up, EC2 shows no profile", S.BOOTING, {B: SET_UP}, (), ["swapping"]),
    Case(
        "set up, EC2 shows the bootstrap profile",
        S.BOOTING,
        {B: SET_UP},
        (OLD,),
        ["swapping+replace"],
    ),
    Case("set up between ticks", S.LAUNCHING, {B: SET_UP}, (OLD,), ["swapping+replace"]),
    Case("recorded as set up", S.BOOTSTRAPPED, {B: SET_UP}, (OLD,), ["swapping+replace"]),
    Case("recorded as set up, its report gone", S.BOOTSTRAPPED, {}, (OLD,), ["swapping+replace"]),
    Case(
        "set up, EC2 still associates the bootstrap profile",
        S.BOOTING,
        {B: SET_UP},
        (BUSY_OLD,),
        ["swapping"],
    ),
    Case(
        "recorded as swapping, not yet replaced after a crash",
        S.SWAPPING,
        {B: SET_UP},
        (OLD,),
        ["replace"],
    ),
    Case("replaced, not yet associated", S.SWAPPING, {B: SET_UP}, (BUSY_NEW,)),
    Case("replaced, no proof yet", S.SWAPPING, {B: SET_UP}, (NEW,)),
    Case("proof, but EC2 shows both profiles", S.SWAPPING, {B: SET_UP, X: PROOF}, (LEAVING, NEW)),
    Case(
        "proof, but EC2 shows both in the other order",
        S.SWAPPING,
        {B: SET_UP, X: PROOF},
        (NEW, LEAVING),
    ),
    Case(
        "proof, but EC2 shows two sandbox associations",
        S.SWAPPING,
        {X: PROOF},
        (NEW, replace(NEW, id="iip-x")),
    ),
    Case("proof and EC2 agree", S.SWAPPING, {B: SET_UP, X: PROOF}, (NEW,), ["ready"]),
    Case("proof and EC2 agree, without a bootstrap row", S.SWAPPING, {X: PROOF}, (NEW,), ["ready"]),
    Case("proof, but EC2 still associates", S.SWAPPING, {X: PROOF}, (BUSY_NEW,)),
    Case("proof, but no answer from EC2", S.SWAPPING, {X: PROOF}, None),
    Case("proof, but EC2 shows no profile", S.SWAPPING, {X: PROOF}, ()),
    Case("proof, but EC2 shows the old profile", S.SWAPPING, {X: PROOF}, (OLD,), ["replace"]),
    Case("proof in the bootstrap row does not count", S.SWAPPING, {B: PROOF}, (NEW,)),
    Case(
        "proof under another role's id does not count",
        S.SWAPPING,
        {f"AROAANOTHERAAAAAAAAAA:{ec2_id()}": PROOF},
        (NEW,),
    ),
    Case(
        "proof of another instance does not count",
        S.SWAPPING,
        {f"{SANDBOX_ID}:{ec2_id(1)}": PROOF},
        (NEW,),
    ),
    Case(
        "proof without a boot id does not count", S.SWAPPING, {X: a_report("sandboxed", "")}, (NEW,)
    ),
    Case(
        "another phase in the sandbox row is no proof", S.SWAPPING, {X: a_report("running")}, (NEW,)
    ),
    Case(
        "proof before the swap is recorded",
        S.BOOTING,
        {B: SET_UP, X: PROOF},
        (NEW,),
        ["swapping", "ready"],
    ),
    Case("proof without set-up does not count", S.BOOTING, {B: BOOTING, X: PROOF}, (NEW,)),
    Case(
        "a foreign profile condemns",
        S.SWAPPING,
        {X: PROOF},
        (FOREIGN,),
        ["condemned", "reap", "nudge"],
    ),
    Case(
        "a foreign profile beside the sandbox profile condemns",
        S.SWAPPING,
        {X: PROOF},
        (NEW, FOREIGN),
        ["condemned", "reap", "nudge"],
    ),
    Case(
        "a foreign profile right after set-up condemns",
        S.BOOTING,
        {B: SET_UP},
        (FOREIGN,),
        ["swapping", "condemned", "reap", "nudge"],
    ),
    Case(
        "a booting host that gives up is condemned",
        S.BOOTING,
        {B: FAILED},
        None,
        ["condemned", "reap", "nudge"],
    ),
    Case(
        "a launching host that gives up is condemned",
        S.LAUNCHING,
        {B: FAILED},
        None,
        ["condemned", "reap", "nudge"],
    ),
    Case(
        "a host that gives up after the swap is condemned",
        S.SWAPPING,
        {B: SET_UP, X: FAILED},
        (NEW,),
        ["condemned", "reap", "nudge"],
    ),
    Case(
        "a failed host gets no replacement",
        S.SWAPPING,
        {X: FAILED},
        (OLD,),
        ["condemned", "reap", "nudge"],
    ),
    Case(
        "a failed host with proof is condemned",
        S.SWAPPING,
        {B: FAILED, X: PROOF},
        (NEW,),
        ["condemned", "reap", "nudge"],
    ),
]


def view_of(case: Case) -> SandboxView:
    associations = {} if case.shown is None else {ec2_id(): case.shown}
    return SandboxView((an_instance(case.state),), case.reports, associations)


def step_of(action: SandboxAction) -> str:
    match action:
        case ReplaceProfile(first=first):
            before = [f"{saves(WriteRecords(first, ''))['Instance'].state}+"] if first else []
            return "".join([*before, "replace"])
        case WriteRecords():
            return str(saves(action)["Instance"].state)
        case NudgeReap():
            return "reap"
        case NudgeProvision():
            return "nudge"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.story)
def test_how_sandbox_treats_a_host_on_its_way(case: Case) -> None:
    assert [step_of(action) for action in decide(view_of(case), NOW)] == case.then


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.story)
def test_a_host_becomes_ready_only_by_its_own_proof_and_ec2s_answer(case: Case) -> None:
    records = [
        saves(action)["Instance"]
        for action in decide(view_of(case), NOW)
        if isinstance(action, WriteRecords)
    ]
    for ready in (record for record in records if record.state is S.READY):
        assert case.reports[X] == PROOF
        assert case.shown == (NEW,)
        assert (ready.boot, ready.proven) == (PROOF.boot, True)


def test_sandbox_watches_exactly_the_states_before_ready() -> None:
    started = InstanceState.STARTING  # See `test_decide_started`.
    assert {*(case.state for case in CASES), started} == set(WATCHED)
    assert S.READY not in WATCHED


def test_the_bootstrap_association_is_replaced() -> None:
    (action,) = decide(view_of(Case("", S.SWAPPING, {}, (OLD,))), NOW)
    assert isinstance(action, ReplaceProfile)
    assert action.association == "iip-old"


def test_a_condemned_host_has_the_reported_reason_or_a_stated_one() -> None:
    silent = a_report("failed", reason="")
    (write, *_) = decide(view_of(Case("", S.BOOTING, {B: silent})), NOW)
    assert saves(write)["Instance"].reason == "the host gave up without a reason"
    (write, *_) = decide(view_of(Case("", S.BOOTING, {B: FAILED})), NOW)
    assert saves(write)["Instance"].reason == "no space left on device"


def test_a_failed_host_does_not_delay_another_host() -> None:
    first, second = an_instance(S.SWAPPING, 0), an_instance(S.SWAPPING, 1)
    reports = {X: FAILED, f"{SANDBOX_ID}:{ec2_id(1)}": a_report("sandboxed", "boot-1")}
    view = SandboxView((first, second), reports, {ec2_id(1): (shown(number=1),)})
    assert [step_of(action) for action in decide(view, NOW)] == [
        "ready",
        "condemned",
        "reap",
        "nudge",
    ]


def wants_answer_and_tick(instance: Instance, reports: dict[str, Report]) -> tuple[bool, bool]:
    """Whether EC2\'s associations of the instance are read, and whether a tick must follow soon."""
    soon = imminent(SandboxView((instance,), reports, {}), NOW + PREPARED_IMAGE)
    return wants_associations(instance, reports, wide=True), soon


@pytest.mark.parametrize(
    ("state", "reports", "close"),
    [
        (S.LAUNCHING, {}, False),
        (S.BOOTING, {B: BOOTING}, False),
        (S.LAUNCHING, {B: SET_UP}, True),
        (S.BOOTING, {B: SET_UP}, True),
        (S.BOOTSTRAPPED, {}, True),
        (S.SWAPPING, {}, True),
    ],
)
def test_only_an_imminent_swap_needs_ec2s_associations_and_another_tick_soon(
    state: InstanceState, reports: dict[str, Report], close: bool
) -> None:
    assert wants_answer_and_tick(an_instance(state), reports) == (close, close)


@pytest.mark.parametrize(("age", "soon"), [(timedelta(0), True), (PREPARED_IMAGE, False)])
def test_a_host_that_has_just_booted_needs_another_tick_soon(age: timedelta, soon: bool) -> None:
    host = replace(an_instance(S.BOOTING), since=NOW - age)
    assert imminent(SandboxView((host,), {B: BOOTING}, {}), NOW) is soon
    launching = an_instance(S.LAUNCHING)
    assert imminent(SandboxView((launching,), {B: BOOTING}, {}), NOW)
    assert not imminent(SandboxView((launching,), {}, {}), NOW)


@pytest.mark.parametrize(
    ("state", "reports", "asked"),
    [
        (S.BOOTING, {B: SET_UP}, True),
        (S.BOOTSTRAPPED, {}, True),
        (S.SWAPPING, {B: SET_UP}, False),
        (S.SWAPPING, {B: SET_UP, X: PROOF}, True),
        (S.SWAPPING, {X: FAILED}, True),
    ],
)
def test_a_narrow_tick_reads_associations_only_for_a_step_that_can_be_taken(
    state: InstanceState, reports: dict[str, Report], asked: bool
) -> None:
    assert wants_associations(an_instance(state), reports, wide=False) is asked


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.story)
def test_equal_views_of_sandbox_give_equal_actions(case: Case) -> None:
    assert decide(view_of(case), NOW) == decide(view_of(case), NOW)


def test_a_sandbox_profile_other_than_the_pinned_one_condemns() -> None:
    other = replace(an_instance().pinned, sandbox_profile=SANDBOX + "-of-another-launch")
    instance = an_instance(S.SWAPPING, pinned=other)
    view = SandboxView((instance,), {X: PROOF}, {ec2_id(): (NEW,)})
    assert [step_of(action) for action in decide(view, NOW)] == ["condemned", "reap", "nudge"]

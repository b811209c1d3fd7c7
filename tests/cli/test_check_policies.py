"""check-policies without an account: what it asks, and what it makes of the answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mayfly.iam.evaluation import Request, decide
from mayfly_cli.account import Account
from mayfly_cli.check_policies import simulator
from mayfly_cli.check_policies.cases import Table, table
from mayfly_cli.check_policies.deployment import deployment
from mayfly_cli.check_policies.policy import READS, policy
from mayfly_cli.check_policies.running import check, verdicts
from mayfly_cli.check_policies.simulator import Simulator
from mayfly_cli.check_policies.verdicts import Verdict, Word, passed
from mayfly_cli.ends import BrokenError, UsageError
from mayfly_cli.findings import Unknown
from tests.cli.real_account import bare_environment, one_line
from tests.cli.real_account import run as run_command
from tests.cli.simulated_account import (
    HERE,
    QUEUE,
    ROLES,
    STACK,
    THERE,
    Iam,
    Reads,
    Time,
    account,
    physical,
)
from tests.security.authorization import actions_on, actions_without_resource

DISPATCH = f"{ROLES}/functions/{physical('DispatchFunctionRole')}"
ALL = table()


def some(*whos: str, on: str = "") -> Table:
    """The cases of these principals whose action begins so."""
    kept = (each for each in ALL.cases if each.who in whos and each.action.startswith(on))
    return replace(ALL, cases=tuple(kept))


def found(
    iam: Iam, cases: Table, reads: Reads | None = None, time: Time | None = None
) -> list[Verdict]:
    here = account(iam, reads)
    asked = Simulator(iam, (time or Time()).clock())
    return list(verdicts(cases, deployment(here, STACK, QUEUE), asked))


def words(verdicts: Sequence[Verdict]) -> set[Word]:
    return {each.word for each in verdicts}


# -- every case ------------------------------------------------------------------------------------


def test_aws_agrees_about_each_case_that_it_can_judge(capsys: pytest.CaptureFixture[str]) -> None:
    iam = Iam()
    assert check(account(iam), STACK, QUEUE, Time().clock()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(ALL.cases) + 1
    assert lines[-1].startswith(f"{len(ALL.cases)} cases: ")
    assert ", 0 differs, " in lines[-1]
    assert len([each for each in lines if each.startswith("held ")]) > 450
    assert "held        A job can read its own row" in lines
    assert any(f"the stack {STACK}" in each for each in lines)
    assert not any("<" in each for each in lines)
    asked = json.dumps(iam.calls)
    assert not [name for name in ("acme", "linux", "123456789012", "eu-west-1") if name in asked]
    own = {each["PolicySourceArn"] for each in iam.calls if "PolicySourceArn" in each}
    assert len(own) == 6
    assert all(each.startswith(f"{ROLES}/") for each in own)


def test_the_reasons_of_the_cases_that_are_not_judged_are_known() -> None:
    by_resource = {each.who for each in ALL.cases if each.resource_decides}
    assert {"foreign", "chained"} <= by_resource
    reasons = {each.why for each in found(Iam(), ALL) if each.word is Word.NOT_JUDGED}
    assert reasons == {
        "the resource's policy decides, and the simulator takes none for a role",
        "the policies belong to another stack than the two that are asked about",
    }


# -- what AWS answers ------------------------------------------------------------------------------


def test_a_role_with_a_right_too_many_makes_the_check_fail(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wide = {"Sid": "Wide", "Effect": "Allow", "Action": "*", "Resource": "*"}
    assert check(account(Iam({DISPATCH: [wide]})), STACK, QUEUE, Time().clock()) == 1
    shown = capsys.readouterr().out
    assert (
        "differs     The function dispatch cannot delete the Fleet table: "
        "AWS says allowed by policy-of-Wide\n"
    ) in shown


def test_a_role_that_lacks_a_right_differs() -> None:
    none = {"Sid": "None", "Effect": "Deny", "Action": "dynamodb:*", "Resource": "*"}
    result = found(Iam({DISPATCH: [none]}), some("dispatch", on="dynamodb:Query"))
    assert [each.why for each in result] == ["AWS says denied by policy-of-None"]


def test_actions_with_the_same_keys_are_asked_about_in_one_call() -> None:
    iam = Iam()
    cases = some("job", on="ec2:")
    assert Word.DIFFERS not in words(found(iam, cases))
    assert len(iam.calls) <= len(cases.cases) / 2
    assert max(len(each["ActionNames"]) for each in iam.calls) > 10


def test_an_answer_in_pages_is_read_to_its_end() -> None:
    cases = some("job", on="ec2:")
    paged = Iam(page=1)
    assert found(paged, cases) == found(Iam(), cases)
    assert any("Marker" in each for each in paged.calls)


def test_an_answer_without_end_breaks_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulator, "MOST_PAGES", 3)
    with pytest.raises(BrokenError, match="more than 3 pages"):
        found(Iam(page=1), some("job", on="ec2:"))


def test_an_answer_about_less_than_was_asked_breaks_the_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        Iam, "simulate_principal_policy", lambda *_, **__: {"EvaluationResults": []}
    )
    with pytest.raises(BrokenError, match="IAM did not answer about dynamodb:Query on "):
        found(Iam(), some("dispatch", on="dynamodb:Query"))


def test_a_throttled_call_waits_and_is_repeated() -> None:
    cases = some("dispatch", on="dynamodb:Query")
    iam, time = Iam(throttles=3), Time()
    assert words(found(iam, cases, time=time)) == {Word.HELD}
    assert time.now == pytest.approx(1 + 2 + 4 + 4 * simulator.SPACE)


def test_calls_are_spaced() -> None:
    iam, time = Iam(), Time()
    found(iam, some("dispatch"), time=time)
    assert time.now == pytest.approx((len(iam.calls) + len(iam.reads)) * simulator.SPACE)


def test_throttles_without_end_break_the_check() -> None:
    iam, time = Iam(throttles=1000), Time()
    with pytest.raises(BrokenError, match="IAM throttled simulate_principal_policy 8 times"):
        found(iam, some("dispatch"), time=time)
    assert len(iam.calls) == simulator.TRIES
    assert time.now < 300


def test_an_action_that_the_simulator_does_not_know_spoils_no_other_case() -> None:
    unknown = "ec2:GetPasswordData"
    result = found(Iam(unknown=[unknown]), some("job", on="ec2:"))
    left_out = [each for each in result if each.word is Word.NOT_JUDGED]
    assert {each.case.action for each in left_out} == {unknown}
    assert {each.why for each in left_out} == {f"the simulator refused: Invalid action: {unknown}"}
    assert passed(result)


def test_a_case_with_a_key_that_the_simulator_does_not_take_is_not_judged() -> None:
    result = found(Iam(dropped=["dynamodb:Attributes"]), some("job", on="dynamodb:"))
    by_key = {each.word for each in result if "dynamodb:Attributes" in each.case.context}
    assert by_key == {Word.NOT_JUDGED}
    assert all(
        each.why == "the simulator did not take dynamodb:Attributes"
        for each in result
        if each.word is Word.NOT_JUDGED
    )
    assert Word.HELD in words(result)


def test_a_check_that_judges_nothing_does_not_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(account(Iam(error="PolicyEvaluation")), STACK, QUEUE, Time().clock()) == 1
    assert ": 0 held, 0 differs, " in capsys.readouterr().out


def test_a_refused_call_names_the_right_that_is_missing() -> None:
    with pytest.raises(BrokenError, match="the caller may not iam:SimulatePrincipalPolicy"):
        check(account(Iam(error="AccessDenied")), STACK, QUEUE, Time().clock())


def test_another_error_of_iam_breaks_the_check() -> None:
    with pytest.raises(BrokenError, match="NoSuchEntity"):
        check(account(Iam(error="NoSuchEntity")), STACK, QUEUE, Time().clock())


# -- the deployment --------------------------------------------------------------------------------


def test_a_deployment_without_a_part_leaves_its_cases_unjudged() -> None:
    bare = Reads(parameters={"TokenParameter": "/t", "TokenKmsKey": ""}, scripts="")
    reasons = {each.why for each in found(Iam(), ALL, bare) if each.word is Word.NOT_JUDGED}
    assert "the control plane has no KMS key of its own for the token" in reasons
    assert "the queue has no place for bootstrap scripts" in reasons


@pytest.mark.parametrize(
    ("stack", "queue", "value", "says"),
    [
        ("nowhere", QUEUE, "", f"nowhere is not in account {HERE}, {THERE}"),
        (STACK, "none", "", f"/mayfly-infra/{STACK}/queues/none is not in account"),
        (STACK, QUEUE, "{}", "is not what a queue's stack publishes: KeyError"),
        (STACK, QUEUE, "[", "is not what a queue's stack publishes: JSON"),
    ],
)
def test_the_check_does_not_begin_without_a_deployment(
    stack: str, queue: str, value: str, says: str
) -> None:
    iam = Iam()
    with pytest.raises(UsageError, match=says):
        check(account(iam, Reads(value=value)), stack, queue, Time().clock())
    assert iam.calls == []


def test_a_deployment_that_may_not_be_read_stops_the_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = account(Iam())
    unknown = Unknown("the caller may not ssm:GetParameter")
    monkeypatch.setattr(Account, "ask", lambda *_, **__: unknown)
    with pytest.raises(UsageError, match="the caller may not ssm:GetParameter"):
        check(here, STACK, QUEUE, Time().clock())


# -- the caller's rights ---------------------------------------------------------------------------

STACK_ARN = f"arn:aws:cloudformation:{THERE}:{HERE}:stack/{STACK}/1"


@pytest.mark.parametrize(
    ("action", "resource", "allowed"),
    [
        ("cloudformation:DescribeStacks", STACK_ARN, True),
        ("cloudformation:ListStackResources", STACK_ARN, True),
        ("cloudformation:UpdateStack", STACK_ARN, False),
        ("iam:SimulatePrincipalPolicy", DISPATCH, True),
        ("iam:SimulatePrincipalPolicy", f"arn:aws:iam::{HERE}:role/admin", False),
        ("iam:SimulateCustomPolicy", "*", True),
        ("iam:GetPolicyVersion", "arn:aws:iam::aws:policy/PowerUserAccess", True),
        ("iam:GetPolicy", f"arn:aws:iam::{HERE}:policy/mayfly/{STACK}/people/Operators", True),
        ("iam:GetPolicy", f"arn:aws:iam::{HERE}:policy/other", False),
        ("iam:PutRolePolicy", DISPATCH, False),
        (
            "ssm:GetParameter",
            f"arn:aws:ssm:{THERE}:{HERE}:parameter/mayfly-infra/{STACK}/queues/{QUEUE}",
            True,
        ),
        ("ssm:GetParameter", f"arn:aws:ssm:{THERE}:{HERE}:parameter/ci/token", False),
    ],
)
def test_the_callers_policy_covers_the_checks_own_calls_alone(
    action: str, resource: str, allowed: bool
) -> None:
    statements = policy(stack=STACK)["Statement"]
    assert decide(Request(action, resource), statements).allowed is allowed


def test_the_callers_policy_only_reads() -> None:
    resources = (STACK_ARN, DISPATCH, "arn:aws:iam::aws:policy/x", "arn:aws:ssm:r:1:parameter/x")
    known = [each for resource in resources for each in actions_on(resource)]
    levels = {each.name: each.level for each in (*known, *actions_without_resource("iam"))}
    assert {levels[each] for each in READS} <= {"Read", "List"}


def test_the_policy_is_printed_without_credentials(tmp_path: Path) -> None:
    ended = run_command(
        "check-policies", "--stack", STACK, "--policy", environment=bare_environment(tmp_path)
    )
    assert (ended.status, json.loads(ended.out)) == (0, policy(stack=STACK))


def test_the_command_does_not_begin_without_credentials(tmp_path: Path) -> None:
    ended = run_command(
        "check-policies", f"--region={THERE}", environment=bare_environment(tmp_path)
    )
    assert "no AWS credentials" in one_line(ended)

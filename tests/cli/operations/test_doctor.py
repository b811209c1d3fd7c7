"""`mayfly doctor`: what is wrong, what could not be looked at, and how long it may take."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from mayfly.records.model import Heard, Lease, RolesVerdict
from mayfly_cli.doctor import survey
from mayfly_cli.doctor.deployment import OF_DISPATCH_ALONE, of_queue
from mayfly_cli.doctor.result import Health, health
from mayfly_cli.doctor.stacks import Stack, answers_of, described, state
from mayfly_cli.doctor.survey import QueueSurvey, Survey
from mayfly_cli.doctor.within import within
from mayfly_cli.findings import Finding, Unknown, Verdict
from mayfly_cli.preflight import gather_buildkite, gather_ec2
from mayfly_cli.preflight.answers import Answers
from mayfly_cli.preflight.snapshot import Token
from tests.cli.operations.conftest import StackInMoto
from tests.cli.operations.samples import ALARMS, KEY, queue, sample, surveyed
from tests.cli.test_preflight_checks import GOOD, answers
from tests.cli.test_preflight_gather import stubbed
from tests.unit.builders import NOW, a_config, ago, later
from tests.unit.published import queue_stack

STACK = Stack("ci-queue-gpu", "CREATE_COMPLETE", {})


def good(**changes: Any) -> Survey:
    """A survey without any fault of two queues."""
    seen = replace(GOOD, now=NOW, token=Token("SecureString", "", Unknown("not asked")))
    mine = QueueSurvey(STACK, answers(), seen)
    control = Stack("ci", "UPDATE_COMPLETE", {"TokenParameter": "/t", "TokenKmsKey": ""})
    alarms = [{**ALARMS[0], "StateValue": "OK"}]
    return replace(Survey(control, alarms, {}, seen, {"a": mine, "b": mine}), **changes)


def examined(given: Survey, **changes: Any) -> Health:
    read = RolesVerdict(ago(1), "digest")
    queues = tuple(queue(name, config={}, live=0) for name in ("a", "b"))
    queues = tuple(replace(q, record=replace(q.record, roles=read)) for q in queues)
    return health(replace(sample(), queues=queues, **changes), (), given)


def found(given: Health, subject: str) -> Finding:
    [finding] = [each for each in given.every if each.subject == subject]
    return finding


def test_a_good_stack_needs_nobody_and_says_what_needs_the_token() -> None:
    seen = examined(good())
    assert not seen.needs_person
    assert {each.verdict for each in seen.every} == {Verdict.OK}
    [left] = seen.not_looked_at
    assert left.why == OF_DISPATCH_ALONE
    assert "token at Buildkite" in left.subjects


@pytest.mark.parametrize(
    "changes",
    [
        {"subnets": Unknown("the caller may not ec2:DescribeSubnets")},
        {"types": Unknown("the caller may not ec2:DescribeInstanceTypes")},
        {"image": Unknown("the caller may not ec2:DescribeImages")},
        {"archive": Unknown("no answer within 10 s")},
    ],
)
def test_what_a_viewer_may_not_read_is_listed_and_turns_nothing_red(
    changes: Mapping[str, Any],
) -> None:
    seen = replace(GOOD, **changes)
    given = good(queues={"a": QueueSurvey(STACK, answers(), seen)})
    checked = examined(given)
    assert not checked.needs_person
    [why] = {each.reason for each in changes.values()}
    left = [each for each in checked.not_looked_at if why in each.why]
    assert all("(a)" in subject for each in left for subject in each.subjects)
    lacking = "may not" in why
    assert (found(checked, "rights").verdict is Verdict.WARNING) is lacking
    assert not lacking or why.rpartition(" ")[2] in found(checked, "rights").detail


def test_the_same_missing_right_of_many_queues_is_one_line() -> None:
    denied = Unknown("the caller may not cloudformation:DescribeStacks")
    given = good(queues={name: QueueSurvey(denied, denied) for name in ("a", "b")})
    [left] = [e for e in examined(given).not_looked_at if e.why == denied.reason]
    assert left.subjects == ("stack (a, b)",)


@pytest.mark.parametrize(
    ("status", "verdict", "remedy"),
    [
        ("UPDATE_COMPLETE", Verdict.OK, ""),
        ("UPDATE_IN_PROGRESS", Verdict.WARNING, ""),
        ("UPDATE_ROLLBACK_COMPLETE", Verdict.WARNING, "describe-stack-events"),
        ("UPDATE_ROLLBACK_FAILED", Verdict.WRONG, "continue-update-rollback"),
        ("DELETE_FAILED", Verdict.WRONG, "describe-stack-events"),
        ("ROLLBACK_COMPLETE", Verdict.WRONG, "describe-stack-events"),
        ("DELETE_IN_PROGRESS", Verdict.WARNING, ""),
    ],
)
def test_each_state_of_a_queues_stack_has_its_verdict(
    status: str, verdict: Verdict, remedy: str
) -> None:
    finding = state("stack", replace(STACK, status=status), "eu-1")
    assert finding.verdict is verdict
    assert remedy in finding.remedy
    assert bool(remedy) is bool(finding.remedy)


def test_a_stack_that_does_not_exist_is_wrong() -> None:
    assert state("stack", None, "eu-1").verdict is Verdict.WRONG


def test_what_holds_up_no_job_today_is_advice() -> None:
    small = replace(GOOD, quotas={"L-1216C47A": 8.0})
    [quota] = [e for e in of_queue(QueueSurvey(STACK, answers(), small), "eu-1") if e.remedy]
    assert (quota.subject, quota.verdict) == ("quota on-demand", Verdict.WARNING)
    gone = replace(GOOD, image=None)
    [image] = [e for e in of_queue(QueueSurvey(STACK, answers(), gone), "eu-1") if e.remedy]
    assert (image.subject, image.verdict) == ("image", Verdict.WRONG)


def test_the_answers_are_those_of_the_deployed_stacks() -> None:
    control = Stack(
        "ci",
        "CREATE_COMPLETE",
        {
            "TokenParameter": "/t", "TokenKmsKey": "", "InstanceSizes": "large",
            "DispatchSubnets": "", "QueueKey": "first", "VpcId": "vpc-first", "Subnets": "subnet-f",
            "AssignPublicIp": "true",
        },
    )  # fmt: skip
    given = {
        **dict.fromkeys(
            ("AgentSha256Amd64", "AgentSha256Arm64", "RootVolumeKey", "SandboxRoleName"), ""
        ),
        "VpcId": "vpc-gpu", "Subnets": "subnet-1,subnet-2", "AssignPublicIp": "false",
        "AgentVersion": "3.138.3", "AgentArchiveUrl": "https://x/{version}-{arch}",
        "AmazonLinuxX8664": "ami-public", "AmazonLinuxArm64": "ami-arm", "OwnImageX8664": "",
        "OwnImageArm64": "ami-own", "RootDeviceName": "/dev/xvda",
    }  # fmt: skip
    made = answers_of(control, "gpu", replace(STACK, parameters=given), a_config(), "ci")
    assert not isinstance(made, Unknown)
    assert (made.queue, made.subnets, made.public) == ("gpu", ("subnet-1", "subnet-2"), False)
    assert (made.sizes, made.own_image) == (("large",), "ami-public")
    assert made.archive()[0] == "https://x/3.138.3-amd64"
    del given["AgentArchiveUrl"]
    older = answers_of(control, "gpu", replace(STACK, parameters=given), a_config(), "ci")
    assert older == Unknown(
        "ci-queue-gpu is of another version than this tool: it has no parameter AgentArchiveUrl"
    )


def test_a_parameter_of_a_stack_that_names_an_ssm_parameter_has_the_value_of_the_deployment() -> (
    None
):
    shown = {"ParameterKey": "AmazonLinuxX8664", "ParameterValue": "/aws/x", "ResolvedValue": "ami"}
    with stubbed("cloudformation") as (account, stub):
        answer: Any = {
            "StackName": "ci", "StackStatus": "CREATE_COMPLETE", "CreationTime": NOW,
            "Parameters": [shown, {"ParameterKey": "QueueKey", "ParameterValue": "a"}],
        }  # fmt: skip
        stub.add_response("describe_stacks", {"Stacks": [answer]})
        stub.add_client_error("describe_stacks", "ValidationError")
        stub.add_client_error("describe_stacks", "AccessDenied")
        seen = described(account, "ci")
        assert seen == Stack("ci", "CREATE_COMPLETE", {"AmazonLinuxX8664": "ami", "QueueKey": "a"})
        assert described(account, "ci") is None
        assert described(account, "ci") == Unknown(
            "the caller may not cloudformation:DescribeStacks"
        )


def test_a_read_that_hangs_or_fails_holds_up_nothing_else() -> None:
    forever = threading.Event()

    def fails() -> None:
        raise RuntimeError("odd")

    begun = time.monotonic()
    read: dict[str, Any] = within({"hangs": forever.wait, "fails": fails, "good": lambda: 1}, 0.1)
    assert time.monotonic() - begun < 5
    assert read == {
        "hangs": Unknown("no answer within 0.1 s"),
        "fails": Unknown("cannot be read: RuntimeError: odd"),
        "good": 1,
    }
    assert within({}, 1) == {}
    forever.set()


@pytest.mark.parametrize(
    ("lease", "subject", "says"),
    [
        (None, "lease", "the function dispatch has never run, so no job is taken"),
        (Lease("i", 7, ago(9)), "lease", "the function dispatch does not run since 08:51"),
        (
            Lease("i", 7, later(1), Heard(NOW, ago(30), "401 Unauthorized")),
            "token",
            "Buildkite refuses the agent token since 08:30: 401 Unauthorized",
        ),
    ],
)
def test_the_lease_row_tells_of_dispatch_and_of_the_token(
    lease: Lease | None, subject: str, says: str
) -> None:
    checked = examined(good(), lease=lease)
    assert checked.needs_person
    assert found(checked, subject).verdict is Verdict.WRONG
    assert says in found(checked, subject).detail


def test_dead_letters_are_a_subject_of_their_own() -> None:
    assert found(examined(good()), "dead letters").detail.startswith(
        "no event was given up: ci-DeadL"
    )
    checked = examined(good(alarms=ALARMS))
    assert found(checked, "ci-DeadLettersWaiting").verdict is Verdict.WRONG
    assert not [each for each in checked.every if each.subject == "dead letters"]
    denied = examined(good(alarms=Unknown("you may not cloudwatch:DescribeAlarms")))
    assert not denied.needs_person
    assert ("alarms", "dead letters") in [each.subjects for each in denied.not_looked_at]


def test_equal_remedies_are_told_once() -> None:
    shown = [
        row.text for row in health(sample(), (), surveyed()).document() if hasattr(row, "text")
    ]
    assert len(shown) == len(set(shown))


def test_the_doctor_finds_what_is_wrong(in_moto: StackInMoto) -> None:
    in_moto.put("pool/hot", "ten")
    in_moto.put("paused", "true", queue="deplox")
    in_moto.provision()
    ended = in_moto.run("doctor", "--json")
    shown = json.loads(ended.out)
    assert ended.status == 1
    wrong = {e["subject"]: e["detail"] for e in shown["findings"] if e["verdict"] == "wrong"}
    assert "the function dispatch has never run" in wrong["lease"]
    assert "deplox has parameters, and there is no such queue; deploy is one" in wrong["parameters"]
    [deploy] = shown["queues"]
    assert "pool/hot" in deploy["findings"][0]["detail"]
    assert "CloudFormation has no such stack" in wrong["control stack"]


def test_the_doctor_is_content_with_a_good_stack(in_moto: StackInMoto) -> None:
    client = in_moto.account.client("cloudformation")
    template = '{"Resources": {}, "Parameters": {"TokenParameter": {"Type": "String"}, '
    template += '"TokenKmsKey": {"Type": "String", "Default": ""}}}'
    token = {"ParameterKey": "TokenParameter", "ParameterValue": "/ci/token"}
    client.create_stack(StackName="ci", TemplateBody=template, Parameters=[token])
    ssm = in_moto.account.client("ssm")
    ssm.put_parameter(Name="/ci/token", Value="x", Type="SecureString")
    in_moto.save(Lease("i", 1, later(1), Heard(listed_at=ago(seconds=1))))
    ended = in_moto.run("doctor")
    assert ended.status == 0, ended.out
    assert "its stack is of an earlier version, which does not publish its own name" in " ".join(
        ended.out.split()
    )


def test_equal_reads_of_many_queues_are_made_once(
    in_moto: StackInMoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = list[object]()
    names = [f"q{number}" for number in range(20)]
    stacks = {"control": Stack("ci", "CREATE_COMPLETE", {})}
    monkeypatch.setattr(survey, "described", lambda account, name: stacks["control"])
    monkeypatch.setattr(survey, "answers_of", lambda *_: answers())

    def network(account: Any, asked: Answers) -> Any:
        calls.append(asked)
        return GOOD.subnets, GOOD.types

    monkeypatch.setattr(survey, "_read_network", network)
    monkeypatch.setattr(survey, "_read_image", lambda account, a: (GOOD.image, {}))
    monkeypatch.setattr(gather_ec2, "quotas", lambda *_: GOOD.quotas)
    monkeypatch.setattr(gather_buildkite, "archive", lambda *_: GOOD.archive)
    monkeypatch.setattr(survey, "line_of", lambda *_: GOOD.agent_line)
    queues = tuple(
        replace(
            each,
            record=replace(
                each.record,
                infra=queue_stack(stack="arn:x")
                .replace('"deploy"', f'"{each.queue}"')
                .replace("/deploy/", f"/{each.queue}/"),
            ),
        )
        for each in (queue(name, config={}, live=0) for name in names)
    )
    view = replace(sample(), queues=queues)
    read = survey.survey(in_moto.connected(None, None), view, "https://x")
    assert len(calls) == 1
    assert set(read.queues) == set(names)
    assert all(each.seen and each.seen.subnets == GOOD.subnets for each in read.queues.values())


def test_a_key_that_a_viewer_may_not_read_is_named_with_its_action() -> None:
    [left] = [each for each in health(sample(), (), surveyed()).not_looked_at if KEY in each.why]
    assert left.why == f"{KEY}: the caller may not kms:DescribeKey"
    assert left.subjects == ("volume key (default, docs, gpu)",)

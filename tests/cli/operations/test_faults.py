"""Every command of the tool against every fault of its surroundings: one line, and its status."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from mayfly.records.changes import Save
from mayfly_cli import account as accounts
from mayfly_cli.command_line import leaves
from mayfly_cli.main import mayfly, run_command
from mayfly_cli.operations.rights import GRANTS, WRITES, how_to_get, policies_for
from mayfly_cli.templates.reading import read
from tests.cli.operations import faults
from tests.cli.operations.conftest import StackInMoto, make_tables
from tests.cli.operations.faults import (
    ACCOUNT,
    CHANGING,
    EVERY,
    OPERATORS,
    SECRET,
    SECRETS,
    Hanging,
    Throttled,
    run,
    struck,
)
from tests.cli.real_account import one_line
from tests.unit.builders import STACK

TEMPLATE = Path(__file__).parents[3] / "template.yaml"


def test_every_command_has_a_row() -> None:
    assert set(leaves(mayfly)) == set(EVERY)


def test_every_command_works_without_a_fault(busy: StackInMoto) -> None:
    for name in OPERATORS:
        ended = run(busy, name)
        assert ended.status in {0, 1}, ended
        assert ended.err == ""


# -- credentials -----------------------------------------------------------------------------------


class Caller:
    """A session whose first call, for the caller's identity, fails."""

    region_name = "eu-central-1"

    def __init__(self, error: Exception) -> None:
        self._error = error

    def client(self, service: str, config: Any) -> Any:
        def get_caller_identity() -> Any:
            raise self._error

        return SimpleNamespace(get_caller_identity=get_caller_identity)


def error_of(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": SECRET}}, "GetCallerIdentity")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (NoCredentialsError(), "no AWS credentials: log in (`aws sso login`), or set AWS_PROFILE"),
        (error_of("ExpiredToken"), "AWS refuses these credentials (ExpiredToken): log in again"),
        (error_of("InvalidClientTokenId"), "AWS refuses these credentials (InvalidClientTokenId)"),
        (error_of("AccessDenied"), "AWS does not say whose credentials these are (AccessDenied t"),
    ],
)
def test_credentials_that_are_missing_or_refused_are_one_line(
    error: Exception, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mayfly_cli.account.boto3.Session", lambda region_name: Caller(error))
    for name in (*OPERATORS, *ACCOUNT, *SECRETS):
        words = EVERY[name]
        status = run_command((*name.split(), *words))
        shown = capsys.readouterr()
        assert (status, shown.out) == (2, ""), shown
        (line,) = shown.err.splitlines()
        assert line.startswith(f"mayfly {name}: {says}")
        assert SECRET not in line


@pytest.mark.parametrize("name", ["first-job", "check-buildkite"])
def test_a_missing_token_of_buildkite_is_one_line(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable in ("BUILDKITE_API_TOKEN", "BUILDKITE_AGENT_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert run_command((name, *EVERY[name])) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "_TOKEN" in line


# -- answers of AWS --------------------------------------------------------------------------------


def calls_of(world: StackInMoto, name: str) -> list[str]:
    """The calls that a command makes, as actions of IAM, in their order."""
    seen: dict[str, None] = {}

    def note(model: Any, **_: Any) -> None:
        service = model.service_model.service_name
        seen[f"{service}:{model.name}"] = None

    with struck(world.account, "before-call", note):
        run(world, name)
    return list(seen)


def denial(action: str, resource: str) -> str:
    """IAM's words, as in its user guide, "Troubleshoot access denied error messages"."""
    return (
        f"User: arn:aws:sts::123456789012:assumed-role/look/eve is not authorized to perform: "
        f"{action} on resource: {resource} because no identity-based policy allows the {action} "
        "action"
    )


RESOURCES = {
    "dynamodb": ("arn:aws:dynamodb:eu-central-1:1:table/ci-fleet", " on table ci-fleet"),
    "ssm": (
        "arn:aws:ssm:eu-central-1:1:parameter/mayfly/ci/queues/deploy/pool/hot",
        " on /mayfly/ci/queues/deploy/pool/hot",
    ),
    "cloudwatch": ("arn:aws:cloudwatch:eu-central-1:1:alarm:*", " on alarm *"),
    "logs": (
        "arn:aws:logs:eu-central-1:1:log-group:/aws/lambda/ci-dispatch:log-stream:",
        " on log group /aws/lambda/ci-dispatch:log-stream:",
    ),
    "cloudformation": ("arn:aws:cloudformation:eu-central-1:1:stack/ci/*", " on stack ci/*"),
    "ec2": ("arn:aws:ec2:eu-central-1:1:instance/i-1", " on instance i-1"),
}


@pytest.mark.slow
def test_a_missing_right_names_action_resource_and_policy(busy: StackInMoto) -> None:
    for name in OPERATORS:
        actions = calls_of(busy, name)
        assert "dynamodb:Query" in actions
        for action in actions:
            service, _, operation = action.partition(":")
            resource, shown = RESOURCES.get(service, ("*", ""))
            handler = faults.refused("AccessDeniedException", denial(action, resource), operation)
            with struck(busy.account, "before-call", handler):
                ended = run(busy, name)
            said = " ".join((ended.out + ended.err).split())
            if operation == "ListTables":
                assert "you may not dynamodb:ListTables, by which the stack is found" in said
                continue
            # The run before made the change, so this one need not write and wait.
            if "nothing to change" in said:
                continue
            # A doctor tells what it could not ask among its findings.
            refusal = f"you may not {action}{shown}: {policies_for(action, resource, 'ci')[0]}"
            assert refusal in said or (name == "doctor" and f"may not {action}" in said)
            # A write that was made stays.
            told = {1, 2} if name in {"doctor", *CHANGING} else {2}
            assert ended.status in told, (name, action, ended)


def test_a_write_that_is_refused_names_the_policy_of_those_who_may(busy: StackInMoto) -> None:
    for name, value, policy in (
        ("pool/hot", "3", "OperatorsPolicy"),
        ("imds", "job", "SecurityOwnersPolicy"),
        ("policy/rules/main", "pipeline=app", "SecurityOwnersPolicy"),
        ("job/max-minutes", "100", "OperatorsPolicy"),
    ):
        arn = f"arn:aws:ssm:eu-central-1:1:parameter/mayfly/ci/queues/deploy/{name}"
        text = denial("ssm:PutParameter", arn)
        with struck(
            busy.account,
            "before-call",
            faults.refused("AccessDeniedException", text, "PutParameter"),
        ):
            ended = busy.run("set", "deploy", name, value)
        path = f"/mayfly/ci/queues/deploy/{name}"
        assert one_line(ended) == (
            f"mayfly set: you may not ssm:PutParameter on {path}: {policy} allows it "
            "(output of the stack ci)"
        )


def test_an_explicit_deny_is_told() -> None:
    text = (
        "User: eve is not authorized to perform: dynamodb:Query on resource: "
        "arn:aws:dynamodb:r:1:table/ci-fleet/index/open with an explicit deny in a service control "
        "policy"
    )
    assert how_to_get("dynamodb:Query", text, "ci") == (
        "you may not dynamodb:Query on table ci-fleet/index/open, which your service control policy"
        " denies: ViewersPolicy, OperatorsPolicy or SecurityOwnersPolicy allows it (output of the "
        "stack ci)"
    )


STACKS = "arn:aws:cloudformation:r:1:stack"
PARAMETERS = "arn:aws:ssm:r:1:parameter/mayfly/ci"
PUBLISHED = "arn:aws:ssm:r:1:parameter/mayfly-infra/ci/queues/deploy"
NOBODY = "none of the stack's policies for people allows it"


@pytest.mark.parametrize(
    ("action", "resource", "says"),
    [
        ("cloudformation:DescribeStacks", f"{STACKS}/ci/*", "OperatorsPolicy or SecurityOwnersP"),
        ("cloudformation:DescribeStacks", f"{STACKS}/ci-queue-gpu/*", "ViewersPolicy or Operators"),
        (
            "ssm:DeleteParameter",
            f"{PARAMETERS}/queues/nosuch/pool/hot",
            "OperatorsPolicy allows it",
        ),
        ("ssm:DeleteParameter", f"{PARAMETERS}/queues/nosuch/imds", "SecurityOwnersPolicy allows"),
        (
            "ssm:DeleteParameter",
            f"{PARAMETERS}/pool/hot",
            f"{NOBODY}; an administrator runs: aws ssm delete-parameter --name /mayfly/ci/pool/hot",
        ),
        ("ssm:PutParameter", f"{PARAMETERS}/queues/deploy/nonsense", NOBODY),
        ("s3:GetObject", "arn:aws:s3:::a/b", NOBODY),
        ("s3:ListBucket", '"arn:aws:s3:::bucket"', f"s3:ListBucket on bucket: {NOBODY}"),
        ("ssm:GetParameters", PUBLISHED, "for a queue's secrets, SecretsOwnersPolicy allows it"),
        ("ssm:PutParameter", PUBLISHED, NOBODY),
    ],
)
def test_a_refusal_names_the_policy_that_gives_the_right_on_this_resource(
    action: str, resource: str, says: str
) -> None:
    assert says in how_to_get(action, denial(action, resource), "ci")


def test_the_table_of_rights_says_what_the_policies_say() -> None:
    resources = read(TEMPLATE)["Resources"]
    given: dict[str, list[str]] = {}
    for policy in ("ViewersPolicy", "OperatorsPolicy", "SecurityOwnersPolicy"):
        for statement in resources[policy]["Properties"]["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Allow":
                actions = statement["Action"]
                for action in [actions] if isinstance(actions, str) else actions:
                    given.setdefault(action, []).append(policy)
    writes = {action: given.pop(action) for action in WRITES}
    assert {action: list(policies) for action, policies in GRANTS.items()} == given
    assert set(map(tuple, writes.values())) == {("OperatorsPolicy", "SecurityOwnersPolicy")}


def test_none_of_the_stacks_policies_for_people_reads_what_queues_publish() -> None:
    resources = read(TEMPLATE)["Resources"]
    for policy in ("ViewersPolicy", "OperatorsPolicy", "SecurityOwnersPolicy"):
        document = resources[policy]["Properties"]["PolicyDocument"]
        allows = [each for each in document["Statement"] if each["Effect"] == "Allow"]
        assert "mayfly-infra" not in repr(allows)


def test_credentials_that_expire_in_the_middle_are_one_line(busy: StackInMoto) -> None:
    handler = faults.refused("ExpiredTokenException", SECRET, "Query")
    with struck(busy.account, "before-call", handler):
        for name in OPERATORS:
            line = one_line(run(busy, name))
            assert line == (
                f"mayfly {name}: AWS refuses these credentials (ExpiredTokenException): log in "
                "again"
            )


def test_a_region_without_a_stack_and_one_with_several_are_told(in_moto: StackInMoto) -> None:
    client = in_moto.account.client("dynamodb")
    make_tables(client, "other")
    for name in OPERATORS:
        line = one_line(run(in_moto, name))
        assert "several stacks in eu-central-1: ci, other; name one by --stack" in line
    for ending in ("fleet", "mailbox"):
        client.delete_table(TableName=f"{STACK}-{ending}")
        client.delete_table(TableName=f"other-{ending}")
    for name in OPERATORS:
        line = one_line(run(in_moto, name))
        assert "there is no stack of Mayfly in eu-central-1: --region names another" in line
        line = one_line(in_moto.run(name, *OPERATORS[name], "--stack", "nope"))
        assert "there is no stack nope here, for there is no table nope-fleet" in line


def test_a_stack_of_an_older_version_is_told_with_what_to_deploy(busy: StackInMoto) -> None:
    text = "The table does not have the specified index: open"
    handler = faults.refused("ValidationException", text, "Query")
    with struck(busy.account, "before-call", handler):
        for name in OPERATORS:
            line = one_line(run(busy, name))
            older = "the stack ci is of an older version than this tool, mayfly 0.1.0 (The table do"
            assert older in line
            assert "deploy this version" in line


@pytest.mark.parametrize("name", ["set", "unset", "pool", "pause", "resume", "drain", "recycle"])
def test_a_queue_stack_of_another_version_is_told_with_what_to_deploy(
    busy: StackInMoto, name: str
) -> None:
    old = json.loads(busy.row().infra)
    del old["script_prefix"]
    busy.fleet.write([Save(replace(busy.row(), infra=json.dumps(old)))])
    line = one_line(run(busy, name))
    assert "script_prefix: Field required" in line
    assert "deploy stacks/queue.yaml of this version" in line
    assert busy.value("pool/hot") == "1"


def test_a_throttled_table_ends_a_command_after_three_tries(
    in_moto: StackInMoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=waited.append))
    for name in OPERATORS:
        throttled = Throttled()
        waited.clear()
        with struck(in_moto.account, "before-send.dynamodb.ListTables", throttled):
            line = one_line(run(in_moto, name))
        assert throttled.sent == 3
        assert sum(waited) <= 3
        assert "answers ProvisionedThroughputExceededException to ListTables, 3 times in a" in line
        assert "try again in a moment" in line


def test_an_endpoint_that_hangs_ends_a_command_after_three_time_limits(
    in_moto: StackInMoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
    for name in OPERATORS:
        hanging = Hanging()
        with struck(in_moto.account, "before-send.dynamodb.ListTables", hanging):
            line = one_line(run(in_moto, name))
        assert "AWS cannot be asked: Read timeout on endpoint URL" in line
        # botocore has a quota of repetitions for each client, which these commands share here.
        assert 1 <= hanging.sent <= 3


def test_the_time_of_a_call_without_an_answer_is_bounded() -> None:
    config: Any = accounts.QUICK
    attempts = config.retries["total_max_attempts"]
    # Standard mode waits 1 s and 2 s at most. Source: botocore, retries/standard.py.
    assert attempts * max(config.read_timeout, config.connect_timeout) + 3 <= 35

"""The operators' tool over the local AWS, with the rights of the deployed policies alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local.deployed_account import Account
from mayfly.adapters.dynamodb.fleet import DynamoFleet
from mayfly.adapters.dynamodb.transactions import Tables
from mayfly.config.read import ControlPlane, queue_record
from mayfly.records.changes import Save
from mayfly_cli.main import run_command
from mayfly_lab.contracts import Keys

READS = (
    "status",
    "doctor",
    "jobs",
    "instances",
    "launches",
    "waits",
    "cost",
    "changes",
    "plan",
    "report",
    "get first",
    "explain first",
)


@pytest.fixture
def as_operator(account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The tool's environment: the operator's keys, and the lab's endpoint."""
    _become(account.lab.aws.operator, account, monkeypatch, tmp_path)


@pytest.fixture
def as_security_owner(account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The tool's environment, with the keys of somebody who has SecurityOwnersPolicy alone."""
    _become(account.lab.aws.security_owner, account, monkeypatch, tmp_path)


def _become(keys: Keys, account: Account, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "AWS_SESSION_TOKEN": keys.token,
        "AWS_REGION": account.client("ssm").meta.region_name,
        "AWS_ENDPOINT_URL": account.lab.aws.endpoint,
        "HOME": str(home),
        "BUILDKITE_AGENT_RELEASES": "http://127.0.0.1:9/releases",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def record(account: Account) -> None:
    """The queue's record, as `provision` writes it; the functions do not run here.

    The table's policy refuses records from everybody but functions, and from the lab's own client.
    """
    fleet = DynamoFleet(
        account.lab.aws.client("dynamodb"), Tables("mayfly-fleet", "mayfly-mailbox")
    )
    name = "/mayfly-infra/mayfly/queues/first"
    text = account.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    made = queue_record(None, "first", text, {}, ControlPlane("mayfly", "a" * 64))
    assert made.config
    fleet.write([Save(made)])


@pytest.mark.parametrize("words", READS)
def test_an_operator_may_ask_everything(
    as_operator: None, record: None, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    status = run_command([*words.split(), "--json"])
    shown = capsys.readouterr()
    assert status in {0, 1}, shown.err
    assert json.loads(shown.out)


def test_the_doctor_looks_at_the_deployment_with_an_operators_rights(
    as_operator: None, record: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """The queue's stack is found, and its parameters and the network are read, with no refusal."""
    run_command(["doctor", "--json"])
    shown = json.loads(capsys.readouterr().out)
    by_subject = {each["subject"]: each for each in shown["findings"]}
    assert by_subject["rights"]["verdict"] == "ok"
    assert by_subject["control stack"]["detail"] == "mayfly is CREATE_COMPLETE"
    [queue] = shown["queues"]
    verdicts = {each["subject"]: each["verdict"] for each in queue["deployment"]}
    assert set(verdicts.values()) == {"ok"}
    assert {"stack", "zones", "addresses", "m7i.large", "quota on-demand", "image"} <= set(verdicts)
    left = {each for one in shown["not_looked_at"] for each in one["subjects"]}
    # Of this account: no function runs, and the agent's releases are on the internet.
    assert left == {
        *("token", "token's value", "token at Buildkite", "token's queues", "token's limits"),
        *("roles (first)", "agent archive (first)", "agent version (first)"),
    }


@pytest.mark.parametrize("words", READS)
def test_a_security_owner_may_ask_what_is_in_force_and_why(
    as_security_owner: None, record: None, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    status = run_command([*words.split(), "--json"])
    shown = capsys.readouterr()
    assert status in {0, 1}, shown.err
    assert json.loads(shown.out)


@pytest.mark.parametrize("stack", [(), ("--stack", "mayfly")])
def test_a_right_that_a_security_owner_lacks_is_named(
    as_security_owner: None,
    record: None,
    capsys: pytest.CaptureFixture[str],
    stack: tuple[str, ...],
) -> None:
    assert run_command(["set", "first", "pool/hot", "1", *stack]) == 2
    assert capsys.readouterr().err == (
        "mayfly set: you may not ssm:PutParameter on /mayfly/mayfly/queues/first/pool/hot: "
        "OperatorsPolicy allows it (output of the stack mayfly)\n"
    )


ROOT = "/mayfly/mayfly"
STRAY = f"{ROOT}/queues/nosuch"
OF_NOBODY = (
    "none of the stack's policies for people allows it; an administrator runs: aws ssm "
    "delete-parameter --name"
)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (f"{STRAY}/pool/hot", ""),
        (f"{STRAY}/limits/max-instances", ""),
        (f"{ROOT}/queues/first/pool/hots", ""),
        (
            f"{STRAY}/imds",
            f"on {STRAY}/imds, which your identity-based policy denies: SecurityOwnersPolicy allow",
        ),
        (f"{STRAY}/hot", f"{OF_NOBODY} {STRAY}/hot"),
        (f"{ROOT}/pool/hot", f"{OF_NOBODY} {ROOT}/pool/hot"),
    ],
)
def test_an_operator_removes_a_parameter_that_no_queue_reads(
    account: Account,
    as_operator: None,
    record: None,
    capsys: pytest.CaptureFixture[str],
    path: str,
    says: str,
) -> None:
    ssm = account.client("ssm")
    ssm.put_parameter(Name=path, Value="1", Type="String")
    try:
        assert run_command(["get", path]) in {0, 1}
        assert "1" in capsys.readouterr().out.split()
        assert run_command(["unset", path]) == (2 if says else 0)
        assert says in capsys.readouterr().err
        left = ssm.get_parameters(Names=[path])["Parameters"]
        assert [each["Name"] for each in left] == ([path] if says else [])
    finally:
        ssm.delete_parameters(Names=[path])


def test_a_security_owner_removes_a_policy_of_a_queue_that_does_not_exist(
    account: Account, as_security_owner: None, record: None
) -> None:
    path = f"{STRAY}/policy/rules/main"
    account.client("ssm").put_parameter(Name=path, Value="branch=main", Type="String")
    assert run_command(["unset", path]) == 0
    assert account.client("ssm").get_parameters(Names=[path])["Parameters"] == []


def test_an_operator_may_not_decide_what_a_security_owner_decides(
    as_operator: None, record: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["set", "first", "imds", "job"]) == 2
    assert "you may not ssm:PutParameter" in capsys.readouterr().err

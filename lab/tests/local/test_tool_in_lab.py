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
    keys = account.lab.aws.operator
    for name, value in {
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "AWS_SESSION_TOKEN": keys.token,
        "AWS_REGION": account.client("ssm").meta.region_name,
        "AWS_ENDPOINT_URL": account.lab.aws.endpoint,
        "HOME": str(tmp_path),
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


def test_a_missing_right_is_named(
    account: Account,
    as_operator: None,
    record: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = account.lab.aws.security_owner
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret_key)
    monkeypatch.setenv("AWS_SESSION_TOKEN", keys.token)
    assert run_command(["status"]) == 2
    assert "you may not dynamodb:ListTables" in capsys.readouterr().err
    assert run_command(["status", "--stack", "mayfly"]) == 2
    assert (
        "you may not dynamodb:Query on table mayfly-fleet/index/open: " in capsys.readouterr().err
    )


def test_an_operator_may_not_decide_what_a_security_owner_decides(
    as_operator: None, record: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["set", "first", "imds", "job"]) == 2
    assert "you may not ssm:PutParameter" in capsys.readouterr().err

"""A stack in moto, asked by the tool's own commands."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

# moto reads this variable at import; loading its 1301 images takes a second.
os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")

import boto3
import pytest
from moto import mock_aws

from mayfly.adapters.dynamodb.fleet import DynamoFleet
from mayfly.adapters.dynamodb.transactions import Tables
from mayfly.answers import Parameter
from mayfly.config.read import ControlPlane, queue_record
from mayfly.records.changes import Save
from mayfly.records.model import QueueRecord
from mayfly.records.states import InstanceState
from mayfly_cli.account import QUICK, Account
from mayfly_cli.main import run_command
from mayfly_cli.operations import connection, running
from mayfly_cli.operations.connection import Connection, connect
from mayfly_cli.templates.reading import read
from tests.cli.operations.samples import LINT, LONG, RUNNING, WAITING, deploy
from tests.cli.real_account import Run
from tests.unit.builders import NOW, QUEUE, STACK, ec2_id
from tests.unit.published import queue_stack

TEMPLATE = Path(__file__).parents[3] / "template.yaml"
_KEPT = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")


@dataclass
class StackInMoto:
    """Tables as the template declares them, parameters, and a stand-in for `provision`."""

    account: Any
    capsys: pytest.CaptureFixture[str]
    now: datetime = NOW
    provision_runs: bool = True

    @property
    def fleet(self) -> DynamoFleet:
        return DynamoFleet(
            self.account.client("dynamodb"),
            Tables(f"{STACK}-fleet", f"{STACK}-mailbox"),
            lambda: self.now,
        )

    def save(self, *records: Any) -> None:
        """Write records as if they were new, at whatever version they say."""
        for record in records:
            self.fleet.write([Save(replace(record, version=0))])

    def put(self, name: str, value: str, kind: str = "String", queue: str = QUEUE) -> None:
        """Write a parameter as another person does."""
        self.account.client("ssm").put_parameter(
            Name=f"/mayfly/{STACK}/queues/{queue}/{name}", Value=value, Type=kind, Overwrite=True
        )

    def value(self, name: str) -> str | None:
        """The parameter's value in SSM."""
        client = self.account.client("ssm")
        path = f"/mayfly/{STACK}/queues/{QUEUE}/{name}"
        found = client.get_parameters(Names=[path])["Parameters"]
        return str(found[0]["Value"]) if found else None

    def provision(self, seconds: float = 0) -> None:
        """Time passes, and the queue's record follows SSM, as `provision` does it."""
        self.now += timedelta(seconds=seconds)
        if not self.provision_runs:
            return
        prefix = f"/mayfly/{STACK}/queues/{QUEUE}/"
        pages = self.account.client("ssm").get_paginator("get_parameters_by_path")
        found = pages.paginate(Path=prefix.rstrip("/"), Recursive=True).build_full_result()
        parameters = {
            each["Name"].removeprefix(prefix): Parameter(each["Value"], each["Version"])
            for each in found["Parameters"]
        }
        old = self.fleet.queue(QUEUE)
        new = queue_record(old, QUEUE, queue_stack(), parameters, ControlPlane(STACK, "a" * 64))
        if new != old:
            self.fleet.write([Save(new)])

    def connected(self, stack: str | None, region: str | None) -> Connection:
        """As `connect`, with this clock, and with `provision` at work while the tool waits."""
        return replace(connect(stack, region), clock=lambda: self.now, sleep=self.provision)

    def run(self, *words: str) -> Run:
        """Run a command line of the tool."""
        status = run_command(words)
        shown = self.capsys.readouterr()
        return Run(status, shown.out, shown.err)

    def row(self, queue: str = QUEUE) -> QueueRecord:
        found = self.fleet.queue(queue)
        assert found is not None
        return found


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAFAKE",
        "AWS_SECRET_ACCESS_KEY": "fake",
        "AWS_REGION": "eu-central-1",
        "COLUMNS": "100",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "MAYFLY_STACK", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)


@cache
def table_definitions() -> dict[str, dict[str, Any]]:
    """Each table as the template declares it, by the end of its name."""
    return {
        "fleet" if name == "FleetTable" else "mailbox": {
            part: given for part, given in resource["Properties"].items() if part in _KEPT
        }
        for name, resource in read(TEMPLATE)["Resources"].items()
        if resource["Type"] == "AWS::DynamoDB::Table"
    }


@cache
def shared_account() -> Account:
    """One account for all tests: boto3 loads its service models slowly."""
    return Account(
        "123456789012",
        "arn:aws:iam::123456789012:user/operator",
        "eu-central-1",
        boto3.Session("AKIAFAKE", "fake", region_name="eu-central-1"),
        config=QUICK,
    )


def make_tables(client: Any, stack: str) -> None:
    """The tables of a stack."""
    for ending, given in table_definitions().items():
        client.create_table(TableName=f"{stack}-{ending}", **given)


@pytest.fixture
def in_moto(
    credentials: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[StackInMoto]:
    """A stack with one queue, whose record is up to date."""
    account = shared_account()
    monkeypatch.setattr(connection, "open_account", lambda region, config: account)
    with mock_aws():
        make_tables(account.client("dynamodb"), STACK)
        world = StackInMoto(account, capsys)
        monkeypatch.setattr(running, "connect", world.connected)
        world.provision()
        yield world


@pytest.fixture
def busy(in_moto: StackInMoto) -> StackInMoto:
    """A stack with jobs, an instance, a parameter, log groups, and its CloudFormation stack."""
    running = replace(RUNNING, instance_id=ec2_id(0), state=InstanceState.RUNNING)
    in_moto.save(WAITING, LONG, LINT, running, *deploy().standings)
    in_moto.put("pool/hot", "1")
    in_moto.provision()
    client = in_moto.account.client("logs")
    for name in ("dispatch", "provision", "sandbox", "reap"):
        client.create_log_group(logGroupName=f"/aws/lambda/{STACK}-{name}")
    body = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    in_moto.account.client("cloudformation").create_stack(
        StackName=STACK, TemplateBody=json.dumps(body)
    )
    return in_moto

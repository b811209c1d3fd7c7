"""AWS in process for the contract suites of the ports."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

# moto reads this variable at import; loading its 1301 images takes a second.
os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")

import boto3
import pytest
from moto import mock_aws

from mayfly.ports import Fleet
from mayfly_cli.templates.reading import read
from tests.contract.fleet_worlds import DynamoWorld, FakeWorld, World

pytest.register_assert_rewrite("tests.contract.buildkite_suite", "tests.contract.machines_suite")

TEMPLATE = Path(__file__).parents[2] / "template.yaml"


@pytest.fixture(scope="session")
def client_of() -> Callable[[str], Any]:
    """Makes the boto3 client of a service. One session, because service models load slowly."""
    session = boto3.Session("AKIAFAKE", "fake", "fake", region_name="eu-central-1")
    return cache(session.client)


@pytest.fixture(scope="module")
def aws() -> Iterator[None]:
    """An AWS account for a whole module; a test must leave nothing that breaks the next test."""
    with mock_aws():
        yield


@pytest.fixture(scope="session")
def table_definitions() -> dict[str, dict[str, Any]]:
    """Keys, indexes and billing mode of each table in the template, by logical id."""
    resources = read(TEMPLATE)["Resources"]
    kept = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    return {
        name: {part: given for part, given in resource["Properties"].items() if part in kept}
        for name, resource in resources.items()
        if resource["Type"] == "AWS::DynamoDB::Table"
    }


@pytest.fixture
def dynamo(
    aws: None,
    client_of: Callable[[str], Any],
    table_definitions: dict[str, dict[str, Any]],
) -> Iterator[DynamoWorld]:
    """A fleet in tables as the template declares them."""
    client = client_of("dynamodb")
    client.create_table(TableName="fleet", **table_definitions["FleetTable"])
    client.create_table(TableName="mailbox", **table_definitions["MailboxTable"])
    yield DynamoWorld(client)
    client.delete_table(TableName="fleet")
    client.delete_table(TableName="mailbox")


@pytest.fixture(params=["fake", "dynamodb"])
def fleet_world(request: pytest.FixtureRequest) -> World:
    """The fake fleet, then the fleet in DynamoDB."""
    return FakeWorld() if request.param == "fake" else request.getfixturevalue("dynamo")


@pytest.fixture
def fleet(fleet_world: World) -> Fleet:
    """The port of the fleet's world."""
    return fleet_world.fleet

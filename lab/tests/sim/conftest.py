"""The contract suites run here without the cases that are about DynamoDB alone."""

from __future__ import annotations

from pathlib import Path

import pytest

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mine = (each for each in items if each.path.parent == _HERE)
    of_dynamodb = {each for each in mine if "dynamo" in getattr(each, "fixturenames", ())}
    items[:] = [each for each in items if each not in of_dynamodb]

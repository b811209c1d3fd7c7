"""The fixture `bk`: the Buildkite that the suite runs against."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mayfly_cli.check_buildkite.suite.client import Client
from mayfly_cli.check_buildkite.suite.real_client import real_client


@pytest.fixture
def bk() -> Iterator[Client]:
    with real_client() as client:
        yield client

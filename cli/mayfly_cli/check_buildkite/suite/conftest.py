"""The Buildkite that the suite is held against."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mayfly_cli.check_buildkite.suite.client import Client
from mayfly_cli.check_buildkite.suite.elsewhere import elsewhere


@pytest.fixture
def bk() -> Iterator[Client]:
    with elsewhere() as made:
        yield made

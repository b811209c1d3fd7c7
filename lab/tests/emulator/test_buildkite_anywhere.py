"""The emulator passes the tests that `check-buildkite` runs against Buildkite itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from emulator.buildkite_client import Contract, contract
from mayfly_cli.check_buildkite.suite.test_acquisition_tokens import *  # noqa: F403 - run here
from mayfly_cli.check_buildkite.suite.test_agents import *  # noqa: F403 - run here
from mayfly_cli.check_buildkite.suite.test_anywhere import *  # noqa: F403 - run here
from mayfly_cli.check_buildkite.suite.test_stack_ends import *  # noqa: F403 - run here
from mayfly_cli.check_buildkite.suite.test_stacks import *  # noqa: F403 - run here


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract() as made:
        yield made

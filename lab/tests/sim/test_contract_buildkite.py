"""The simulator's Buildkite keeps the promises of its port."""

from __future__ import annotations

import pytest

from sim.worlds import BuildkiteWorld
from tests.contract.buildkite_suite import *  # noqa: F403 - its tests are run here
from tests.contract.buildkite_worlds import World


@pytest.fixture
def world() -> World:
    return BuildkiteWorld()

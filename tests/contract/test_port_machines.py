"""The fake EC2 keeps the promises of its port."""

from __future__ import annotations

import pytest

from tests.contract.machine_worlds import FakeWorld, World
from tests.contract.machines_suite import *  # noqa: F403 - its tests are run here


@pytest.fixture
def world() -> World:
    return FakeWorld()

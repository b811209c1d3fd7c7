"""The simulator's EC2 keeps the promises of its port."""

from __future__ import annotations

import pytest

from sim.worlds import MachinesWorld
from tests.contract.machine_worlds import World
from tests.contract.machines_suite import *  # noqa: F403 - its tests are run here


@pytest.fixture
def world() -> World:
    return MachinesWorld()

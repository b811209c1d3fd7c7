"""The simulator's table keeps the promises of its port."""

from __future__ import annotations

import pytest

from mayfly.ports import Fleet
from sim.worlds import FleetWorld
from tests.contract.test_port_fleet import *  # noqa: F403 - its tests are run here
from tests.contract.test_port_fleet_writes import *  # noqa: F403 - its tests are run here


@pytest.fixture
def fleet_world() -> FleetWorld:
    return FleetWorld()


@pytest.fixture
def fleet(fleet_world: FleetWorld) -> Fleet:
    return fleet_world.fleet

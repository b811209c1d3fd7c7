"""In-memory fakes of every port: the port's promises, without network, without own clock.

Each fake runs the contract suite of its real adapter. Methods that a port does not have are for a
test that plays the world: users, agents, hosts, AWS.
"""

from mayfly_fakes.buildkite import FakeBuildkite
from mayfly_fakes.faults import Faults
from mayfly_fakes.fleet import FakeFleet
from mayfly_fakes.history import FakeHistory
from mayfly_fakes.machines import FakeMachines
from mayfly_fakes.mailbox import FakeMailbox
from mayfly_fakes.services import (
    FakeLastWords,
    FakeNudges,
    FakeParameters,
    FakePriceList,
    FakeRoles,
)

__all__ = [
    "FakeBuildkite",
    "FakeFleet",
    "FakeHistory",
    "FakeLastWords",
    "FakeMachines",
    "FakeMailbox",
    "FakeNudges",
    "FakeParameters",
    "FakePriceList",
    "FakeRoles",
    "Faults",
]

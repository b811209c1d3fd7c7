"""In-memory fakes of every port: the port's promises, without network, without own clock.

Each fake runs the contract suite of its real adapter. Methods that a port does not have are for a
test that plays the world: users, agents, hosts, AWS.
"""

from tests.fakes.buildkite import FakeBuildkite
from tests.fakes.faults import Faults
from tests.fakes.fleet import FakeFleet
from tests.fakes.history import FakeHistory
from tests.fakes.machines import FakeMachines
from tests.fakes.mailbox import FakeMailbox
from tests.fakes.services import FakeLastWords, FakeNudges, FakeParameters, FakePriceList, FakeRoles

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

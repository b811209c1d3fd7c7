"""In-memory stand-ins of every port: the same promises, no network, no clock of their own.

Each runs the contract suite that its real adapter runs. A test or the simulator plays the world:
it changes what the fakes hold through the methods that a port does not have.
"""

from tests.fakes.buildkite import FakeBuildkite
from tests.fakes.faults import Faults
from tests.fakes.fleet import FakeFleet
from tests.fakes.machines import FakeMachines
from tests.fakes.mailbox import FakeMailbox
from tests.fakes.services import FakeLastWords, FakeNudges, FakeParameters, FakeRoles

__all__ = [
    "FakeBuildkite",
    "FakeFleet",
    "FakeLastWords",
    "FakeMachines",
    "FakeMailbox",
    "FakeNudges",
    "FakeParameters",
    "FakeRoles",
    "Faults",
]

"""In-memory stand-ins of every port: the same promises, no network, no clock of their own.

Each runs the contract suite that its real adapter runs. A test or the simulator plays the world:
it changes what the fakes hold through the methods that a port does not have.
"""

from mayfly_lab.fakes.buildkite import FakeBuildkite
from mayfly_lab.fakes.faults import Faults
from mayfly_lab.fakes.fleet import FakeFleet
from mayfly_lab.fakes.machines import FakeMachines
from mayfly_lab.fakes.mailbox import FakeMailbox
from mayfly_lab.fakes.services import FakeLastWords, FakeNudges, FakeParameters, FakeRoles

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

"""What is protected: every resource that the cases name and the sweep tries."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from tests.security import things_of_control as control
from tests.security import things_of_data as data
from tests.security import things_of_ec2 as ec2
from tests.security.thing import Thing


@cache
def things() -> Mapping[str, Thing]:
    """Every protected thing by its name."""
    found = [*ec2.instances(), *ec2.parts_of_instances(), *ec2.scripts(), *ec2.identities()]
    found += [*data.tables(), *data.rows(), *data.parameters(), *data.keys(), *data.secrets()]
    found += [*control.code(), *control.signals(), *control.stacks(), *control.account()]
    return {each.name: each for each in found}

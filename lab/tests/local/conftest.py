"""Fixtures of the lab's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.machine_kit import Bench, a_bench, grounds
from mayfly_lab.machines.ground import Ground, Kind


@pytest.fixture(scope="session")
def machine_grounds() -> dict[str, Ground | str]:
    """The kinds of machine that this host supports."""
    return grounds()


@pytest.fixture(params=list(Kind))
def ground(request: pytest.FixtureRequest, machine_grounds: dict[str, Ground | str]) -> Ground:
    """One kind of machine ground; tests run once for each kind."""
    found = machine_grounds[request.param]
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.fixture
def bench(ground: Ground) -> Iterator[Bench]:
    """A machine room of each kind."""
    with a_bench(ground) as found:
        yield found


@pytest.fixture
def root_bench(machine_grounds: dict[str, Ground | str]) -> Iterator[Bench]:
    """A machine room with namespaces."""
    found = machine_grounds[Kind.NAMESPACES]
    if isinstance(found, str):
        pytest.skip(found)
    with a_bench(found) as bench:
        yield bench

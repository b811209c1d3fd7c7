"""Fixtures of the lab's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.deployed_account import Account, an_account
from local.deployed_sources import fresh_sources
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


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fresh sources of the templates and layers, for the tests of one file."""
    return fresh_sources(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory, sources: Path) -> Iterator[Account]:
    """An account with the shipped templates deployed, for the tests of one file."""
    with an_account(tmp_path_factory.mktemp("lab"), sources) as deployed:
        yield deployed

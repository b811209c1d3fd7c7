"""Fixtures of the scenarios on whole machines."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mayfly_lab.machines.whole.recipes import SUITES
from whole.machines import WholeStage, a_whole_stage


@pytest.fixture(scope="module", params=SUITES)
def suite(request: pytest.FixtureRequest) -> str:
    """Each Debian; a module may parametrize `suite` itself."""
    return str(request.param)


@pytest.fixture(scope="module")
def stage(suite: str) -> Iterator[WholeStage]:
    """A lab with whole machines in containers and one queue, for each Debian."""
    with a_whole_stage(suite) as found:
        yield found

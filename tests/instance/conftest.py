"""Fixtures for tests of the supervisor."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.instance.giving import give
from tests.instance.worlds import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One instance of the queue `deploy`, before its boot."""
    return World(tmp_path)


@pytest.fixture
def ready(world: World) -> World:
    """A world with ssh, an agent that has `redactor add`, and an assignment with secrets."""
    return give(world)

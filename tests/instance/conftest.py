"""Fixtures of the instance's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.instance.worlds import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One instance of the queue `deploy`, about to boot."""
    return World(tmp_path)

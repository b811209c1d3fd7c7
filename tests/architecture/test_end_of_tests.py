"""The end of a test process."""

from __future__ import annotations

import gc
import importlib.util
from pathlib import Path

HOOKS = Path(__file__).parents[2] / "conftest.py"


def test_hardly_an_object_is_left_to_the_collections_at_the_end_of_a_worker() -> None:
    spec = importlib.util.spec_from_file_location("hooks_of_all_tests", HOOKS)
    assert spec is not None
    assert spec.loader is not None
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    gc.unfreeze()
    assert len(gc.get_objects()) > 10_000
    try:
        hooks.pytest_sessionfinish()
        assert len(gc.get_objects()) < 1_000
    finally:
        gc.unfreeze()

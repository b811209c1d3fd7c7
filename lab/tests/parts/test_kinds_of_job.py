"""The table of kinds of job matches the end-to-end tests."""

from __future__ import annotations

import ast

from build.blocks import ROOT
from e2e.kinds import KINDS


def stories_of_kinds() -> list[str]:
    """The names of all end-to-end tests that read the build of their own kind."""
    files = sorted((ROOT / "lab/tests/e2e").glob("test_*.py"))
    functions = (
        node
        for file in files
        for node in ast.parse(file.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )
    return [each.name for each in functions if "run" in [a.arg for a in each.args.args]]


def test_every_kind_has_a_test_and_every_test_a_kind() -> None:
    assert sorted(stories_of_kinds()) == sorted(KINDS)


def test_no_two_kinds_share_a_pipeline() -> None:
    assert len({kind.slug for kind in KINDS.values()}) == len(KINDS)

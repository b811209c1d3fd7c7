"""The suite of `mayfly check-buildkite` is complete, and its list of unchecked expectations too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from build.blocks import ROOT
from mayfly_cli.check_buildkite import contract
from mayfly_cli.ends import BrokenError


def test_a_checkout_without_the_suite_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract, "SUITE", tmp_path)
    with pytest.raises(BrokenError, match="there is no suite"):
        contract._run({})


def test_the_suite_of_the_command_has_test_files() -> None:
    assert list(contract.SUITE.glob("test_*.py"))


def test_the_guide_shows_as_many_expectations_as_the_suite_has() -> None:
    suite = "".join(each.read_text("utf-8") for each in contract.SUITE.glob("test_*.py"))
    guide = (ROOT / "docs/first-day.md").read_text("utf-8")
    assert f"\n{len(re.findall(r'^def test_', suite, re.MULTILINE))} held, 0 broken, …" in guide


def test_unchecked_expectations_are_listed_as_sentences() -> None:
    sentences = contract._unchecked()
    assert len(sentences) > 200
    assert "each endpoint has its own limit for each second" in sentences
    assert "a token runs its job and no other" not in sentences

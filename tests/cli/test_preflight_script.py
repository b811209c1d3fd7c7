"""Findings of preflight about the bootstrap script."""

from __future__ import annotations

import pytest

from mayfly_cli.findings import Verdict
from mayfly_cli.preflight.survey import decide
from tests.cli.test_preflight_checks import GOOD, answers, found

SCRIPT = "bootstrap/script=s3://acme/ci/set-up.sh"
PREFIX = "ScriptPrefix=acme/ci/"


def test_a_script_without_a_pin_is_a_warning_that_says_how_to_pin_it() -> None:
    finding = found("bootstrap/script", GOOD, SCRIPT, PREFIX)
    assert finding.verdict is Verdict.WARNING
    assert finding.detail.startswith("s3://acme/ci/set-up.sh names no version= and no sha256=")
    assert "sha256sum" in finding.remedy


@pytest.mark.parametrize("pin", ["version=a", f"sha256={'1' * 64}"])
def test_a_pinned_script_has_no_finding(pin: str) -> None:
    seen = decide(answers(f"{SCRIPT} {pin}", PREFIX), GOOD)
    assert {each.verdict for each in seen} == {Verdict.OK}

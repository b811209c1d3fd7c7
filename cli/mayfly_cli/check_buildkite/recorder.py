"""Hears from pytest what became of each expectation; prints nothing itself."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pytest

from mayfly.scrubbing import scrub
from mayfly_cli.findings import Finding, Verdict, ok, unknown, wrong

_LONGEST = 300


@dataclass(slots=True, eq=False)
class Recorder:
    """A plug-in for pytest."""

    findings: dict[str, Finding] = field(default_factory=dict)
    """By test; of a test with several cases the worst."""
    broken_suite: list[str] = field(default_factory=list)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be read holds nothing."""
        if report.failed:
            self.broken_suite.append(report.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One phase of one case."""
        if report.when != "call" and report.passed:
            return
        found = self._found(report)
        before = self.findings.get(found.subject)
        if before is None or _rank(found) > _rank(before):
            self.findings[found.subject] = found

    def _found(self, report: pytest.TestReport) -> Finding:
        name = _sentence(_function(report.nodeid))
        if report.passed:
            return ok(name, "")
        reason = _one_line(report)
        return unknown(name, reason) if report.skipped else wrong(name, reason)


def _rank(finding: Finding) -> int:
    return (Verdict.OK, Verdict.UNKNOWN, Verdict.WRONG).index(finding.verdict)


def _function(nodeid: str) -> str:
    return nodeid.partition("[")[0]


def _sentence(function: str) -> str:
    return function.rpartition("::")[2].removeprefix("test_").replace("_", " ")


def _one_line(report: pytest.TestReport) -> str:
    """Why, in a line, without a token in it."""
    if isinstance(report.longrepr, tuple):
        text = report.longrepr[2].removeprefix("Skipped: ")
    else:
        crash = getattr(report.longrepr, "reprcrash", None)
        text = crash.message if crash is not None else str(report.longrepr)
    case = re.search(r"\[(.*)\]$", report.nodeid)
    where = f" (case {case[1]})" if case else ""
    return scrub(" ".join(text.split()))[:_LONGEST] + where

"""A pytest plug-in that turns the outcome of each test into a finding; it prints nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pytest

from mayfly.scrubbing import scrub
from mayfly_cli.findings import Finding, Verdict, ok, unknown, wrong

_LONGEST = 300


@dataclass(slots=True, eq=False)
class Recorder:
    """The findings of one run of the suite."""

    findings: dict[str, Finding] = field(default_factory=dict)
    """By the test's sentence; a test with several cases has the worst finding of its cases."""
    broken_suite: list[str] = field(default_factory=list)
    """Node ids of the files that pytest could not collect."""

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that pytest could not collect."""
        if report.failed:
            self.broken_suite.append(report.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the outcome of one phase (setup, call, teardown) of one case."""
        if report.when != "call" and report.passed:
            return
        found = self._finding(report)
        before = self.findings.get(found.subject)
        if before is None or _rank(found) > _rank(before):
            self.findings[found.subject] = found

    def _finding(self, report: pytest.TestReport) -> Finding:
        name = _sentence(_function(report.nodeid))
        if report.passed:
            return ok(name, "")
        reason = _reason(report)
        return unknown(name, reason) if report.skipped else wrong(name, reason)


def _rank(finding: Finding) -> int:
    return (Verdict.OK, Verdict.UNKNOWN, Verdict.WRONG).index(finding.verdict)


def _function(nodeid: str) -> str:
    return nodeid.partition("[")[0]


def _sentence(function: str) -> str:
    return function.rpartition("::")[2].removeprefix("test_").replace("_", " ")


def _reason(report: pytest.TestReport) -> str:
    """Why the test failed or was skipped: one line without secrets, with the name of the case."""
    if isinstance(report.longrepr, tuple):
        text = report.longrepr[2].removeprefix("Skipped: ")
    else:
        crash = getattr(report.longrepr, "reprcrash", None)
        text = crash.message if crash is not None else str(report.longrepr)
    case = re.search(r"\[(.*)\]$", report.nodeid)
    where = f" (case {case[1]})" if case else ""
    return " ".join(scrub(text).split())[:_LONGEST] + where

"""What the reports of a host say of its end, and of its agent. Pure."""

from __future__ import annotations

from mayfly.reap.view import ReapView
from mayfly.records.model import Instance
from mayfly_protocol.phases import Phase
from mayfly_protocol.report import Report


def reported_end(instance: Instance, view: ReapView) -> str:
    """The host's own reason for its end, from its reports; empty while it reports no end."""
    for report in _reports(instance, view):
        if report.phase is Phase.FAILED:
            return report.reason or "the host gave up without a reason"
        if report.phase is Phase.DONE:
            return report.reason or f"the agent ended with exit code {report.exit}"
    return ""


def says_failed(instance: Instance, view: ReapView) -> bool:
    """Whether the host reports that it failed."""
    return any(report.phase is Phase.FAILED for report in _reports(instance, view))


def runs_agent(report: Report | None) -> bool:
    """Whether the host reports that the agent runs."""
    return report is not None and report.phase is Phase.RUNNING


def _reports(instance: Instance, view: ReapView) -> list[Report]:
    found = (view.reports.get(row) for row in instance.reporting_rows)
    return [report for report in found if report is not None]

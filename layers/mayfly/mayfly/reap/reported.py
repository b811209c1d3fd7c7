"""What the reports of a host say of its end, and of its agent. Pure."""

from __future__ import annotations

from mayfly.reap.view import ReapView
from mayfly.records.model import Instance
from mayfly_protocol.phases import Phase
from mayfly_protocol.report import Report


def reported_end(instance: Instance, view: ReapView) -> str:
    """The host's own reason for its end, from its reports; empty while it reports no end.

    A proven instance's bootstrap row is ignored: a holder of old bootstrap credentials could
    still write there.
    """
    rows = (instance.sandbox_row, None if instance.proven else instance.bootstrap_row)
    for row in rows:
        report = view.reports.get(row or "")
        if report is not None and report.phase is Phase.FAILED:
            return report.reason or "the host gave up without a reason"
        if report is not None and report.phase is Phase.DONE:
            return report.reason or f"the agent ended with exit code {report.exit}"
    return ""


def says_failed(instance: Instance, view: ReapView) -> bool:
    """Whether the host reports that it failed, in a row that counts: see `reported_end`."""
    rows = (instance.sandbox_row, None if instance.proven else instance.bootstrap_row)
    reports = (view.reports.get(row or "") for row in rows)
    return any(report is not None and report.phase is Phase.FAILED for report in reports)


def runs_agent(report: Report | None) -> bool:
    """Whether the host reports that the agent runs."""
    return report is not None and report.phase is Phase.RUNNING

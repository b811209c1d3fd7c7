"""The independent evaluator for all tests of a process, and the lines of `make iam`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from iam.simulator import Simulator, a_simulator

Tell = Callable[[str], None]
_LINE = "iam"


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    """The independent evaluator."""
    with a_simulator() as started:
        yield started


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    """Adds a line to the summary at the end of the run: what a test compared, and how much."""
    return lambda line: record_property(_LINE, line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the lines of all tests."""
    lines = [
        f"{line} ({report.duration:.1f} s)"
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, line in report.user_properties
        if name == _LINE
    ]
    if lines:
        terminalreporter.section("evaluators of IAM policies")
        for line in lines:
            terminalreporter.line(line)

"""The notice about the agent before a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from mayfly_lab.agents.archive import AgentArchive
from mayfly_lab.agents.notice import DOCS, LIMITS, notice
from mayfly_lab.lab import Lab, LabChoices
from mayfly_lab.report.screen import WIDTH, timed


def test_the_notice_names_the_stand_in_its_limits_and_the_source_of_the_real_agent() -> None:
    first, *limits, how, where = notice()
    assert "the lab's stand-in for buildkite-agent, not the real one" in first
    assert limits == [f"warning: - {limit}" for limit in LIMITS.values()]
    assert "install Buildkite's package" in how
    assert where.endswith(DOCS)
    assert all(len(line) <= WIDTH for each in notice() for line in timed(1.0, each))


@pytest.mark.parametrize("stand_in", [True, False])
def test_a_lab_has_the_notice_unless_a_real_agent_runs_its_jobs(stand_in: bool) -> None:
    lab = Lab(LabChoices())
    lab.archive = AgentArchive(Path("agent.tar.gz"), "", "3.83.1", stand_in=stand_in)
    assert list(lab.notice) == (list(notice()) if stand_in else [])

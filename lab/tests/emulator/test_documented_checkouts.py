"""The examples of the documents that concern checkouts, run by agents.

The expectations are observations of buildkite-agent 3.83.1. Tests with the real agent are skipped
if none is on PATH.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from build.blocks import ROOT
from emulator.buildkite_agents import Room, room
from mayfly_protocol.agent_settings import parse_agent_settings

[EXAMPLE] = re.findall(
    r"```ini\n(git-clone-flags.*?)```", (ROOT / "docs/pipelines.md").read_text("utf-8"), re.DOTALL
)
SHALLOW = b"git clone -v --depth=50 -- "


@pytest.fixture(params=["real", "stand-in"])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Room]:
    with room(request.param, tmp_path) as made:
        yield made


def serve_shallow_clones(lab: Room) -> None:
    """Let jobs clone a copy of the repository, since the emulator serves no shallow clones."""
    url, copy = lab.buildkite.repository_url("demo"), lab.place / "copy"
    subprocess.run(["git", "clone", "--quiet", url, copy], check=True, timeout=60)
    lab.hook("environment", f"export BUILDKITE_REPO=file://{copy}")


def test_the_documented_agent_config_makes_a_shallow_clone(lab: Room) -> None:
    serve_shallow_clones(lab)
    config = lab.place / "agent.cfg"
    config.write_text(parse_agent_settings(EXAMPLE))
    _, job = lab.run("true", BUILDKITE_AGENT_CONFIG=str(config))

    assert job.outcome == "passed"
    assert SHALLOW in lab.buildkite.log(job.id)


def test_the_env_of_a_step_does_not_make_a_shallow_clone(lab: Room) -> None:
    serve_shallow_clones(lab)
    _, job = lab.run("true", 'env: { BUILDKITE_GIT_CLONE_FLAGS: "-v --depth=50" }')

    log = lab.buildkite.log(job.id)
    assert b"git clone -v -- " in log
    assert SHALLOW not in log

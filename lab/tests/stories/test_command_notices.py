"""Every command that runs jobs by the stand-in prints the notice first."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mayfly_lab.agents.notice import DOCS, notice
from stories.commands import Command, left_of

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("command", "stopped"),
    [("run", 130), ("up", 0), ("demo", 130), ("bench", 130)],
)
def test_a_run_of_the_stand_in_begins_with_the_notice(
    tmp_path: Path, command: str, stopped: int
) -> None:
    (tmp_path / "pipeline.yml").write_text(json.dumps({"steps": [{"command": "sleep 300"}]}))
    file = ("pipeline.yml",) if command == "run" else ()
    started = Command(tmp_path, (command, *file, "--agent", "stand-in"))
    output = started.process.stdout
    assert output is not None
    told: list[str] = []
    while not told or DOCS not in told[-1]:
        line = output.readline()
        assert line, started.ended()
        told.append(line.strip())
    started.process.terminate()
    code, rest = started.ended()
    assert code == stopped, rest
    assert left_of(started.temporary) == []
    # Lines of more than 80 columns are wrapped, and each warning begins with the time.
    text = re.sub(r"[0-9.]+ +(?=warning: )", "", " ".join(told))
    heading, _, _ = text.partition("warning: ")
    assert "agent: stand-in" in heading
    assert text == heading + " ".join(notice())

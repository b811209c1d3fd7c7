"""The documents' runs of a reader's own pipeline, as they stand, in one shell each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from build.blocks import ROOT
from build.guide import commands, examples
from stories.commands import PATIENCE, git, left_of

pytestmark = pytest.mark.slow
PAGES = ("README.md", "lab/README.md", "docs/lab.md")
RUNS = sorted(
    {
        each.text.partition("  #")[0].rstrip()
        for page in PAGES
        for each in commands((ROOT / page).read_text("utf-8"))
        if each.text.startswith(".venv/bin/mayfly-lab run ")
    }
)


@pytest.mark.parametrize("command", RUNS)
def test_a_documented_run_passes_a_readers_pipeline(tmp_path: Path, command: str) -> None:
    [text] = examples((ROOT / "README.md").read_text("utf-8"), "yaml")
    pipeline = text.replace("YOUR-QUEUE", "default")
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    for name in ("home/src/app/.buildkite/pipeline.yml", "path/to/pipeline.yml", "pipeline.yml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(pipeline)
    temporary.mkdir()
    git(home / "src/app", "init", "--quiet", "--initial-branch=main")
    git(home / "src/app", "add", "--all")
    git(home / "src/app", "commit", "--quiet", "--message=Begin")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(home), "TMPDIR": str(temporary)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "| from an instance of my own" in done.stdout
    assert "the build passed; all checks held" in done.stdout
    assert "never struck" not in done.stdout
    shown = [line for line in done.stdout.splitlines() if not line.startswith("        | ")]
    # A path may be longer than a line; it is not cut.
    assert [line for line in shown if len(line) > 80 and " " in line.strip()] == []
    assert left_of(temporary) == []


def test_each_page_of_the_lab_has_a_run() -> None:
    assert len(RUNS) == 5

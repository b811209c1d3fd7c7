"""Hooks under the stand-in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mayfly_lab.standin import hooks

ENV = {"PATH": os.environ["PATH"], "OLD": "1"}


def hook(directory: Path, text: str, mode: int = 0o755) -> Path:
    path = directory / "environment"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_exports_and_directory_of_a_shell_hook_are_kept(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    text = "export NEW=$'two\\nlines'\nunset OLD\nplain=x\ncd sub\n"
    result = hooks.run_job_hook(hook(tmp_path, text, 0o644), ENV, tmp_path)
    assert result.status == 0
    assert result.env["NEW"] == "two\nlines"
    assert "OLD" not in result.env
    assert "plain" not in result.env
    assert result.directory == tmp_path / "sub"


@pytest.mark.parametrize("text", ["exit 41", "export NEW=1\nexit 41", "(exit 41)"])
def test_a_failing_hook_returns_its_exit_status(tmp_path: Path, text: str) -> None:
    result = hooks.run_job_hook(hook(tmp_path, f"#!/bin/bash\n{text}\n"), ENV, tmp_path)
    assert result.status == 41
    assert result.directory == tmp_path


def test_a_hook_that_is_not_a_shell_script_is_executed_directly(tmp_path: Path) -> None:
    text = (
        f"#!/usr/bin/env python3\nimport pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\n"
    )
    result = hooks.run_job_hook(hook(tmp_path, text), ENV, tmp_path)
    assert (result.status, result.env) == (0, ENV)
    assert (tmp_path / "ran").exists()


def test_a_hook_of_the_agent_runs_without_the_executable_bit(tmp_path: Path) -> None:
    """Seen with buildkite-agent 3.83.1: a pre-bootstrap hook of mode 0644 runs."""
    assert hooks.execute(hook(tmp_path, "exit 3\n", 0o644), ENV) == 3


def test_hooks_run_in_the_order_of_their_directories(tmp_path: Path) -> None:
    places = [tmp_path / "a", tmp_path / "none", tmp_path / "b"]
    for place in (places[0], places[2]):
        place.mkdir()
        (place / "pre-exit").touch()
    assert hooks.find("pre-exit", places) == [places[0] / "pre-exit", places[2] / "pre-exit"]

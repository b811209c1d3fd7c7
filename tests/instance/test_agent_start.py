"""Capabilities of an installed agent, and the environment in which it starts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from mayfly_instance import agent
from mayfly_instance.assignment import parse
from mayfly_instance.failure import HostFailure
from mayfly_instance.machine import Machine
from mayfly_instance.places import Places
from tests.instance.fakes import BOOT
from tests.instance.worlds import JOB, an_assignment

REAL = shutil.which("buildkite-agent")
HELP_V3_83 = "   --hooks-path value\n   --token value"
HELP_V4 = "   --hooks-path string\n   --additional-hooks-paths string"
SETTINGS = agent.Agent("/usr/bin/buildkite-agent", "3.83.1", False, False)
ASSIGNMENT = parse(an_assignment(), BOOT, "deploy")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return Machine(Places(tmp_path / "root"))


def install_agent(path: Path, version: str, usage: str) -> None:
    file = path / "buildkite-agent"
    file.write_text(
        f"#!/bin/sh\ncase $1 in start|redactor) echo '{usage}' ;; *) echo '{version}' ;; esac\n"
    )
    file.chmod(0o755)


OWN_PATTERNS = """
  --redacted-vars value  Pattern of names (default: "*_OWN", "*_TOKEN") [$BUILDKITE_REDACTED_VARS]
  --format value         The format for the input
"""


@pytest.mark.parametrize(
    ("said", "usage", "expected"),
    [
        ("buildkite-agent version 3.83.1+x..dirty", HELP_V3_83, ("3.83.1", False, False)),
        ("buildkite-agent version 3.89.0+8000", HELP_V4, ("3.89.0", True, False)),
        ("buildkite-agent version 3.132.9+8000", HELP_V4, ("3.132.9", True, False)),
        ("buildkite-agent version 3.133.0+8000", HELP_V4, ("3.133.0", True, True)),
        ("buildkite-agent version 4.0.0-beta.15+x", HELP_V4, ("4.0.0", True, True)),
    ],
)
def test_version_and_capabilities_come_from_the_agents_own_output(
    machine: Machine, tmp_path: Path, said: str, usage: str, expected: tuple[str, bool, bool]
) -> None:
    install_agent(tmp_path, said, usage)
    found = agent.probe(machine)

    assert found is not None
    assert (found.version, found.additional_hooks, found.token_by_file) == expected
    assert found.path == str(tmp_path / "buildkite-agent")


def test_an_agent_without_a_version_in_its_output_is_refused(
    machine: Machine, tmp_path: Path
) -> None:
    install_agent(tmp_path, "hello", HELP_V4)
    with pytest.raises(HostFailure, match="names no version"):
        agent.probe(machine)


@pytest.mark.skipif(REAL is None, reason="no buildkite-agent on PATH")
def test_the_real_agent_of_this_machine_is_probed(machine: Machine) -> None:
    found = agent.probe(machine)

    assert found is not None
    assert re.fullmatch(r"\d+\.\d+\.\d+", found.version)
    usage = subprocess.run([found.path, "start", "--help"], capture_output=True, check=True)
    assert b"--acquire-job" in usage.stdout
    assert {"acquire-job", "git-clone-flags", "no-plugins"} <= set(found.settings)
    agent.check_settings(found, "git-clone-flags=-v\nno-plugins=true")
    with pytest.raises(HostFailure, match="agent/config sets no-such-setting, which"):
        agent.check_settings(found, "git-clone-flags=-v\nno-such-setting=1")
    assert {"*_TOKEN", "*_PASSWORD"} <= set(found.redacted)


@pytest.mark.parametrize(
    ("config", "patterns"),
    [
        ("", ["*_OWN", "*_TOKEN", *agent.REDACTED]),
        ("no-plugins=true\nredacted-vars=*_MINE, *_TOKEN", ["*_MINE", "*_TOKEN"]),
    ],
)
def test_the_agent_hides_what_it_hides_by_default_unless_operators_say_otherwise(
    machine: Machine, tmp_path: Path, config: str, patterns: list[str]
) -> None:
    install_agent(tmp_path, "buildkite-agent version 3.83.1+x", OWN_PATTERNS)
    found = agent.probe(machine)

    assert found is not None
    assert found.redactor
    assert agent.redacted(found, config) == list(dict.fromkeys(patterns))


@pytest.mark.skipif(REAL is None, reason="no buildkite-agent on PATH")
def test_the_real_agent_of_this_machine_knows_all_settings_that_it_gets(machine: Machine) -> None:
    """An agent ignores an unknown setting without a message."""
    found = agent.probe(machine)
    assert found is not None
    usage = machine.output_of([found.path, "start", "--help"])
    settings = agent.environment(found, ASSIGNMENT, machine.places, "t", {})
    newer = {"BUILDKITE_AGENT_PING_MODE"}  # Since 3.1xx; without it an agent only polls.

    for name in settings:
        if name.startswith("BUILDKITE_") and name not in newer:
            assert f"${name}]" in usage


def test_an_old_agent_gets_no_setting_for_additional_hooks(tmp_path: Path) -> None:
    places = Places(tmp_path)
    old = agent.environment(SETTINGS, ASSIGNMENT, places, "t", {})
    new = agent.environment(
        replace(SETTINGS, additional_hooks=True), ASSIGNMENT, places, "t", {"PATH": "/bin"}
    )

    assert "BUILDKITE_ADDITIONAL_HOOKS_PATHS" not in old
    assert new["BUILDKITE_ADDITIONAL_HOOKS_PATHS"] == str(tmp_path / "etc/mayfly/hooks")
    assert new["BUILDKITE_HOOKS_PATH"] == str(tmp_path / "opt/mayfly/mayfly_instance/hooks")
    assert new["PATH"] == "/bin"


def test_no_setting_names_the_job_which_stands_on_the_command_line(tmp_path: Path) -> None:
    settings = agent.environment(SETTINGS, ASSIGNMENT, Places(tmp_path), "t", {})

    assert JOB not in settings.values()

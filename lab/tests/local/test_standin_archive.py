"""The agent archive for machines, packed from the stand-in or from a real agent."""

from __future__ import annotations

import ast
import hashlib
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from mayfly_lab import standin
from mayfly_lab.agents.archive import AgentArchive, pack

SOURCES = sorted(Path(standin.__file__).parent.glob("*.py"))
HOW_HOSTS_READ_IT = re.compile(r"\bversion v?(\d+)\.(\d+)\.(\d+)\S*")


def unpack(archive: AgentArchive, target: Path) -> Path:
    target.mkdir(exist_ok=True)
    agent = target / "buildkite-agent"
    with tarfile.open(archive.path) as packed:
        (member,) = packed.getmembers()
        file = packed.extractfile(member)
        assert (member.name, file is not None) == ("buildkite-agent", True)
        agent.write_bytes(file.read() if file else b"")
        agent.chmod(member.mode)
    return agent


def test_the_stand_in_is_one_executable_file_that_names_itself(tmp_path: Path) -> None:
    archive = pack(tmp_path / "agent.tar.gz")
    agent = unpack(archive, tmp_path)
    # The file alone: no package of the lab on the path, no site directory.
    said = subprocess.run(
        [sys.executable, "-I", "-S", str(agent), "--version"],
        check=True,
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert said.stdout == "buildkite-agent version 3.0.0-standin+x\n"
    assert HOW_HOSTS_READ_IT.search(said.stdout)
    assert (archive.version, archive.stand_in) == ("3.0.0", True)
    assert agent.stat().st_mode & 0o111


def test_the_first_line_names_the_interpreter(tmp_path: Path) -> None:
    archive = pack(tmp_path / "agent.tar.gz")
    assert unpack(archive, tmp_path).read_bytes().startswith(b"#!/usr/bin/env python3\nPK")


def test_the_same_input_gives_the_same_archive(tmp_path: Path) -> None:
    first, second = pack(tmp_path / "1.tar.gz"), pack(tmp_path / "2.tar.gz")
    assert first.sha256 == second.sha256
    assert first.sha256 == hashlib.sha256(first.path.read_bytes()).hexdigest()


def test_a_real_agent_is_packed_unchanged(tmp_path: Path) -> None:
    binary = tmp_path / "some-agent"
    binary.write_text("#!/bin/sh\necho 'buildkite-agent version 3.83.1+x..dirty'\n")
    binary.chmod(0o755)
    archive = pack(tmp_path / "agent.tar.gz", binary)
    assert unpack(archive, tmp_path / "out").read_bytes() == binary.read_bytes()
    assert (archive.version, archive.stand_in) == ("3.83.1", False)


def test_a_binary_that_does_not_run_is_an_error(tmp_path: Path) -> None:
    binary = tmp_path / "broken"
    binary.write_text("#!/bin/sh\nexit 3\n")
    binary.chmod(0o755)
    with pytest.raises(subprocess.CalledProcessError):
        pack(tmp_path / "agent.tar.gz", binary)


@pytest.mark.parametrize("arguments", [["frobnicate"], ["start", "--nope"], ["artifact", "upload"]])
def test_the_stand_in_refuses_unsupported_arguments_in_one_line(
    tmp_path: Path, arguments: list[str]
) -> None:
    agent = unpack(pack(tmp_path / "agent.tar.gz"), tmp_path)
    said = subprocess.run([agent, *arguments], check=False, capture_output=True, text=True)
    assert said.returncode == 1
    assert said.stderr.startswith("buildkite-agent: fatal: ")
    assert said.stderr.count("\n") == 1


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_the_stand_in_uses_python_3_9_and_the_standard_library_only(source: Path) -> None:
    tree = ast.parse(source.read_text(encoding="utf-8"), feature_version=(3, 9))
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names

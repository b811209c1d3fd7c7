"""A terminal's Ctrl-C reaches the lab's command alone, not the programs that it runs.

A program that Ctrl-C ends halfway looks like a failure of git, of make or of the host. The command
itself remembers the signal, and obeys it between two steps.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from build.blocks import ROOT

OWN_COMMANDS = ("cli/mayfly_cli", "lab/buildkite_emulator", "lab/mayfly_lab")
ON_MACHINES = (
    "cli/mayfly_cli/check_image/on_instance",
    "cli/mayfly_cli/check_profiles/watch.py",
    "lab/mayfly_lab/machines/inside",
    "lab/mayfly_lab/machines/whole/network.py",
    "lab/mayfly_lab/machines/whole/supply.py",
    "lab/mayfly_lab/standin",
)
"""Programs of machines: `power_on` has a session of its own, and all of its children are in it."""
STARTING = {f"subprocess.{name}" for name in ("run", "Popen", "call", "check_call", "check_output")}


def starts(path: Path) -> Iterator[ast.Call]:
    """Calls of `subprocess` that start a program."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in STARTING:
            yield node


def test_every_program_of_the_lab_is_started_in_a_session_of_its_own() -> None:
    found, shared = 0, []
    for folder in OWN_COMMANDS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            if name.startswith(ON_MACHINES):
                continue
            for call in starts(path):
                found += 1
                given = {each.arg: each.value for each in call.keywords}
                own = given.get("start_new_session")
                if not (isinstance(own, ast.Constant) and own.value is True):
                    shared.append(f"{name}:{call.lineno}")
    assert found > 5
    assert shared == []

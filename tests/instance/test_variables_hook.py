"""What the `environment` hook changes of a job's variables, by the layout's own cases."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import mayfly_instance

HOOKS = Path(mayfly_instance.__file__ or "").parent / "hooks"
_OF_THE_SHELL = {"PWD", "OLDPWD", "SHLVL", "_"}


@pytest.mark.parametrize(
    ("before", "secrets", "changes"),
    [
        ({"A": "1"}, {"A": "1"}, {}),
        ({}, {"A": "1"}, {"A": "1"}),
        ({"A": "1"}, {"A": "2"}, {"A": "2"}),
        (
            {"SAME": "1", "CHANGED": "1", "OTHER": "1"},
            {"SAME": "1", "CHANGED": "2", "NEW": "3"},
            {"CHANGED": "2", "NEW": "3"},
        ),
    ],
    ids=["unchanged", "new", "changed", "mixed"],
)
def test_the_hook_sets_the_secrets_and_leaves_other_variables(
    tmp_path: Path, before: dict[str, str], secrets: dict[str, str], changes: dict[str, str]
) -> None:
    for name in ("give-secrets", "operator-hook"):
        shutil.copy(HOOKS / name, tmp_path)
    (tmp_path / "given").write_text(f"directory='{tmp_path}'\n")
    (tmp_path / "notes").write_text("")
    lines = "".join(f"export {name}='{value}'\n" for name, value in secrets.items())
    (tmp_path / "variables").write_text(lines)
    done = subprocess.run(
        ["/bin/bash", "-c", f'source "{tmp_path}/give-secrets" && env'],
        env=before,
        capture_output=True,
        text=True,
        check=True,
    )
    after = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert {
        name: value
        for name, value in after.items()
        if before.get(name) != value and name not in _OF_THE_SHELL
    } == changes
    assert before.keys() <= after.keys()
    assert not (tmp_path / "variables").exists()

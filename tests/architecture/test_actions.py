"""Every action that a function may decide is applied by that function."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import get_args

import pytest

from mayfly.dispatch.actions import DispatchAction
from mayfly.provision.actions import ProvisionAction
from mayfly.reap.actions import ReapAction
from mayfly.sandbox.actions import SandboxAction

MAYFLY = Path(__file__).parents[2] / "layers/mayfly/mayfly"

APPLIED_IN = {
    "dispatch/apply.py": DispatchAction,
    "provision/apply.py": ProvisionAction,
    "reap/apply.py": ReapAction,
    "sandbox/apply.py": SandboxAction,
}


def names_in(text: str) -> set[str]:
    """Names that the code uses, without those that it only imports."""
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


@pytest.mark.parametrize("path", sorted(APPLIED_IN))
def test_the_module_that_applies_actions_names_every_action_of_its_function(path: str) -> None:
    kinds = {kind.__name__ for kind in get_args(APPLIED_IN[path])}
    assert len(kinds) > 2
    assert not kinds - names_in((MAYFLY / path).read_text())


def test_an_imported_action_that_no_code_uses_is_not_taken_for_applied() -> None:
    assert names_in("from actions import Notify\nfrom actions import Fail\nFail()") == {"Fail"}

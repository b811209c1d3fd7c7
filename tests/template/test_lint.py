"""All templates pass cfn-lint, as written and as translated by SAM: as `make validate` says too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint_file

from tests.template.conftest import CONTROL, QUEUE

STACKS = sorted(QUEUE.parent.glob("*.yaml"))


@pytest.mark.slow
@pytest.mark.parametrize("path", [CONTROL, *STACKS], ids=lambda path: path.name)
def test_cfn_lint_finds_nothing_in_the_templates(path: Path) -> None:
    assert lint_file(path) == []


def test_the_templates_are_those_that_the_documents_name() -> None:
    assert [path.name for path in STACKS] == [
        "queue.yaml",
        "secrets-owners.yaml",
        "target-account.yaml",
    ]


@pytest.mark.slow
def test_cfn_lint_finds_nothing_in_the_translated_template(
    control_template: dict[str, Any], tmp_path: Path
) -> None:
    """In a SAM template cfn-lint checks few values: no runtimes, no actions of policies."""
    path = tmp_path / "template.json"
    path.write_text(json.dumps(control_template), encoding="utf-8")
    assert lint_file(path) == []

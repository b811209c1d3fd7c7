"""Both templates pass cfn-lint, as written and as CloudFormation gets them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint_file

from tests.template.conftest import CONTROL, QUEUE


@pytest.mark.parametrize("path", [CONTROL, QUEUE], ids=lambda path: path.name)
def test_written_templates_are_clean(path: Path) -> None:
    assert lint_file(path) == []


def test_the_translated_template_is_clean(control_template: dict[str, Any], tmp_path: Path) -> None:
    """Of a SAM template cfn-lint checks few values: no runtime, no action of a policy."""
    path = tmp_path / "template.json"
    path.write_text(json.dumps(control_template), encoding="utf-8")
    assert lint_file(path) == []

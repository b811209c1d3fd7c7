"""The blocks of docs/lab.md that the lab writes are never older than the lab."""

from __future__ import annotations

import subprocess
import sys

import pytest

from build.blocks import ROOT
from mayfly_lab.docs import DOCUMENTS


def test_the_document_is_as_the_lab_says() -> None:
    check = subprocess.run(
        [sys.executable, "-m", "mayfly_lab.docs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.stderr == ""
    assert check.returncode == 0


@pytest.mark.parametrize("name", sorted(DOCUMENTS.blocks))
def test_every_block_stands_in_one_document(name: str) -> None:
    text = "".join((ROOT / document).read_text("utf-8") for document in DOCUMENTS.names)
    assert text.count(f"<!-- generated:{name} -->") == 1


@pytest.mark.parametrize("name", sorted(DOCUMENTS.blocks))
def test_a_block_has_lines_and_stays_as_it_is(name: str) -> None:
    text = DOCUMENTS.renewed(f"<!-- generated:{name} -->\n<!-- /generated -->\n")
    assert DOCUMENTS.renewed(text) == text
    assert len(text.splitlines()) > 4

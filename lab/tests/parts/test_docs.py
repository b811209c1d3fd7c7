"""The blocks of docs/lab.md that the lab writes are never older than the lab."""

from __future__ import annotations

import pytest

from build.blocks import ROOT
from generate_docs import DOCUMENTS, faults
from mayfly_lab.faults import SWITCHES


def test_the_document_is_as_the_lab_says() -> None:
    assert DOCUMENTS.stale(ROOT, write=False) == [], "run make docs"


@pytest.mark.parametrize("name", sorted(DOCUMENTS.blocks))
def test_every_block_stands_in_one_document(name: str) -> None:
    text = "".join((ROOT / document).read_text("utf-8") for document in DOCUMENTS.names)
    assert text.count(f"<!-- generated:{name} -->") == 1


@pytest.mark.parametrize("name", sorted(DOCUMENTS.blocks))
def test_a_block_has_lines_and_stays_as_it_is(name: str) -> None:
    text = DOCUMENTS.renewed(f"<!-- generated:{name} -->\n<!-- /generated -->\n")
    assert DOCUMENTS.renewed(text) == text
    assert len(text.splitlines()) > 4


def test_the_table_has_every_fault() -> None:
    for name, switch in SWITCHES.items():
        assert f"| `{name}={switch.example}` | {switch.meaning} |" in faults()

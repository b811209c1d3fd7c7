"""The lab's generated blocks in docs/lab.md are current."""

from __future__ import annotations

import pytest

from build.blocks import ROOT
from generate_docs import DOCUMENTS, faults
from mayfly_lab.faults import SWITCHES


def test_the_generated_blocks_of_the_lab_document_are_current() -> None:
    assert DOCUMENTS.stale(ROOT, write=False) == [], "run make docs"


@pytest.mark.parametrize("name", sorted(DOCUMENTS.blocks))
def test_every_generated_block_is_in_one_document(name: str) -> None:
    text = "".join((ROOT / document).read_text("utf-8") for document in DOCUMENTS.names)
    assert text.count(f"<!-- generated:{name} -->") == 1


@pytest.mark.parametrize("name", sorted(DOCUMENTS.blocks))
def test_a_generated_block_is_not_empty_and_is_reproducible(name: str) -> None:
    text = DOCUMENTS.renewed(f"<!-- generated:{name} -->\n<!-- /generated -->\n")
    assert DOCUMENTS.renewed(text) == text
    assert len(text.splitlines()) > 4


def test_the_table_of_faults_has_every_fault() -> None:
    for name, switch in SWITCHES.items():
        assert f"| `{name}={switch.example}` | {switch.explained} |" in faults()

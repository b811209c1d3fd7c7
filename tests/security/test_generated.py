"""The tables of permissions in the documents are current with the policies."""

from __future__ import annotations

import pytest

from build.blocks import ROOT
from tests.security import generate_docs
from tests.security.remaining import entries
from tests.security.things import things


def test_the_tables_of_permissions_are_current() -> None:
    assert generate_docs.DOCUMENTS.stale(ROOT, write=False) == []


@pytest.mark.parametrize("name", sorted(generate_docs.DOCUMENTS.blocks))
def test_every_block_stands_in_a_document(name: str) -> None:
    texts = [(ROOT / each).read_text("utf-8") for each in generate_docs.DOCUMENTS.names]
    assert sum(text.count(f"<!-- generated:{name} -->") for text in texts) == 1


def test_the_tables_name_everything_that_is_protected() -> None:
    assert {name.partition("/")[0] for name in things()} == set(generate_docs.GROUPS)
    tables = generate_docs.permissions_that_remain()
    assert all(entry.because in tables for entry in entries())

"""The tables of permissions in the documents are current with the policies."""

from __future__ import annotations

import re

import pytest

from build.blocks import ROOT
from mayfly_cli.templates.resolution import ACCOUNT, REGION
from tests.security import generate_cases, generate_docs
from tests.security.remaining import entries
from tests.security.things import things


@pytest.mark.slow
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


def test_the_cases_of_check_policies_are_current() -> None:
    assert generate_cases.FILE.read_text("utf-8") == generate_cases.text(), "run make docs"


def test_the_cases_of_check_policies_have_no_name_of_the_sample_deployment() -> None:
    """Roles of other queues and stacks have unique ids that no deployment has."""
    text = re.sub("AROA[A-Z0-9]+", "", generate_cases.text())
    for name in ("acme", "linux", ACCOUNT, REGION, "1A2B", generate_cases.TOKEN):
        assert name not in text.lower(), name

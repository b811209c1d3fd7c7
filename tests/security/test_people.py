"""Who may what, for people, is as the table says, request by request."""

from __future__ import annotations

import pytest

from tests.security.people import PEOPLE, ROWS, Row


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_a_person_may_what_the_table_says(row: Row, who: str) -> None:
    assert row.allowed(who) == {who in row.may}


def test_everybody_has_a_right_of_the_own() -> None:
    """A column without a right would hide a policy that was not found."""
    assert set().union(*(row.may for row in ROWS)) == set(PEOPLE)

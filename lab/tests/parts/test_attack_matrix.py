"""The matrix of attacks: its rows, its text, and what it counts as bad."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from attacks.matrix import WIDTH, Matrix, Result, Try
from attacks.rows import Attack, Chapter, Place, chapters

ROW = Attack(
    "Job code does what it must not do, by a way whose description is longer than a line",
    refused_by="the host",
    mechanism="a mechanism",
    places=(Place.LAB, Place.WHOLE),
)
CHAPTERS = [Chapter("test_one", "One", [("test_it", ROW)])]


def matrix(**results: Result) -> Matrix:
    places = {"lab": Place.LAB, "whole": Place.WHOLE}
    return Matrix(
        CHAPTERS,
        {
            ("test_one", "test_it", places[name]): Try(each, "seen")
            for name, each in results.items()
        },
    )


@pytest.mark.parametrize(
    ("results", "bad"),
    [
        ({"lab": Result.REFUSED, "whole": Result.REFUSED}, 0),
        ({"lab": Result.REMAINS, "whole": Result.REMAINS}, 0),
        ({"lab": Result.REFUSED, "whole": Result.IMPOSSIBLE}, 0),
        ({"lab": Result.REFUSED}, 1),
        ({"lab": Result.REFUSED, "whole": Result.SUCCEEDED}, 1),
        ({"lab": Result.REFUSED, "whole": Result.UNTRIED}, 1),
        ({}, 2),
    ],
)
def test_an_attack_that_succeeds_or_was_not_tried_is_bad(
    results: Mapping[str, Result], bad: int
) -> None:
    assert matrix(**results).bad() == bad


def test_the_worst_place_gives_the_word_of_the_row() -> None:
    lines = list(matrix(lab=Result.REFUSED).lines())
    assert any(line.startswith("NOT TRIED   Job code") for line in lines)
    assert "2 tries of 1 attacks: 1 refused" in lines[-1]


def test_no_line_of_the_whole_matrix_is_wider_than_the_terminal() -> None:
    every = list(chapters())
    assert sum(len(chapter.rows) for chapter in every) > 40
    assert max(len(line) for line in Matrix(every, {}).lines() if "tries of" not in line) <= WIDTH


def test_every_attack_says_what_refuses_it_and_every_rest_what_closes_it() -> None:
    for chapter in chapters():
        for name, row in chapter.rows:
            assert row.refused_by, name
            assert row.mechanism, name
            assert row.places, name
            assert (row.refused_by == "nobody") <= bool(row.remains), name


def test_no_two_attacks_have_the_same_name_or_words() -> None:
    rows = [(name, row.what) for chapter in chapters() for name, row in chapter.rows]
    assert len({name for name, _ in rows}) == len({what for _, what in rows}) == len(rows)

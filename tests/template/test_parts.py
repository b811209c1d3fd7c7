"""Repeated parts of a template have one source; an edit of a copy is found and undone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from build import embed
from build.parts import BadPart, filled

QUEUE = embed.QUEUE.read_text(encoding="utf-8")
PLACES = [
    ("host-limits.yaml", ""),
    ("host-limits.yaml", ""),
    ("launch-template.yaml", "ARCHITECTURE=Arm64"),
    ("launch-template.yaml", "ARCHITECTURE=X8664"),
    ("no-token-by-path.yaml", ""),
    ("no-token-by-path.yaml", ""),
    ("no-token.yaml", ""),
    ("no-token.yaml", ""),
    ("report-right.yaml", ""),
    ("report-right.yaml", ""),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "door.yaml").write_text("- Door: __COLOUR__\n\n  # Closed.\n")
    return tmp_path


def text_with_place(
    words: str = " COLOUR=[red, blue]", body: str = "", name: str = "door.yaml"
) -> str:
    return f"before:\n  # BEGIN parts/{name}{words}\n{body}  # END parts/{name}\nafter: 1\n"


def test_the_queue_template_has_each_part_once_per_role_or_architecture() -> None:
    found = re.findall(r"^ *# BEGIN parts/(\S+) ?(.*)$", QUEUE, re.MULTILINE)
    assert sorted(found) == PLACES
    assert {name for name, _ in found} == {path.name for path in embed.PARTS.iterdir()}


@pytest.mark.parametrize("number", range(len(PLACES)))
def test_an_edit_of_any_copy_is_found_and_undone(number: int) -> None:
    begins = [match.end() for match in re.finditer(r"# BEGIN parts/.*\n", QUEUE)]
    edited = f"{QUEUE[: begins[number]]}              # mine\n{QUEUE[begins[number] :]}"
    assert filled(edited, embed.PARTS) == QUEUE


def test_a_part_is_indented_as_its_place_and_has_its_words_filled_in(folder: Path) -> None:
    text = text_with_place(body="  - Door: green\n")
    stands = text_with_place(body="  - Door: [red, blue]\n\n    # Closed.\n")
    assert filled(text, folder) == stands
    assert filled(stands, folder) == stands


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing: 1\n", "no place for door.yaml"),
        (text_with_place(words=""), "door.yaml needs COLOUR, its place gives none"),
        (text_with_place(words=" SIZE=1"), "door.yaml needs COLOUR, its place gives SIZE"),
        (text_with_place(words=" COLOUR="), "markers do not pair"),
        (text_with_place(name="gate.yaml"), "there is no part gate.yaml"),
        (text_with_place() + "# END parts/door.yaml\n", "markers do not pair"),
        (text_with_place() + "# BEGIN parts/door.yaml COLOUR=red\n", "markers do not pair"),
        (text_with_place().replace("END parts/door", "END parts/gate"), "markers do not pair"),
    ],
)
def test_a_place_without_a_matching_part_is_an_error(folder: Path, text: str, message: str) -> None:
    with pytest.raises(BadPart, match=re.escape(message)):
        filled(text, folder)


def test_a_place_that_gives_a_word_to_a_part_without_open_words_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "door.yaml").write_text("door: 1\n")
    with pytest.raises(BadPart, match=re.escape("needs no word, its place gives COLOUR")):
        filled(text_with_place(), tmp_path)

"""Length of files, and words in names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.modules import MAYFLY, ROOT, tracked, tree

LONGEST = 400
VAGUE = {"manager", "helper", "helpers", "util", "utils", "misc", "common", "info", "handle"}
STANDARD_LIBRARY_NAMES = {
    "handle",
    "handle_endtag",
    "handle_one_request",
    "handle_startendtag",
    "handle_starttag",
}
"""Methods that the standard library's servers and parsers call on their subclasses."""


def words(name: str) -> set[str]:
    return set(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_"))


DEFINITION = re.compile(r"^\s*(?:async\s+)?(?:def|class)\s+(\w+)", re.MULTILINE)


def may_name(path: Path, vague: set[str]) -> bool:
    """Whether a file may have a name with one of these words: fast, and true for a text too."""
    found = [path.stem, *DEFINITION.findall(path.read_text())]
    return any(words(name) & vague for name in found)


def names(path: Path) -> Iterator[str]:
    """The stem of a file, then the names of its functions and classes."""
    yield path.stem
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name


def test_every_python_file_is_short() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in tracked("*.py")}
    assert lengths, "nothing is tracked"
    long = {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > LONGEST}
    assert not long


def test_no_name_is_vague() -> None:
    vague = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in tracked("*.py")
        if may_name(path, VAGUE)
        for name in names(path)
        if name not in STANDARD_LIBRARY_NAMES and words(name) & VAGUE
    }
    assert not vague


def test_no_name_in_the_control_plane_says_process_or_data() -> None:
    named = {(name, each) for name, path in MAYFLY.items() for each in names(path)}
    assert len(named) > 1000
    assert {each for each in named if words(each[1]) & {"process", "data"}} == set()

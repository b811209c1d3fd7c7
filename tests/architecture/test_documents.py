"""Paths, commands, make targets and links in the documents exist."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from mayfly.config.parameters import DESCRIPTIONS
from mayfly_cli.command_line import leaves
from mayfly_cli.main import DAILY, mayfly

ROOT = Path(__file__).parents[2]
MAPS = ("docs/architecture.md", "docs/security.md", "CONTRIBUTING.md")
"""Documents that name files of the checkout."""
ENDINGS = (".py", ".sh", ".yaml", ".yml", ".md", ".json", ".toml")
PACKAGES = "mayfly|mayfly_protocol|mayfly_instance|mayfly_cli|mayfly_lab|buildkite_emulator"
MAYFLY = re.compile(r"(?:^\s*|/)mayfly ([a-z][a-z-]*)(.*)")
MAYFLY_LAB = re.compile(r"(?:^|/)mayfly-lab ([a-z][a-z-]*)")
MAKE = re.compile(r"^make ([a-z][a-z0-9-]*)")


@cache
def tracked() -> frozenset[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return frozenset(name for name in listed.stdout.split("\0") if name)


DOCUMENTS = sorted(
    name
    for name in tracked()
    if name.endswith(".md") and (name.count("/") == 0 or name.startswith(("docs/", "lab/README")))
)


def text_of(document: str) -> str:
    return (ROOT / document).read_text("utf-8")


def code(text: str) -> Iterator[str]:
    """Inline code spans, and the lines of fenced blocks; continued lines are joined."""
    outside = []
    for index, part in enumerate(re.split(r"^```.*$", text, flags=re.MULTILINE)):
        if index % 2:
            yield from part.replace("\\\n", " ").splitlines()
        else:
            outside.append(part)
    yield from re.findall(r"`([^`\n]+)`", "".join(outside))


def paths(text: str) -> set[str]:
    """Paths and modules (as `a/b.`) in code spans, without parameters of a queue.

    A brace list gives one path for each of its words.
    """
    found = set()
    for span in code(text):
        if re.fullmatch(rf"(?:{PACKAGES})(?:\.\w+)+", span):
            found.add(span.replace(".", "/") + ".")
        elif re.fullmatch(r"[\w.{},/-]+", span) and ("/" in span or span.endswith(ENDINGS)):
            head, opened, rest = span.partition("{")
            words, _, tail = rest.partition("}")
            found |= {head + word + tail for word in words.split(",")} if opened else {span}
    return found - {about.name for about in DESCRIPTIONS.values()}


def exists(path: str) -> bool:
    """Whether a tracked file or folder has the path, or ends in it; a module may be either."""
    if path.endswith("."):
        return exists(path + "py") or exists(path[:-1] + "/")
    name = "/" + path.strip("/")
    return any(f"/{each}".endswith(name) or f"{name}/" in f"/{each}" for each in tracked())


@pytest.mark.parametrize("document", MAPS)
def test_every_path_in_a_document_exists(document: str) -> None:
    found = paths(text_of(document))
    assert len(found) > 5
    assert not {path for path in found if not exists(path)}


@pytest.mark.parametrize(
    ("span", "missing"),
    [
        ("dispatch/nowhere.py", {"dispatch/nowhere.py"}),
        ("adapters/{aws,nowhere}/", {"adapters/nowhere/"}),
        ("nowhere.py", {"nowhere.py"}),
        ("mayfly.nowhere", {"mayfly/nowhere."}),
        ("mayfly.errors", set()),
        ("mayfly_cli.templates", set()),
        ("tests/architecture", set()),
        ("job/root", set()),
    ],
)
def test_a_path_that_does_not_exist_is_found(span: str, missing: set[str]) -> None:
    assert {path for path in paths(f"In `{span}`.") if not exists(path)} == missing


def commands(pattern: re.Pattern[str]) -> Iterator[tuple[str, re.Match[str]]]:
    """Every match in the code of every document, with the document's name."""
    for document in DOCUMENTS:
        for line in code(text_of(document)):
            for word in re.split(r"(?<=…) | && ", line):
                if match := pattern.search(word):
                    yield document, match


def test_every_subcommand_of_mayfly_in_a_document_exists_with_its_options() -> None:
    found = list(commands(MAYFLY))
    assert {match[1] for _, match in found} == set(mayfly.commands)
    for document, match in found:
        words = [name for name in leaves(mayfly) if name.split()[0] == match[1]]
        named = [name for name in words if f"{match[1]}{match[2]} ".startswith(f"{name} ")]
        params = [each for name in named or words for each in leaves(mayfly)[name].params]
        known = {option for each in params for option in each.opts}
        given = set(re.findall(r"(?<=\s)--[a-z-]+", match[2]))
        assert given <= known | {"--help"}, document


def test_every_subcommand_of_mayfly_lab_in_a_document_exists() -> None:
    sources = (ROOT / "lab/mayfly_lab/commands").glob("*.py")
    known = {
        name
        for path in sources
        for name in re.findall(r"@click\.command\(\s*\"([a-z-]+)\"", path.read_text("utf-8"))
    }
    found = {match[1] for _, match in commands(MAYFLY_LAB)}
    assert {"demo", "run", "up"} <= found <= known


def test_every_make_target_in_a_document_exists() -> None:
    known = set(re.findall(r"^([a-z][a-z0-9-]*):", text_of("Makefile"), flags=re.MULTILINE))
    found = {match[1] for _, match in commands(MAKE)}
    assert {"demo", "install", "test", "docs", "bundle"} <= found <= known


@pytest.mark.parametrize("name", sorted(set(mayfly.commands) - {c.name for c in DAILY}))
def test_every_subcommand_for_a_deployment_is_a_make_target_that_passes_arguments_on(
    name: str,
) -> None:
    """The first-day guide says `make NAME ARGS="…"`."""
    assert f"\n{name}: .venv/ok ##" in text_of("Makefile")
    assert f"\t$(BIN)/mayfly {name} $(ARGS)\n" in text_of("Makefile")


def headings(text: str) -> set[str]:
    """Anchors of the headings, as GitHub forms them."""
    lines = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_relative_link_of_a_document_leads_to_a_file_and_heading(document: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text_of(document)):
        name, _, anchor = target.partition("#")
        path = (ROOT / document).parent / name if name else ROOT / document
        assert path.exists(), target
        assert not anchor or anchor in headings(path.read_text("utf-8")), target

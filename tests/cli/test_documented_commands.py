"""The commands of `mayfly` in the documents, as its own parser reads them."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from build.blocks import ROOT
from build.guide import commands, examples
from mayfly.config.read import read_queue
from mayfly_cli.main import mayfly
from tests.unit.published import infra, parameters

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "lab/README.md")
)
_CALL = re.compile(r"(?:^|[\s(])(?:\.venv/bin/)?mayfly (?P<words>[a-z-]+( [^|#)]*)?)")


def documented(page: str) -> list[str]:
    """What follows `mayfly` in each command of a page: its blocks, shown output, and code spans."""
    text = (ROOT / page).read_text("utf-8")
    lines = [re.sub(r"\s#.*", "", command.text) for command in commands(text)]
    lines += [
        line.removeprefix("$ ")
        for block in (*examples(text, ""), *examples(text, "console"))
        for line in block.splitlines()
        if line.startswith("$ ")
    ]
    lines += re.findall(r"(?<!`)`(mayfly [^`\n]+)`", text)
    return [match["words"].strip() for line in lines if (match := _CALL.search(line))]


CALLS = sorted({(page, words) for page in PAGES for words in documented(page)})


def parsed(words: str) -> click.Context:
    name, *arguments = shlex.split(words)
    # With the group as parent: click keeps the options of help that a command is first asked with.
    parent = mayfly.make_context("mayfly", [name])
    if isinstance(group := mayfly.commands[name], click.Group):
        parent = group.make_context(name, arguments, parent)
        rest, *arguments = arguments
        return group.commands[rest].make_context(rest, arguments, parent)
    return mayfly.commands[name].make_context(name, arguments, parent)


def is_whole(words: str) -> bool:
    """Whether a reader may paste the words; a command with … names a kind of call."""
    return "…" not in words and len(words.split()) > 1


@pytest.mark.parametrize(("page", "words"), CALLS)
def test_a_documented_command_exists(page: str, words: str) -> None:
    assert words.split(maxsplit=1)[0] in mayfly.commands, page


@pytest.mark.parametrize(("page", "words"), [call for call in CALLS if is_whole(call[1])])
def test_a_documented_command_has_options_and_arguments_that_the_tool_takes(
    page: str, words: str
) -> None:
    with parsed(words) as context:
        assert context.command.name in words.split()[:2], page


def test_each_value_that_a_document_sets_is_allowed() -> None:
    found = [
        (context.params["name"], context.params["value"])
        for _, words in CALLS
        if words.startswith("set ") and is_whole(words)
        for context in [parsed(words)]
    ]
    assert found
    for name, value in found:
        assert read_queue("q", infra(), parameters({name: value}))[1] == ()

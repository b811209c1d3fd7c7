"""The command lines of the documents are accepted as they stand, with their values."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from build.blocks import ROOT
from build.guide import commands
from mayfly_cli.main import mayfly
from mayfly_lab.cli import mayfly_lab

PAGES = ("README.md", "lab/README.md", "docs/first-day.md", "docs/lab.md", "docs/operating.md")
PROGRAMS: dict[str, click.Group] = {"mayfly": mayfly, "mayfly-lab": mayfly_lab}


def lines() -> Iterator[tuple[str, list[str]]]:
    """Program and arguments of each command line of our programs in the documents' examples."""
    for page in PAGES:
        for command in commands((ROOT / page).read_text("utf-8")):
            for program, words in re.findall(r"\.venv/bin/([a-z-]+) ([^|)]+)", command.text):
                if program in PROGRAMS:
                    yield program, shlex.split(words, comments=True)


LINES = list(lines())


def test_the_documents_have_examples_of_both_programs() -> None:
    assert {program for program, _ in LINES} == set(PROGRAMS)
    assert len(LINES) > 12


@pytest.mark.parametrize(("program", "words"), LINES, ids=lambda each: str(each)[:40])
def test_a_documented_command_line_is_accepted(program: str, words: list[str]) -> None:
    name, *arguments = words
    command = PROGRAMS[program].commands[name]
    with command.make_context(name, arguments) as context:
        shown = {each.name for each in command.params if each.name and each.expose_value}
        assert shown <= context.params.keys()

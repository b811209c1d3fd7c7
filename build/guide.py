"""Reads documents: their commands and examples, and the first-day guide's table of questions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from build.blocks import ROOT

PAGE = ROOT / "docs" / "first-day.md"
_FENCE = re.compile(r"^```(?P<language>\w*)$")
_QUESTION = re.compile(
    r"^\| `(?P<text>[^`]+?)(?: \[(?P<default>[^]]*)\])?` \| (?P<answer>[^|]+) \|"
)


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a page, as a reader pastes it."""

    section: str
    """The heading above the command."""
    text: str
    """Continued lines are joined."""


@dataclass(frozen=True, slots=True)
class Question:
    """One row of the table of `sam deploy --guided`."""

    text: str
    default: str
    """The text in brackets; empty also for a question without a default."""
    answer: str
    """What is typed: a word, a shell variable such as `$VPC`, or empty for Enter alone."""


def commands(page: str) -> Iterator[Command]:
    """The commands in a page's fenced blocks of language `sh`, in order."""
    section, language, inside, begun = "", "", False, ""
    for line in page.splitlines():
        if fence := _FENCE.match(line):
            inside, language = not inside, fence["language"]
        elif not inside:
            section = line.lstrip("# ") if line.startswith("#") else section
        elif language == "sh":
            begun += re.sub(r"^\s+", " ", line) if begun else line
            if begun.endswith("\\"):
                begun = begun[:-1].rstrip()
            else:
                yield Command(section, begun)
                begun = ""


def examples(page: str, language: str) -> list[str]:
    """The fenced blocks of a language, whole and in order; `""` for those without a language."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page, flags=re.DOTALL | re.MULTILINE)
    return [text for named, text in blocks if named == language]


def questions(page: str) -> list[Question]:
    """The questions of `sam deploy --guided` with their answers, in order."""
    head = page.index("| question | answer |")
    rows = page[head:].split("\n\n", 1)[0].splitlines()[2:]
    found = []
    for row in rows:
        match = _QUESTION.match(row)
        if match is None:
            raise ValueError(f"not a row of questions: {row}")
        answer = match["answer"].strip()
        typed = "" if answer == "Enter" else answer.strip("`")
        found.append(Question(match["text"], match["default"] or "", typed))
    return found

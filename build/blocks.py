"""Generated blocks of documents: from `<!-- generated:NAME -->` to `<!-- /generated -->`.

A program that generates blocks calls `main`, which names the stale documents and exits with 1; with
`--write`, `main` renews them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import click

ROOT = Path(__file__).resolve().parent.parent

_BLOCK = re.compile(
    r"(?P<start><!-- generated:(?P<name>[a-z-]+) -->\n)(?P<body>.*?)(?P<end><!-- /generated -->)",
    re.DOTALL,
)
_MARKER = re.compile(r"<!-- /?generated")


class BadMarkers(Exception):
    """The markers of a document do not pair, or name an unknown block."""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table without a final newline; `|` in a cell is escaped."""
    names = list(head)
    lines = [names, ["---"] * len(names), *(list(row) for row in rows)]
    cells = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(each)} |" for each in cells)


@dataclass(frozen=True, slots=True)
class Documents:
    """Documents, and the functions that generate their blocks."""

    names: tuple[str, ...]
    """Paths of the documents, relative to the checkout."""
    blocks: Mapping[str, Callable[[], str]]
    """By name of a block: the function that returns its text."""

    def renewed(self, text: str) -> str:
        """The document's text with all blocks generated anew.

        Raises:
            BadMarkers: the markers do not pair, or name an unknown block.
        """
        found = list(_BLOCK.finditer(text))
        if len(_MARKER.findall(text)) != 2 * len(found):
            raise BadMarkers("markers do not pair: <!-- generated:NAME --> … <!-- /generated -->")
        unknown = {match["name"] for match in found} - self.blocks.keys()
        if unknown:
            raise BadMarkers(
                f"there is no block {', '.join(sorted(unknown))}: {', '.join(self.blocks)}"
            )
        return _BLOCK.sub(
            lambda match: f"{match['start']}\n{self.blocks[match['name']]()}\n\n{match['end']}",
            text,
        )

    def stale(self, root: Path, write: bool) -> list[str]:
        """Names of the stale documents below `root`; with `write`, the files are renewed.

        Raises:
            BadMarkers: the markers of a document do not pair, or name an unknown block.
        """
        names = []
        for name in self.names:
            path = root / name
            old = path.read_text("utf-8")
            new = self.renewed(old)
            if new != old:
                names.append(name)
                if write:
                    path.write_text(new, "utf-8")
        return names


def main(documents: Documents) -> NoReturn:
    """Run the command line and exit: 0 if no document was stale or `--write` was given, else 1."""

    @click.command(help="Name the documents with stale generated blocks.")
    @click.option("--write", is_flag=True, help="Renew the stale blocks.")
    def blocks(write: bool) -> None:
        names = documents.stale(ROOT, write)
        for name in names:
            click.echo(f"{name}: {'renewed' if write else 'stale, run make docs'}", err=True)
        sys.exit(int(bool(names) and not write))

    sys.exit(blocks())

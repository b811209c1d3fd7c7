"""Generated blocks of documents: from `<!-- generated:NAME -->` to `<!-- /generated -->`.

A module that has such blocks calls `main`: it names the documents that are stale and fails; with
`--write` it renews them.
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
    """A document's markers do not pair, or name no block."""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    names = list(head)
    lines = [names, ["---"] * len(names), *(list(row) for row in rows)]
    cells = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(each)} |" for each in cells)


@dataclass(frozen=True, slots=True)
class Documents:
    """Documents, and the blocks that may stand in them."""

    names: tuple[str, ...]
    """Paths below the checkout."""
    blocks: Mapping[str, Callable[[], str]]
    """By name: what writes the block."""

    def renewed(self, text: str) -> str:
        """The document with every block as it must be. Raises BadMarkers."""
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
        """The documents below `root` that were not as they must be; renewed if `write`."""
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
    """Run as a program; its exit status is 0 when nothing was stale, or all was renewed."""

    @click.command(help="Generated blocks of the documentation: name those that are stale.")
    @click.option("--write", is_flag=True, help="Renew what is stale.")
    def blocks(write: bool) -> None:
        names = documents.stale(ROOT, write)
        for name in names:
            click.echo(f"{name}: {'renewed' if write else 'stale, run make docs'}", err=True)
        sys.exit(int(bool(names) and not write))

    sys.exit(blocks())

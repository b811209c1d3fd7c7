"""The commands behind `make machine-tree` and `make clean-trees`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from mayfly.errors import Misconfigured, Transient
from mayfly_lab.machines.whole.recipes import SUITES
from mayfly_lab.machines.whole.trees import Trees, here


def main() -> int:
    """Run the command line. Exit status: 0; 1 if a tree could not be made or removed."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("make", help="make the trees that the cache lacks")
    commands.add_parser("renew", help="make them, and remove disks and older trees")
    commands.add_parser("remove", help="remove all trees and disks")
    command = parser.parse_args().command
    try:
        for suite in SUITES:
            if command != "remove":
                _make(here(), suite)
            if command != "make":
                _remove(here(), suite, keep=command == "renew")
    except (Misconfigured, Transient, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def _make(trees: Trees, suite: str) -> None:
    began = time.monotonic()
    tree = trees.ready(suite)
    took = time.monotonic() - began
    print(f"{suite}: {tree}, {_mebibytes(tree)} MiB, ready after {took:.0f} s", flush=True)


def _remove(trees: Trees, suite: str, *, keep: bool) -> None:
    for path in trees.remove(suite, keep_current=keep):
        print(f"{suite}: removed {path}", flush=True)


def _mebibytes(tree: Path) -> int:
    """What the tree takes on disk; a file with several names counts once."""
    stats = map(Path.lstat, tree.rglob("*"))
    return sum({stat.st_ino: stat.st_blocks for stat in stats}.values()) * 512 // 2**20


if __name__ == "__main__":
    sys.exit(main())

"""The beginning of the program `mayfly-lab`."""

from __future__ import annotations

from mayfly_cli import start


def main() -> None:
    """Run `mayfly-lab` for this process, and exit with its status."""
    start.run("mayfly-lab", "mayfly_lab.cli")

"""Put into the templates what is generated: the bundle's SHA-256, the user data, repeated parts.

`python -m build.embed` rewrites template.yaml and stacks/queue.yaml in place; with `--check` it
only says whether they are up to date, and exits with 1 when they are not.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from textwrap import indent

import click

from build import parts

ROOT = Path(__file__).resolve().parent.parent
INSTANCE = ROOT / "layers" / "instance"
CONTROL = ROOT / "template.yaml"
QUEUE = ROOT / "stacks" / "queue.yaml"
PARTS = ROOT / "stacks" / "parts"

PLACEHOLDER = "\n__MAYFLY_HOST_JSON__\n"
"""The line of the user data that stands for what only the queue stack knows."""

_SHA256 = re.compile(r'(?<=Sha256: ")[0-9a-f]{64}(?=")')
_USER_DATA = re.compile(r"(?<=# BEGIN user data\n).*?(?= *# END user data\n)", re.DOTALL)


def bundle_sha256() -> str:
    """The SHA-256 of the bundle that `sam build` will make of the sources as they are."""
    with tempfile.TemporaryDirectory() as directory:
        bundle = Path(directory, "bundle.tar.gz")
        # The very command of the layer's Makefile.
        subprocess.run([sys.executable, INSTANCE / "bundle.py", bundle], check=True)
        return hashlib.sha256(bundle.read_bytes()).hexdigest()


def user_data_mapping(script: str) -> str:
    """The script in two pieces, as the YAML between the markers of stacks/queue.yaml."""
    before, after = script.split(PLACEHOLDER)
    pieces = {"Before": before + "\n", "After": after}
    return "".join(f"      {name}: |\n{indent(text, ' ' * 8)}" for name, text in pieces.items())


def expected() -> dict[Path, str]:
    """Each template with what should stand in it."""
    mapping = user_data_mapping((INSTANCE / "user-data.sh").read_text(encoding="utf-8"))
    return {
        CONTROL: _replaced(_SHA256, bundle_sha256(), CONTROL),
        QUEUE: parts.filled(_replaced(_USER_DATA, mapping, QUEUE), PARTS),
    }


def _replaced(pattern: re.Pattern[str], new: str, path: Path) -> str:
    text, count = pattern.subn(lambda _: new, path.read_text(encoding="utf-8"))
    if count != 1:
        raise SystemExit(f"{path.name}: expected one place for generated content, found {count}")
    return text


@click.command()
@click.option(
    "--check", is_flag=True, help="Change nothing; exit with 1 where a template is stale."
)
def main(check: bool) -> None:
    """Rewrite template.yaml and stacks/queue.yaml with what is generated."""
    stale = {
        path: text for path, text in expected().items() if path.read_text(encoding="utf-8") != text
    }
    for path, text in stale.items():
        if check:
            click.echo(f"{path.name} is stale: run `make bundle`", err=True)
        else:
            path.write_text(text, encoding="utf-8")
    sys.exit(int(check and bool(stale)))


if __name__ == "__main__":
    main()

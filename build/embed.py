"""Writes the generated text of the templates: bundle SHA-256, user data, dashboard, repeated parts.

`python -m build.embed` rewrites template.yaml and stacks/queue.yaml in place; with `--check` it
names the stale templates instead, and exits with 1 if there are any.
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

from build import dashboard, parts
from build.blocks import ROOT

INSTANCE = ROOT / "layers" / "instance"
CONTROL = ROOT / "template.yaml"
QUEUE = ROOT / "stacks" / "queue.yaml"
PARTS = ROOT / "stacks" / "parts"

PLACEHOLDER = "\n__MAYFLY_HOST_JSON__\n"
"""The line of user-data.sh that each launch template replaces by the queue's own JSON."""

_SHA256 = re.compile(r'(?<=Sha256: ")[0-9a-f]{64}(?=")')
_DASHBOARD = re.compile(r"(?<=# BEGIN dashboard\n).*?(?= *# END dashboard\n)", re.DOTALL)
_USER_DATA = re.compile(r"(?<=# BEGIN user data\n).*?(?= *# END user data\n)", re.DOTALL)


def bundle_sha256() -> str:
    """SHA-256 in hex of the bundle that `sam build` makes from the current sources."""
    with tempfile.TemporaryDirectory() as directory:
        bundle = Path(directory, "bundle.tar.gz")
        # The same command as in layers/Makefile, so both make the same bytes.
        subprocess.run([sys.executable, INSTANCE / "bundle.py", bundle], check=True)
        return hashlib.sha256(bundle.read_bytes()).hexdigest()


def user_data_mapping(script: str) -> str:
    """YAML for the markers of stacks/queue.yaml: the script before and after the placeholder."""
    before, after = script.split(PLACEHOLDER)
    pieces = {"Before": before + "\n", "After": after}
    return "".join(f"      {name}: |\n{indent(text, ' ' * 8)}" for name, text in pieces.items())


def expected() -> dict[Path, str]:
    """By path: the text that each template must have.

    Raises:
        BadPart: the markers and the parts in stacks/parts do not fit.
        SystemExit: the place for generated text is missing or occurs twice.
    """
    script = (INSTANCE / "user-data.sh").read_text(encoding="utf-8")
    control, queue = (path.read_text(encoding="utf-8") for path in (CONTROL, QUEUE))
    control = _replaced(_SHA256, bundle_sha256(), control, CONTROL.name)
    control = _replaced(_DASHBOARD, dashboard.property_text(), control, CONTROL.name)
    queue = _replaced(_USER_DATA, user_data_mapping(script), queue, QUEUE.name)
    return {CONTROL: control, QUEUE: parts.filled(queue, PARTS)}


def _replaced(pattern: re.Pattern[str], new: str, text: str, name: str) -> str:
    text, count = pattern.subn(lambda _: new, text)
    if count != 1:
        raise SystemExit(f"{name}: expected one place for generated text, found {count}")
    return text


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 if a template is stale.")
def main(check: bool) -> None:
    """Write the generated text into template.yaml and stacks/queue.yaml."""
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

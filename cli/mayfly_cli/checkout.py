"""The checkout with the templates and pyproject.toml.

`make install` runs the tool from its checkout. Installed elsewhere, as by pipx, the tool has no
templates of its own: the commands that read them are run in a checkout.
"""

from __future__ import annotations

from pathlib import Path

_SOURCE = Path(__file__).resolve().parents[2]
ROOT = _SOURCE if (_SOURCE / "template.yaml").is_file() else Path.cwd()

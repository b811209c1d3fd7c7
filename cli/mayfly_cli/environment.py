"""Goes on in the checkout's own Python, which has what the scripts import."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""
_VENV = ROOT / ".venv"


def enter() -> None:
    """Return in the Python of `.venv`; from any other, start the script anew there.

    Ends with exit status 2 where there is none. Runs under whatever `python3` is on PATH.
    """
    if Path(sys.prefix).resolve() == _VENV.resolve():
        return
    python = _VENV / "bin" / "python"
    if not python.exists():
        name = Path(sys.argv[0]).name
        sys.stderr.write(f"{name}: {_VENV} is not there: run `make install` first\n")
        sys.exit(2)
    os.execv(python, [str(python), *sys.argv])  # noqa: S606 - no shell is wanted

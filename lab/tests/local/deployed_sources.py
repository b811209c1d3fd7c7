"""Copies of the sources with fresh generated templates, independent of the checkout's state."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def fresh_sources(copy: Path) -> Path:
    """Copy the deployed files into `copy`, with generated parts renewed as by `make bundle`."""
    for name in ("stacks", "functions", "layers", "build"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "template.yaml", copy)
    subprocess.run([sys.executable, "-m", "build.embed"], cwd=copy, check=True)
    return copy

"""The sources with the templates as `make bundle` writes them, wherever the checkout stands."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def fresh_sources(copy: Path) -> Path:
    """Copy what is deployed into `copy`, its generated parts made anew."""
    for name in ("stacks", "functions", "layers", "build"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "template.yaml", copy)
    subprocess.run([sys.executable, "-m", "build.embed"], cwd=copy, check=True)
    return copy

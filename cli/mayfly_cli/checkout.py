"""The checkout that the tool is installed from; it holds the templates and pyproject.toml."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

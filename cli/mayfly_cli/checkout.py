"""The checkout that the tool was installed from: templates and the emulator's suite are in it."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

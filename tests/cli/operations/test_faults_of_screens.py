"""Every command on narrow, dumb and closed screens."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from rich.cells import cell_len

from mayfly_cli.main import run_command
from tests.cli.operations.conftest import StackInMoto
from tests.cli.operations.faults import (
    OPERATORS,
)
from tests.cli.operations.samples import LINT, WAITING


class Screen(io.TextIOWrapper):
    """A terminal, or a file, of one encoding."""

    def __init__(self, encoding: str, *, terminal: bool) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, errors="replace", newline="\n")
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def text(self) -> str:
        self.flush()
        raw: Any = self.buffer
        return str(raw.getvalue().decode(self.encoding))


@pytest.mark.parametrize("kind", ["terminal", "NO_COLOR", "dumb terminal", "pipe", "ASCII"])
def test_every_command_fits_every_screen_of_40_columns(
    busy: StackInMoto, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "dumb" if kind == "dumb terminal" else "xterm-256color")
    monkeypatch.setenv("COLUMNS", "40")
    if kind == "NO_COLOR":
        monkeypatch.setenv("NO_COLOR", "1")
    encoding = "ascii" if kind == "ASCII" else "utf-8"
    screen = Screen(encoding, terminal=kind not in {"pipe", "ASCII"})
    # Not in a fixture: pytest puts its own stdout back between a fixture and its test.
    monkeypatch.setattr("sys.stdout", screen)
    for name in OPERATORS:
        assert run_command((name, *OPERATORS[name])) in {0, 1}, name
    text = screen.text()
    styles = set(re.findall(r"\x1b\[([0-9;]*)m", text))
    coloured = {style for style in styles if re.search(r"\b3[1-7]\b", style)}
    assert bool(coloured) is (kind == "terminal")
    assert bool(styles) is (kind in {"terminal", "NO_COLOR"})
    for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines():
        is_whole = len(line.split()) == 1 or line.lstrip().startswith("-> ")
        assert cell_len(line) <= 40 or is_whole, line


def test_json_is_whole_where_the_locale_has_no_unicode(
    busy: StackInMoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy.save(replace(WAITING, job=LINT.job[:-1] + "9", step="Prüfung ✓"))
    screen = Screen("ascii", terminal=False)
    monkeypatch.setattr("sys.stdout", screen)
    assert run_command(("jobs", "--json")) in {0, 1}
    assert "Prüfung ✓" in {job["step"] for job in json.loads(screen.text())["jobs"]}


@pytest.mark.parametrize("term", ["dumb", "unknown", ""])
def test_a_terminal_that_cannot_clear_is_not_cleared(
    busy: StackInMoto, monkeypatch: pytest.MonkeyPatch, term: str
) -> None:
    from mayfly_cli.operations.running import clears

    screen = Screen("utf-8", terminal=True)
    assert clears(screen, {"TERM": "xterm"})
    assert not clears(screen, {"TERM": term} if term else {})
    assert not clears(Screen("utf-8", terminal=False), {"TERM": "xterm"})

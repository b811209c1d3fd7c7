"""The rows of the attack matrix: each is written at the test that tries the attack."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TypeVar

_ROW = "attack"
_HERE = Path(__file__).parent

Test = TypeVar("Test", bound=Callable[..., None])


class Place(StrEnum):
    """Where an attack is tried."""

    LAB = "lab"
    """The whole system, with machines in namespaces of their own."""
    WHOLE = "whole machine"
    """The same, with machines that a systemd of their own runs."""


@dataclass(frozen=True, slots=True)
class Code:
    """What a job runs in Bash, and what root runs on the same host to show that it can work."""

    job: str
    root: str = ""
    """Root's code; empty for the job's own code."""
    queue: str = "closed"
    limit: int = 20
    """Seconds until the code is killed."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One row: who attacks how, what refuses it, and by which mechanism."""

    what: str
    refused_by: str
    mechanism: str
    places: Sequence[Place] = (Place.LAB,)
    code: Code | None = None
    """Job code that runs in one job with that of the file's other attacks; None for an attack
    with calls or jobs of its own."""
    remains: str = ""
    """For an attack that is not refused: what remains, and the setting that closes it."""


def attack(
    what: str,
    *,
    refused_by: str,
    mechanism: str,
    places: Sequence[Place] = (Place.LAB,),
    code: Code | None = None,
    remains: str = "",
) -> Callable[[Test], Test]:
    """Make a row of the test below it. The test fails when the attack has more than its effect."""
    row = Attack(what, refused_by, mechanism, places, code, remains)

    def add(test: Test) -> Test:
        setattr(test, _ROW, row)
        return test

    return add


def row_of(test: object) -> Attack | None:
    """The row at a test; None for a test that is no attack."""
    found = getattr(test, _ROW, None)
    return found if isinstance(found, Attack) else None


@dataclass(frozen=True, slots=True)
class Chapter:
    """The attacks of one file."""

    name: str
    """The file without its ending."""
    title: str
    rows: Sequence[tuple[str, Attack]]
    """By name of the test, in the order of the file."""


def chapters() -> Iterator[Chapter]:
    """All files of attacks, with the first sentence of each as the title."""
    for path in sorted(_HERE.glob("test_*.py")):
        module = importlib.import_module(f"attacks.{path.stem}")
        rows = [(name, row) for name, test in _tests(module) if (row := row_of(test))]
        if rows:
            title = re.split(r"[.:]", module.__doc__ or path.stem, maxsplit=1)[0]
            yield Chapter(path.stem, title, rows)


def _tests(module: ModuleType) -> Iterator[tuple[str, FunctionType]]:
    for name, value in vars(module).items():
        if name.startswith("test_") and isinstance(value, FunctionType):
            yield name, value

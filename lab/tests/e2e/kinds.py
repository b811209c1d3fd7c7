"""The kinds of job that the end-to-end tests run: one table, for the tests and for the docs.

Each file below `jobs` is a list. `story` is the test's name, `pipeline` its pipeline. What cannot
be shown says why: `stand-in` names the limit of the lab's own agent that is in the way, `directory`
says why machines that are directories, without users and namespaces, cannot.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mayfly_lab.agents.notice import LIMITS

_FILES = ("endings", "output", "checkouts", "hosts", "builds")
_PLACE = Path(__file__).parent / "jobs"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of job."""

    story: str
    pipeline: Mapping[str, Any]
    """In Buildkite's own words, but for the queue."""
    queue: str = "jobs"
    repository: str = "app"
    build: Mapping[str, str] = field(default_factory=dict)
    """`branch`, `tag` and `commit` of its build, where they are not the default ones."""
    stand_in: str = ""
    """What the stand-in lacks to run it, as LIMITS has it; empty when it can."""
    directory: str = ""
    """Why a machine without namespaces cannot show it; empty when it can."""

    @property
    def test(self) -> str:
        """The name of its test."""
        words = self.story.lower().replace("'", "").replace("-", " ")
        return "_".join(["test", *words.split()])

    @property
    def slug(self) -> str:
        """The name of its pipeline at Buildkite."""
        return "".join(c if c.isalnum() else "-" for c in self.story)

    @property
    def configuration(self) -> str:
        """Its pipeline as Buildkite takes it; JSON is YAML."""
        # What the job's shell is to read is not for Buildkite to fill in.
        return json.dumps({"agents": {"queue": self.queue}, **self.pipeline}).replace("$", "$$")


def _read(name: str) -> list[Kind]:
    entries = yaml.safe_load((_PLACE / f"{name}.yml").read_text("utf-8"))
    return [_kind(**{key.replace("-", "_"): value for key, value in e.items()}) for e in entries]


def _kind(stand_in: str | None = None, **given: Any) -> Kind:
    return Kind(stand_in=LIMITS[stand_in] if stand_in else "", **given)


KINDS: Mapping[str, Kind] = {kind.test: kind for name in _FILES for kind in _read(name)}
"""By the name of the test."""

"""The kinds of job in the end-to-end tests: one table for tests and docs.

Each file below `jobs` is a list. `story` gives the test's name, `pipeline` its pipeline. Two keys
exclude a kind and give the reason: `stand-in` names the limit of the lab's own agent that prevents
the kind; `directory` says why machines that are directories, without users and namespaces, cannot
show it.
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
    """In Buildkite's own words, except the queue."""
    queue: str = "jobs"
    repository: str = "app"
    build: Mapping[str, str] = field(default_factory=dict)
    """`branch`, `tag` and `commit` of the build, where they differ from the defaults."""
    stand_in: str = ""
    """The stand-in's limit that prevents this kind, a key of LIMITS; empty for none."""
    directory: str = ""
    """The reason why a machine without namespaces cannot show this kind; empty for none."""

    @property
    def test(self) -> str:
        """The name of the kind's test."""
        words = self.story.lower().replace("'", "").replace("-", " ")
        return "_".join(["test", *words.split()])

    @property
    def slug(self) -> str:
        """The slug of the kind's pipeline."""
        return "".join(c if c.isalnum() else "-" for c in self.story)

    @property
    def configuration(self) -> str:
        """The kind's pipeline for Buildkite; JSON is valid YAML."""
        # Buildkite must not interpolate the variables of the job's shell.
        return json.dumps({"agents": {"queue": self.queue}, **self.pipeline}).replace("$", "$$")


def _read(name: str) -> list[Kind]:
    entries = yaml.safe_load((_PLACE / f"{name}.yml").read_text("utf-8"))
    return [_kind(**{key.replace("-", "_"): value for key, value in e.items()}) for e in entries]


def _kind(stand_in: str | None = None, **given: Any) -> Kind:
    return Kind(stand_in=LIMITS[stand_in] if stand_in else "", **given)


KINDS: Mapping[str, Kind] = {kind.test: kind for name in _FILES for kind in _read(name)}
"""Kinds by the name of their test."""

"""Tells once what the emulator does not carry out of the builds' pipelines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from buildkite_emulator import BuildNotice
from mayfly_lab.lab import Lab

SHOWN = 5
"""Places that a line names; it counts the further ones."""


@dataclass(slots=True)
class LeftOut:
    """The notices of all builds of a lab."""

    lab: Lab
    files: Mapping[str, Path] = field(default_factory=dict)
    """The file of each pipeline that has one, by slug."""
    _told: dict[str, int] = field(default_factory=dict)

    def new_lines(self) -> Iterator[str]:
        """A line for each kind of notice that no earlier call returned, with file and line."""
        for build_id, notices in self.lab.buildkite.notices().items():
            new = notices[self._told.get(build_id, 0) :]
            self._told[build_id] = len(notices)
            if new:
                slug = self.lab.buildkite.build(build_id).pipeline
                yield from self._lines(str(self.files.get(slug, f"pipeline {slug}")), new)

    def _lines(self, file: str, notices: Sequence[BuildNotice]) -> Iterator[str]:
        groups: dict[tuple[str | None, str], list[BuildNotice]] = {}
        for notice in notices:
            groups.setdefault((notice.uploaded_by, notice.words), []).append(notice)
        for (job_id, words), same in groups.items():
            source = file if job_id is None else f"upload of {self.lab.buildkite.job(job_id).name}"
            same.sort(key=lambda notice: notice.line or 0)
            places = list(dict.fromkeys(str(n.line) if n.line else f" {n.place}" for n in same))
            further = len(places) - SHOWN
            more = f" and {further} more" if further > 0 else ""
            yield f"notice: {source}:{','.join(places[:SHOWN])}{more}: {words}"

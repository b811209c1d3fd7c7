"""Tells once what the emulator leaves out of builds' pipelines, and which answers steps need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    answers: Mapping[str, str] = field(default_factory=dict)
    """Answers of the command line to fields of block steps, in builds of `files`."""
    _told: dict[str, int] = field(default_factory=dict)

    def new_lines(self) -> Iterator[str]:
        """A line for each kind of notice that no earlier call returned, with file and line."""
        for build_id, notices in self.lab.buildkite.notices().items():
            new = notices[self._told.get(build_id, 0) :]
            self._told[build_id] = len(notices)
            if new:
                yield from self._of_build(self.lab.buildkite.build(build_id).pipeline, new)

    def _of_build(self, slug: str, notices: Sequence[BuildNotice]) -> Iterator[str]:
        if slug not in self.files:
            yield from self._lines(f"pipeline {slug}", notices)
            return
        open_ones = [
            replace(each, words=f"{each.words} (--answer {each.answer}=VALUE)")
            if each.answer
            else each
            for each in notices
            if each.answer not in self.answers
        ]
        yield from self._lines(str(self.files[slug]), open_ones)

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

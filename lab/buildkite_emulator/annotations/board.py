"""The annotations of all builds and jobs, and the rules by which annotations change.

Source: buildkite/docs pipelines/configure/annotations.md, agent/cli/reference/annotate.md and
apis/rest_api/annotations.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from buildkite_emulator.memory.tokens import new_id
from buildkite_emulator.serving.refusals import not_found, unprocessable

MAX_BODY_BYTES = 2**20
STYLES = ("success", "info", "warning", "error")
SCOPES = ("build", "job")
DEFAULT_CONTEXT = "default"
DEFAULT_PRIORITY = 3


@dataclass(frozen=True, slots=True)
class Place:
    """The place of an annotation. A build, or a job of it, has one annotation for each context."""

    build_id: str
    job_id: str | None
    """None for an annotation on the build."""
    context: str


@dataclass(frozen=True, slots=True)
class Change:
    """The content of an annotate call; None keeps the value of an existing annotation."""

    body: str
    style: str | None
    priority: int | None
    append: bool


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotation on a build or a job."""

    id: str
    place: Place
    body: str
    style: str | None
    priority: int
    created_at: datetime
    updated_at: datetime

    @property
    def scope(self) -> str:
        """`build` or `job`."""
        return "job" if self.place.job_id else "build"


class AnnotationBoard:
    """Holds one annotation for each place."""

    def __init__(self) -> None:
        self._held: dict[Place, Annotation] = {}

    def write(self, place: Place, change: Change, now: datetime) -> Annotation:
        """Create, replace or append to an annotation. Returns the annotation.

        An empty body keeps the text, so a call may change the style alone. Assumed: style and
        priority stay when a call omits them.

        Raises:
            RefusedError: 422 for an annotation without text, or with more than 1 MiB of it.
        """
        held = self._held.get(place)
        if held is None:
            priority = DEFAULT_PRIORITY if change.priority is None else change.priority
            made = Annotation(new_id(), place, change.body, change.style, priority, now, now)
        else:
            text = held.body + change.body if change.append else change.body or held.body
            made = replace(
                held,
                body=text,
                style=change.style or held.style,
                priority=held.priority if change.priority is None else change.priority,
                updated_at=now,
            )
        size = len(made.body.encode())
        if size == 0:
            raise unprocessable("body can't be blank")
        if size > MAX_BODY_BYTES:
            raise unprocessable(f"body is too long (maximum is {MAX_BODY_BYTES} bytes)")
        self._held[place] = made
        return made

    def remove(self, place: Place) -> None:
        """Delete the annotation at this place.

        Raises:
            RefusedError: 404 for a place without an annotation.
        """
        if self._held.pop(place, None) is None:
            raise not_found("annotation")

    def of_build(self, build_id: str) -> list[Annotation]:
        """The build's own annotations, highest priority first, then oldest. Jobs' are omitted."""
        mine = (a for a in self._held.values() if a.place.build_id == build_id)
        return _in_page_order(a for a in mine if a.place.job_id is None)

    def of_job(self, job_id: str) -> list[Annotation]:
        """The job's annotations, highest priority first, then oldest."""
        return _in_page_order(a for a in self._held.values() if a.place.job_id == job_id)

    def get(self, annotation_id: str) -> Annotation | None:
        """The annotation with this id; None for an unknown id."""
        return next((a for a in self._held.values() if a.id == annotation_id), None)


def _in_page_order(annotations: Iterable[Annotation]) -> list[Annotation]:
    return sorted(annotations, key=lambda a: (-a.priority, a.created_at))

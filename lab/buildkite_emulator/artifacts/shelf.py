"""All artifacts of the organisation, and the batches of their announcements."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from .records import Artifact, ArtifactState

_MINUTE = timedelta(minutes=1)


class ArtifactShelf:
    """Holds artifact records; `storage.ObjectStorage` holds the bytes."""

    def __init__(self) -> None:
        self._artifacts: dict[str, Artifact] = {}
        self._batches: dict[tuple[str, str], tuple[str, ...]] = {}
        self._calls: deque[datetime] = deque()

    def add_batch(self, job_id: str, batch_id: str, artifacts: Sequence[Artifact]) -> None:
        """Store a batch under the agent's own batch id."""
        for artifact in artifacts:
            self._artifacts[artifact.id] = artifact
        self._batches[job_id, batch_id] = tuple(artifact.id for artifact in artifacts)

    def batch(self, job_id: str, batch_id: str) -> list[Artifact] | None:
        """The artifacts of an earlier batch; None for a new id.

        Agents repeat a batch after a lost answer.
        """
        ids = self._batches.get((job_id, batch_id))
        return None if ids is None else [self._artifacts[each] for each in ids]

    def put(self, artifact: Artifact) -> None:
        """Replace the record of an artifact."""
        self._artifacts[artifact.id] = artifact

    def get(self, artifact_id: str) -> Artifact | None:
        """The artifact with this id; None for an unknown or deleted one."""
        artifact = self._artifacts.get(artifact_id)
        return artifact if artifact and artifact.state is not ArtifactState.DELETED else None

    def of_build(self, build_id: str) -> Iterator[Artifact]:
        """The build's artifacts in announcement order, without deleted ones."""
        return (each for each in self._live() if each.build_id == build_id)

    def of_job(self, job_id: str) -> Iterator[Artifact]:
        """The job's artifacts in announcement order, without deleted ones."""
        return (each for each in self._live() if each.job_id == job_id)

    @property
    def announced(self) -> int:
        """The number of all artifacts, deleted ones included."""
        return len(self._artifacts)

    def calls_in_last_minute(self, now: datetime) -> int:
        """Count one call. Returns the number of calls in the last minute.

        Create and update share one limit.
        """
        while self._calls and self._calls[0] <= now - _MINUTE:
            self._calls.popleft()
        self._calls.append(now)
        return len(self._calls)

    def _live(self) -> Iterator[Artifact]:
        return (a for a in self._artifacts.values() if a.state is not ArtifactState.DELETED)

"""One artifact, as the agent that uploaded it described it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ArtifactState(StrEnum):
    """Where an upload stands (buildkite/docs apis/rest_api/artifacts.md)."""

    NEW = "new"
    """Announced; nothing is known of its bytes yet."""
    FINISHED = "finished"
    ERROR = "error"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of a job."""

    id: str
    serial: int
    """Its place among all artifacts, in the order in which they were announced."""
    build_id: str
    job_id: str
    path: str
    size: int
    """Bytes, as the agent counted them."""
    sha1: str
    sha256: str
    content_type: str
    state: ArtifactState
    created_at: datetime
    object_key: str
    """Its name in the emulator's storage."""
    upload_destination: str
    """Where the agent put it instead, as `s3://…`; empty for Buildkite's own storage."""
    url: str
    """Where it is found there, by the agent; empty for Buildkite's own storage."""

    @property
    def is_elsewhere(self) -> bool:
        """Whether its bytes never come to Buildkite."""
        return bool(self.upload_destination)

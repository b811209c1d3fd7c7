"""The record of one artifact, with the values that its agent sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ArtifactState(StrEnum):
    """The state of an upload (buildkite/docs apis/rest_api/artifacts.md)."""

    NEW = "new"
    """Announced; the upload has not ended."""
    FINISHED = "finished"
    ERROR = "error"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Artifact:
    """One uploaded file of a job."""

    id: str
    serial: int
    """Position among all artifacts, in announcement order."""
    build_id: str
    job_id: str
    path: str
    size: int
    """Bytes, by the agent's count."""
    sha1: str
    sha256: str
    content_type: str
    state: ArtifactState
    created_at: datetime
    object_key: str
    """The object's name in the emulator's storage."""
    upload_destination: str
    """The agent's own destination, as `s3://…`; empty for Buildkite's storage."""
    url: str
    """The artifact's URL at the agent's own destination; empty for Buildkite's storage."""

    @property
    def is_elsewhere(self) -> bool:
        """True if the agent uploads the bytes to its own destination instead of Buildkite."""
        return bool(self.upload_destination)

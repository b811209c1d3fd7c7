"""The contents of builds besides their jobs, for the lab."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from .annotations.board import Annotation
from .artifacts.records import Artifact
from .memory.store import Store
from .memory.views import AnnotationView, ArtifactView
from .serving.application import Application


class BuildContents:
    """Reads artifacts, annotations, meta-data and log losses; adds secrets for jobs."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def artifacts(self, build_id: str) -> tuple[ArtifactView, ...]:
        """The build's artifacts with their bytes, in announcement order."""

        def read(store: Store, _: datetime) -> tuple[ArtifactView, ...]:
            held = store.artifacts.of_build(build_id)
            return tuple(_artifact_view(store, artifact) for artifact in held)

        return self._application.transact(read)

    def annotations(self, build_id: str) -> tuple[AnnotationView, ...]:
        """The build's annotations in page order, followed by its jobs' annotations."""

        def read(store: Store, _: datetime) -> tuple[AnnotationView, ...]:
            of_build = store.annotations.of_build(build_id)
            jobs = store.jobs_of(store.builds[build_id])
            of_jobs = (a for job in jobs for a in store.annotations.of_job(job.id))
            return tuple(map(_annotation_view, (*of_build, *of_jobs)))

        return self._application.transact(read)

    def add_secret(self, key: str, value: str, policy: str | None = None) -> None:
        """Create or replace a secret. `policy` is YAML; without one every job may read.

        Raises:
            ValueError: Buildkite would refuse this key, value or policy.
        """
        self._application.transact(lambda store, _: store.secrets.add(key, value, policy))

    def chunks_lost(self, job_id: str) -> int:
        """Number of log chunks that the agent failed to deliver, by its final report."""
        return self._application.transact(lambda store, _: store.logs[job_id].chunks_lost)

    def meta_data(self, build_id: str) -> Mapping[str, str]:
        """The build's meta-data."""
        return self._application.transact(lambda store, _: dict(store.meta_data[build_id]))


def _artifact_view(store: Store, artifact: Artifact) -> ArtifactView:
    return ArtifactView(
        id=artifact.id,
        job_id=artifact.job_id,
        path=artifact.path,
        size=artifact.size,
        sha1=artifact.sha1,
        state=str(artifact.state),
        content=store.objects.content(artifact.object_key),
    )


def _annotation_view(annotation: Annotation) -> AnnotationView:
    return AnnotationView(
        context=annotation.place.context,
        style=annotation.style,
        priority=annotation.priority,
        scope=annotation.scope,
        body=annotation.body,
    )

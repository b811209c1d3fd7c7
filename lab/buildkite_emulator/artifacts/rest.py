"""REST API: artifacts of builds and jobs (buildkite/docs pages/apis/rest_api/artifacts.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from buildkite_emulator.rest import access, pages
from buildkite_emulator.serving.http import Response, json_response
from buildkite_emulator.serving.refusals import not_found
from buildkite_emulator.serving.routing import Call

from .agent_api import download_url
from .records import Artifact, ArtifactState

_READ, _WRITE = "read_artifacts", "write_artifacts"


def list_of_build(call: Call) -> Response:
    """`GET …/builds/:number/artifacts`."""
    build = access.build(call, _READ)
    return _page_response(call, call.store.artifacts.of_build(build.id))


def list_of_job(call: Call) -> Response:
    """`GET …/jobs/:id/artifacts`."""
    job = access.job(call, _READ)
    return _page_response(call, call.store.artifacts.of_job(job.id))


def show(call: Call) -> Response:
    """`GET …/jobs/:id/artifacts/:artifact`."""
    return json_response(_shape(call, _artifact(call, _READ)))


def download(call: Call) -> Response:
    """`GET …/artifacts/:artifact/download`: 302 to a URL that is valid for one minute."""
    url = download_url(call, _artifact(call, _READ))
    return json_response({"url": url}, 302, {"Location": url})


def delete(call: Call) -> Response:
    """`DELETE …/artifacts/:artifact`: 204; the record becomes invisible, the bytes are deleted."""
    artifact = _artifact(call, _WRITE)
    call.store.artifacts.put(replace(artifact, state=ArtifactState.DELETED))
    call.store.objects.remove(artifact.object_key)
    return Response(204)


def _artifact(call: Call, scope: str) -> Artifact:
    job = access.job(call, scope)
    artifact = call.store.artifacts.get(call.parameters["artifact"])
    if artifact is None or artifact.job_id != job.id:
        raise not_found("artifact")
    return artifact


def _page_response(call: Call, artifacts: Iterable[Artifact]) -> Response:
    page, headers = pages.paged(call, list(artifacts))
    return pages.listed([_shape(call, artifact) for artifact in page], headers)


def _shape(call: Call, artifact: Artifact) -> Mapping[str, Any]:
    build = call.store.builds[artifact.build_id]
    path = PurePosixPath(artifact.path)
    builds = f"{access.organization_url(call)}/pipelines/{build.pipeline.slug}/builds"
    url = f"{builds}/{build.number}/jobs/{artifact.job_id}/artifacts/{artifact.id}"
    return {
        "id": artifact.id,
        "job_id": artifact.job_id,
        "url": url,
        "download_url": f"{url}/download",
        "state": str(artifact.state),
        "path": artifact.path,
        "dirname": str(path.parent),
        "filename": path.name,
        "mime_type": artifact.content_type,
        "file_size": artifact.size,
        "glob_path": None,
        "original_path": None,
        "sha1sum": artifact.sha1,
    }

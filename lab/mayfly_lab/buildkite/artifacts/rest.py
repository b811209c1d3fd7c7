"""REST API: artifacts of builds and jobs (buildkite/docs pages/apis/rest_api/artifacts.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from mayfly_lab.buildkite import rest_lookup
from mayfly_lab.buildkite.http import Response, json_response
from mayfly_lab.buildkite.refusals import not_found
from mayfly_lab.buildkite.routing import Call

from .agent_api import download_url
from .records import Artifact, ArtifactState


def list_of_build(call: Call) -> Response:
    """`GET …/builds/:number/artifacts`."""
    build = rest_lookup.build(call)
    return _listed(call, call.store.artifacts.of_build(build.id))


def list_of_job(call: Call) -> Response:
    """`GET …/jobs/:job/artifacts`."""
    job = rest_lookup.job(call)
    return _listed(call, call.store.artifacts.of_job(job.id))


def show(call: Call) -> Response:
    """`GET …/jobs/:job/artifacts/:id`."""
    return json_response(_shape(call, _artifact(call)))


def download(call: Call) -> Response:
    """`GET …/artifacts/:id/download`: 302 to a URL that is good for a minute."""
    url = download_url(call, _artifact(call))
    return json_response({"url": url}, 302, {"Location": url})


def delete(call: Call) -> Response:
    """`DELETE …/artifacts/:id`: the record is hidden, the bytes are gone."""
    artifact = _artifact(call)
    call.store.artifacts.put(replace(artifact, state=ArtifactState.DELETED))
    call.store.objects.remove(artifact.object_key)
    return Response(204)


def _artifact(call: Call) -> Artifact:
    job = rest_lookup.job(call)
    artifact = call.store.artifacts.get(call.parameters["id"])
    if artifact is None or artifact.job_id != job.id:
        raise not_found("artifact")
    return artifact


def _listed(call: Call, artifacts: Iterable[Artifact]) -> Response:
    return json_response([_shape(call, artifact) for artifact in artifacts])


def _shape(call: Call, artifact: Artifact) -> Mapping[str, Any]:
    build = call.store.builds[artifact.build_id]
    path = PurePosixPath(artifact.path)
    builds = f"{rest_lookup.organization_url(call)}/pipelines/{build.pipeline.slug}/builds"
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

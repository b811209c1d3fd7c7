"""Agent API: announcing artifacts, reporting the end of uploads, and finding artifacts.

Source: buildkite/agent api/artifacts.go and internal/artifact/; limits from buildkite/docs
platform/limits.md; a quota is refused with 403 (internal/artifact/batch_creator.go). Any running
job of the cluster may name any job or build (buildkite/docs agent/self_hosted/tokens.md).
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import Any

from buildkite_emulator.memory.records import Job
from buildkite_emulator.memory.tokens import new_id
from buildkite_emulator.serving import auth
from buildkite_emulator.serving.fields import Fields
from buildkite_emulator.serving.http import Response, json_response
from buildkite_emulator.serving.refusals import RefusedError, bad_request, not_found, unprocessable
from buildkite_emulator.serving.routing import Call
from buildkite_emulator.serving.wire_time import iso

from . import forms, search
from .records import Artifact, ArtifactState
from .storage import PREFIX

MAX_BATCH = 30
MAX_PER_JOB = 5000
MAX_FILE_BYTES = 10 * 2**30
MAX_JOB_BYTES = 50 * 2**30
CALLS_PER_MINUTE = 600
PART_BYTES = 32 * 2**20
"""The size of a part. Larger files are uploaded in parts, if the agent supports parts. Buildkite's
own size is not known: a form may hold 5 GiB there, and one request's body here."""
FILE_INPUT = "file"


def create(call: Call) -> Response:
    """`POST jobs/:id/artifacts`: 201 with ids in the order of the batch, and upload instructions.

    A repeat with the same batch id returns the same ids: agents repeat a call after a lost answer.
    """
    job = _job(call)
    _count_call(call)
    fields = Fields.of(call.request)
    batch_id = fields.text("id")
    batch = call.store.artifacts.batch(job.id, batch_id)
    if batch is None:
        batch = _announce(call, job, batch_id, fields)
        call.store.artifacts.add_batch(job.id, batch_id, batch)
    prefix = _prefix(job, batch_id)
    url = base_url(call)
    in_parts = fields.flag("multipart_supported")
    return json_response(
        {
            "id": batch_id,
            "artifact_ids": [artifact.id for artifact in batch],
            "upload_instructions": {
                "data": call.store.objects.form_fields(prefix, MAX_FILE_BYTES, call.now),
                "action": {
                    "url": url,
                    "method": "POST",
                    "path": PREFIX,
                    "file_input": FILE_INPUT,
                },
            },
            "per_artifact_instructions": {
                artifact.id: {"actions": _part_uploads(call, artifact, url)}
                for artifact in batch
                if in_parts and artifact.size > PART_BYTES and not artifact.is_elsewhere
            },
        },
        201,
    )


def update(call: Call) -> Response:
    """`PUT jobs/:id/artifacts`: records ended uploads and joins the parts of multipart uploads."""
    job = _job(call)
    _count_call(call)
    states = Fields.of(call.request).objects("artifacts", max_entries=MAX_PER_JOB)
    for each in states:
        artifact = call.store.artifacts.get(each.text("id"))
        if artifact is None or artifact.job_id != job.id:
            raise not_found("artifact")
        state = each.text("state")
        if state not in {"finished", "error"}:
            raise unprocessable("state must be finished or error")
        repeated = artifact.state is ArtifactState.FINISHED
        if state == "finished" and each.flag("multipart") and not repeated:
            _complete(call, artifact, each)
        call.store.artifacts.put(replace(artifact, state=ArtifactState(state)))
    return json_response({})


def find(call: Call) -> Response:
    """`GET builds/:id/artifacts/search?query=&scope=&state=&include_…`: the matching artifacts."""
    auth.running_job(call)
    build = call.store.builds.get(call.parameters["id"])
    if build is None:
        raise not_found("build")
    given = call.request.query
    if not given.get("query"):
        raise unprocessable("query is required")
    query = search.Query(
        pattern=given["query"],
        scope=given.get("scope", ""),
        state=given.get("state", ""),
        with_retried=given.get("include_retried_jobs") == "true",
        with_duplicates=given.get("include_duplicates") == "true",
    )
    found = search.find(query, call.store.artifacts.of_build(build.id), call.store.jobs)
    return json_response([_shape(call, artifact) for artifact in found])


def upload(call: Call) -> Response:
    """`POST` of an upload form to the storage."""
    content_type = call.request.headers.get("content-type", "")
    form = forms.read(content_type, call.request.body, FILE_INPUT)
    return call.store.objects.upload_form(form, call.now)


def upload_part(call: Call) -> Response:
    """`PUT` of one part of an object to the storage."""
    key, query = call.parameters["key"], dict(call.request.query)
    return call.store.objects.upload_part(key, query, call.request.body, call.now)


def download(call: Call) -> Response:
    """`GET` of an object from the storage by a signed path."""
    return call.store.objects.download(call.parameters["key"], dict(call.request.query), call.now)


def download_url(call: Call, artifact: Artifact) -> str:
    """The URL of the artifact's bytes; a URL of Buildkite's own storage is valid for one minute."""
    if artifact.is_elsewhere:
        return artifact.url
    return base_url(call) + call.store.objects.download_path(artifact.object_key, call.now)


def base_url(call: Call) -> str:
    """The emulator's URL, as this client reaches it: machines use another address than the lab."""
    return f"http://{call.request.headers.get('host', 'localhost')}"


def _job(call: Call) -> Job:
    auth.running_job(call)
    job = call.store.jobs.get(call.parameters["id"])
    if job is None:
        raise not_found("job")
    return job


def _count_call(call: Call) -> None:
    if call.store.artifacts.calls_in_last_minute(call.now) > CALLS_PER_MINUTE:
        raise RefusedError(429, "Too many artifact requests", headers={"Retry-After": "60"})


def _announce(call: Call, job: Job, batch_id: str, fields: Fields) -> list[Artifact]:
    given = fields.objects("artifacts", max_entries=MAX_BATCH)
    if not given:
        raise unprocessable("artifacts is required")
    held = list(call.store.artifacts.of_job(job.id))
    destination = fields.text("upload_destination", default="")
    batch = [
        Artifact(
            id=new_id(),
            serial=call.store.artifacts.announced + place,
            build_id=job.build_id,
            job_id=job.id,
            path=each.text("path"),
            size=each.integer("file_size", default=0, low=0, high=2**63),
            sha1=each.text("sha1sum", default=""),
            sha256=each.text("sha256sum", default=""),
            content_type=each.text("content_type", default="application/octet-stream"),
            state=ArtifactState.NEW,
            created_at=call.now,
            object_key=_prefix(job, batch_id) + each.text("path"),
            upload_destination=each.text("upload_destination", default=destination),
            url=each.text("url", default=""),
        )
        for place, each in enumerate(given)
    ]
    _check_quota([*held, *batch])
    return batch


def _check_quota(artifacts: list[Artifact]) -> None:
    if len(artifacts) > MAX_PER_JOB:
        raise RefusedError(403, f"A job can have at most {MAX_PER_JOB} artifacts")
    ours = [artifact.size for artifact in artifacts if not artifact.is_elsewhere]
    if any(size > MAX_FILE_BYTES for size in ours):
        raise RefusedError(403, "An artifact can have at most 10 GiB")
    if sum(ours) > MAX_JOB_BYTES:
        raise RefusedError(403, "The artifacts of a job can have at most 50 GiB")


def _prefix(job: Job, batch_id: str) -> str:
    return f"artifacts/{job.id}/{batch_id}/"


def _part_uploads(call: Call, artifact: Artifact, url: str) -> list[dict[str, Any]]:
    count = ceil(artifact.size / PART_BYTES)
    key, now = artifact.object_key, call.now
    return [
        {
            "url": url + call.store.objects.part_path(key, number, now),
            "method": "PUT",
            "part_number": number,
        }
        for number in range(1, count + 1)
    ]


def _complete(call: Call, artifact: Artifact, fields: Fields) -> None:
    etags = {
        each.integer("part_number", default=0, low=1, high=10_000): each.text("etag")
        for each in fields.objects("multipart_etags", max_entries=10_000)
    }
    if not call.store.objects.complete(artifact.object_key, etags, artifact.content_type):
        raise bad_request("The parts of the upload do not make a whole")


def _shape(call: Call, artifact: Artifact) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "id": artifact.id,
        "job_id": artifact.job_id,
        "path": artifact.path,
        "absolute_path": "",
        "glob_path": "",
        "file_size": artifact.size,
        "sha1sum": artifact.sha1,
        "sha256sum": artifact.sha256,
        "content_type": artifact.content_type,
        "created_at": iso(artifact.created_at),
        "url": download_url(call, artifact),
    }
    if artifact.is_elsewhere:
        shape["upload_destination"] = artifact.upload_destination
    return shape

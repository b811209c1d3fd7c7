"""Agent API: `buildkite-agent pipeline upload`.

Source: buildkite/agent agent/pipeline_uploader.go; observed reactions of buildkite-agent 3.83.1 to
the answers. The emulator applies an upload at once but reports the outcome by polling, as Buildkite
does: only then do agents print the reason as "Pipeline upload rejected: ...".
"""

from __future__ import annotations

from uuid import UUID

from buildkite_emulator.serving import auth
from buildkite_emulator.serving.fields import Fields
from buildkite_emulator.serving.http import Response, json_response
from buildkite_emulator.serving.refusals import not_found, unprocessable
from buildkite_emulator.serving.routing import Call

from .uploads import Change, upload

POLL_AFTER_SECONDS = "0.1"


def create(call: Call) -> Response:
    """`POST jobs/:id/pipelines`: 202 with a URL to poll; without `async`, the outcome itself."""
    job = auth.own_job(call)
    fields = Fields.of(call.request)
    uuid = _uuid(fields.text("uuid"))
    content = fields.raw("pipeline")
    if content is None:
        raise unprocessable("pipeline is required")
    change = Change(uuid, content, replace=fields.flag("replace"))
    done = upload(call.store, job, change, call.now)
    if call.request.query.get("async") != "true":
        if done.message is not None:
            raise unprocessable(done.message)
        return json_response({})
    host = call.request.headers.get("host", "localhost")
    location = f"http://{host}/v3/jobs/{job.id}/pipelines/{uuid}"
    headers = {"Location": location, "Retry-After": POLL_AFTER_SECONDS}
    return json_response({"uuid": uuid, "state": "pending"}, 202, headers)


def show(call: Call) -> Response:
    """`GET jobs/:id/pipelines/:uuid`: `applied`, or `rejected` with the reason."""
    job = auth.own_job(call)
    done = call.store.builds[job.build_id].uploads.get(call.parameters["uuid"])
    if done is None or done.job_id != job.id:
        raise not_found("pipeline upload")
    return json_response({"state": done.state, "message": done.message})


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise unprocessable("uuid is not a UUID") from None

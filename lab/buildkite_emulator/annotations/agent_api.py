"""Agent API: `buildkite-agent annotate` and `annotation remove`.

Source: buildkite/agent api/annotations.go; agents up to 3.83.1 have no scope. Any running job of
the cluster may annotate any job's build (buildkite/docs agent/self_hosted/tokens.md).
"""

from __future__ import annotations

from buildkite_emulator.memory.records import Job
from buildkite_emulator.serving import auth
from buildkite_emulator.serving.fields import Fields
from buildkite_emulator.serving.http import Response, json_response
from buildkite_emulator.serving.refusals import not_found, unprocessable
from buildkite_emulator.serving.routing import Call

from .board import DEFAULT_CONTEXT, SCOPES, STYLES, Change, Place


def create(call: Call) -> Response:
    """`POST jobs/:id/annotations`: 201 with the annotation's id."""
    job = _job(call)
    fields = Fields.of(call.request)
    context = fields.text("context", default=DEFAULT_CONTEXT)
    scope = fields.text("scope", default="build")
    written = call.store.annotations.write(_place(job, scope, context), change(fields), call.now)
    return json_response({"id": written.id, "context": context}, 201)


def remove(call: Call) -> Response:
    """`DELETE jobs/:id/annotations/:context?scope=`: 204."""
    job = _job(call)
    scope = call.request.query.get("scope") or "build"
    call.store.annotations.remove(_place(job, scope, call.parameters["context"]))
    return Response(204)


def change(fields: Fields) -> Change:
    """Read style, priority, body and append flag of a call.

    Raises:
        RefusedError: 422 for a style or priority that does not exist.
    """
    style = fields.text("style", default="") or None
    if style not in {None, *STYLES}:
        raise unprocessable(f"style must be one of {', '.join(STYLES)}")
    given = fields.has("priority")
    priority = fields.integer("priority", default=0, low=1, high=10) if given else None
    return Change(
        # The board checks the size of the whole body, after an append.
        body=fields.text("body", default="", max_bytes=2**30),
        style=style,
        priority=priority,
        append=fields.flag("append"),
    )


def _job(call: Call) -> Job:
    auth.running_job(call)
    job = call.store.jobs.get(call.parameters["id"])
    if job is None:
        raise not_found("job")
    return job


def _place(job: Job, scope: str, context: str) -> Place:
    if scope not in SCOPES:
        raise unprocessable("scope must be build or job")
    return Place(job.build_id, job.id if scope == "job" else None, context)

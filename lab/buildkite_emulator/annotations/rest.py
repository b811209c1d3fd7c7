"""REST API: annotations (buildkite/docs pages/apis/rest_api/annotations.md).

`body_html` holds the escaped source text: the emulator does not render Markdown.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from buildkite_emulator.rest import access, pages
from buildkite_emulator.serving.fields import Fields
from buildkite_emulator.serving.http import Response, json_response
from buildkite_emulator.serving.refusals import not_found
from buildkite_emulator.serving.routing import Call
from buildkite_emulator.serving.wire_time import iso

from .agent_api import change
from .board import DEFAULT_CONTEXT, Annotation, Place

_READ, _WRITE = "read_builds", "write_builds"


def list_of_build(call: Call) -> Response:
    """`GET …/builds/:number/annotations`."""
    return _page_response(call, call.store.annotations.of_build(access.build(call, _READ).id))


def list_of_job(call: Call) -> Response:
    """`GET …/jobs/:id/annotations`."""
    return _page_response(call, call.store.annotations.of_job(access.job(call, _READ).id))


def create_on_build(call: Call) -> Response:
    """`POST …/builds/:number/annotations`."""
    return _create(call, access.build(call, _WRITE).id, None)


def create_on_job(call: Call) -> Response:
    """`POST …/jobs/:id/annotations`."""
    job = access.job(call, _WRITE)
    return _create(call, job.build_id, job.id)


def delete_on_build(call: Call) -> Response:
    """`DELETE …/builds/:number/annotations/:annotation`."""
    return _delete(call, access.build(call, _WRITE).id, None)


def delete_on_job(call: Call) -> Response:
    """`DELETE …/jobs/:id/annotations/:annotation`."""
    job = access.job(call, _WRITE)
    return _delete(call, job.build_id, job.id)


def _create(call: Call, build_id: str, job_id: str | None) -> Response:
    fields = Fields.of(call.request)
    place = Place(build_id, job_id, fields.text("context", default=DEFAULT_CONTEXT))
    written = call.store.annotations.write(place, change(fields), call.now)
    return json_response(_shape(written), 201)


def _delete(call: Call, build_id: str, job_id: str | None) -> Response:
    held = call.store.annotations.get(call.parameters["annotation"])
    if held is None or (held.place.build_id, held.place.job_id) != (build_id, job_id):
        raise not_found("annotation")
    call.store.annotations.remove(held.place)
    return Response(204)


def _page_response(call: Call, annotations: Sequence[Annotation]) -> Response:
    page, headers = pages.paged(call, annotations)
    return pages.listed([_shape(annotation) for annotation in page], headers)


def _shape(annotation: Annotation) -> Mapping[str, Any]:
    return {
        "id": annotation.id,
        "context": annotation.place.context,
        "style": annotation.style,
        "scope": annotation.scope,
        "priority": annotation.priority,
        "body_html": f"<p>{html.escape(annotation.body, quote=False)}</p>\n",
        "created_at": iso(annotation.created_at),
        "updated_at": iso(annotation.updated_at),
    }

"""Agent API: reads and writes of a build's meta-data by commands inside a job.

Source: buildkite/agent api/meta_data.go; limits from buildkite/docs
pipelines/configure/build_meta_data.md and agent/cli/reference/meta_data.md. Any running job of the
cluster may name any job or build (buildkite/docs agent/self_hosted/tokens.md), so meta-data must
not be trusted.
"""

from __future__ import annotations

from buildkite_emulator.serving import auth
from buildkite_emulator.serving.fields import Fields
from buildkite_emulator.serving.http import Response, json_response
from buildkite_emulator.serving.refusals import RefusedError, not_found, unprocessable
from buildkite_emulator.serving.routing import Call

MAX_VALUE_BYTES = 100 * 1024
MAX_BATCH = 1000
"""An assumption: Buildkite does not document the limit of one `set-batch`."""


def set_value(call: Call) -> Response:
    """`POST jobs/:id/data/set`: creates or replaces a key; no call deletes keys."""
    values = _values(call)
    key, value = _pair(Fields.of(call.request))
    values[key] = value
    return json_response({})


def set_batch(call: Call) -> Response:
    """`POST jobs/:id/data/set-batch`: sets all items, or none on a refusal."""
    values = _values(call)
    items = Fields.of(call.request).objects("items", max_entries=MAX_BATCH)
    values.update([_pair(item) for item in items])
    return json_response({})


def get_value(call: Call) -> Response:
    """`POST {jobs,builds}/:id/data/get`: the value; 404 for an unknown key."""
    values = _values(call)
    key = Fields.of(call.request).text("key")
    if key not in values:
        raise RefusedError(404, "No key was found")
    return json_response({"key": key, "value": values[key]})


def exists(call: Call) -> Response:
    """`POST {jobs,builds}/:id/data/exists`."""
    values = _values(call)
    return json_response({"exists": Fields.of(call.request).text("key") in values})


def keys(call: Call) -> Response:
    """`POST {jobs,builds}/:id/data/keys`."""
    return json_response(sorted(_values(call)))


def _pair(fields: Fields) -> tuple[str, str]:
    key = fields.text("key")
    value = fields.text("value", max_bytes=MAX_VALUE_BYTES)
    if not value.strip():
        raise unprocessable("value can't be blank")
    return key, value


def _values(call: Call) -> dict[str, str]:
    auth.running_job(call)
    name = call.parameters["id"]
    job = call.store.jobs.get(name)
    build_id = job.build_id if job else name
    if build_id not in call.store.builds:
        raise not_found("build")
    return call.store.meta_data[build_id]

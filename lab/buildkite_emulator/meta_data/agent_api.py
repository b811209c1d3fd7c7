"""Agent API: a build's meta-data, as commands inside a job read and write it.

Source: buildkite/agent api/meta_data.go; limits from buildkite/docs
pipelines/configure/build_meta_data.md and agent/cli/reference/meta_data.md. Any running job of the
cluster may name any job or build (buildkite/docs agent/self_hosted/tokens.md), so meta-data is no
ground for trust.
"""

from __future__ import annotations

from buildkite_emulator.serving import auth
from buildkite_emulator.serving.fields import Fields
from buildkite_emulator.serving.http import Response, json_response
from buildkite_emulator.serving.refusals import RefusedError, not_found, unprocessable
from buildkite_emulator.serving.routing import Call

VALUE_MOST_BYTES = 100 * 1024
BATCH_MOST = 1000
"""How many one `set-batch` may take is not known."""


def set_value(call: Call) -> Response:
    """`POST jobs/:id/data/set`: keys can be changed, but never taken away."""
    values = _values(call)
    key, value = _pair(Fields.of(call.request))
    values[key] = value
    return json_response({})


def set_batch(call: Call) -> Response:
    """`POST jobs/:id/data/set-batch`: all of them, or none."""
    values = _values(call)
    items = Fields.of(call.request).objects("items", most=BATCH_MOST)
    values.update([_pair(item) for item in items])
    return json_response({})


def get_value(call: Call) -> Response:
    """`POST {jobs,builds}/:id/data/get`: 404 for a key that nobody set."""
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
    value = fields.text("value", most_bytes=VALUE_MOST_BYTES)
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

"""REST API: pipelines (buildkite/docs pages/apis/rest_api/pipelines.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from buildkite_emulator.memory.records import Pipeline
from buildkite_emulator.memory.tokens import new_id
from buildkite_emulator.rest.pages import listed, paged
from buildkite_emulator.serving import auth
from buildkite_emulator.serving.fields import Fields
from buildkite_emulator.serving.http import Response, json_response
from buildkite_emulator.serving.refusals import not_found, unprocessable
from buildkite_emulator.serving.routing import Call


def create(call: Call) -> Response:
    """`POST …/pipelines`: 201; a pipeline belongs to exactly one cluster."""
    _check_organization(call)
    fields = Fields.of(call.request)
    name = fields.text("name")
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if slug in call.store.pipelines:
        raise unprocessable("Validation Failed: name has already been taken")
    if fields.text("cluster_id") != call.store.settings.cluster_id:
        raise unprocessable("Validation Failed: cluster_id is not a cluster of the organization")
    pipeline = Pipeline(
        new_id(),
        slug,
        name,
        fields.text("configuration"),
        fields.text("repository"),
        fields.text("default_branch", default="main"),
        "git",
    )
    call.store.pipelines[slug] = pipeline
    return json_response(_shape(call, pipeline), 201)


def list_all(call: Call) -> Response:
    """`GET …/pipelines`: one page of pipelines."""
    _check_organization(call)
    page, headers = paged(call, list(call.store.pipelines.values()))
    return listed([_shape(call, pipeline) for pipeline in page], headers)


def show(call: Call) -> Response:
    """`GET …/pipelines/:slug`."""
    return json_response(_shape(call, _pipeline(call)))


def update(call: Call) -> Response:
    """`PATCH …/pipelines/:slug`: existing builds keep their steps."""
    pipeline = _pipeline(call)
    fields = Fields.of(call.request)
    changed = replace(
        pipeline,
        configuration=fields.text("configuration", default=pipeline.configuration),
        repository=fields.text("repository", default=pipeline.repository),
    )
    call.store.pipelines[pipeline.slug] = changed
    return json_response(_shape(call, changed))


def delete(call: Call) -> Response:
    """`DELETE …/pipelines/:slug`: 204."""
    del call.store.pipelines[_pipeline(call).slug]
    return Response(status=204)


def _pipeline(call: Call) -> Pipeline:
    _check_organization(call)
    found = call.store.pipelines.get(call.parameters["pipeline"])
    if found is None:
        raise not_found("pipeline")
    return found


def _check_organization(call: Call) -> None:
    auth.user(call)
    if call.parameters["organization"] != call.store.settings.organization:
        raise not_found("organization")


def _shape(call: Call, pipeline: Pipeline) -> Mapping[str, Any]:
    settings = call.store.settings
    return {
        "id": pipeline.id,
        "slug": pipeline.slug,
        "name": pipeline.name,
        "repository": pipeline.repository,
        "default_branch": pipeline.default_branch,
        "configuration": pipeline.configuration,
        "cluster_id": settings.cluster_id,
        "web_url": f"https://buildkite.com/{settings.organization}/{pipeline.slug}",
    }

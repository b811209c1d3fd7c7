"""The endpoints of organisation, clusters, queues, pipelines and metrics."""

from __future__ import annotations

from buildkite_emulator.serving.routing import Route

from . import clusters, pipelines

_REST = "/v2/organizations/:organization"
_TOKENS = f"{_REST}/clusters/:cluster/tokens"
_PIPELINE = f"{_REST}/pipelines/:pipeline"

ORGANIZATION = (
    Route("GET", "/v2/organizations", "rest.list-organizations", clusters.list_organizations),
    Route("GET", f"{_REST}/clusters", "rest.list-clusters", clusters.list_clusters),
    Route("GET", f"{_REST}/clusters/:cluster/queues", "rest.list-queues", clusters.list_queues),
    Route("GET", _TOKENS, "rest.list-agent-tokens", clusters.list_tokens),
    Route("GET", f"{_TOKENS}/:id", "rest.show-agent-token", clusters.show_token),
    Route("GET", f"{_REST}/pipelines", "rest.list-pipelines", pipelines.list_all),
    Route("POST", f"{_REST}/pipelines", "rest.create-pipeline", pipelines.create),
    Route("GET", _PIPELINE, "rest.show-pipeline", pipelines.show),
    Route("PATCH", _PIPELINE, "rest.update-pipeline", pipelines.update),
    Route("DELETE", _PIPELINE, "rest.delete-pipeline", pipelines.delete),
    Route("GET", "/v3/metrics", "stacks.metrics", clusters.show_metrics),
)

"""Clusters and queues of the REST API, and the metrics for agent tokens.

Sources: buildkite/docs pages/apis/rest_api/clusters.md and clusters/queues.md, apis/agent_api/
metrics.md. The queue field `hosted` takes its name from the GraphQL schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildkite_emulator.jobs.states import JobState
from buildkite_emulator.memory.agent_tokens import AgentToken, Permission
from buildkite_emulator.memory.settings import Queue
from buildkite_emulator.serving import auth
from buildkite_emulator.serving.http import Response, json_response
from buildkite_emulator.serving.refusals import not_found
from buildkite_emulator.serving.routing import Call
from buildkite_emulator.serving.wire_time import iso

_MAX_PER_PAGE = 100
_COUNTED = {JobState.SCHEDULED: "scheduled", JobState.RUNNING: "running"}


def list_organizations(call: Call) -> Response:
    """`GET /v2/organizations`: the organisations of the token's user."""
    auth.user(call)
    settings = call.store.settings
    return json_response([{"id": settings.organization_id, "slug": settings.organization}])


def list_clusters(call: Call) -> Response:
    """`GET …/clusters`: all clusters of the organisation."""
    _check_organization(call)
    settings = call.store.settings
    return json_response([{"id": settings.cluster_id, "name": settings.cluster}])


def list_queues(call: Call) -> Response:
    """`GET …/clusters/:cluster/queues`: one page of queues; removed queues are omitted."""
    _check_cluster(call)
    settings, query = call.store.settings, call.request.query
    size = min(int(query.get("per_page", "30")), _MAX_PER_PAGE)
    first = (int(query.get("page", "1")) - 1) * size
    queues = [queue for queue in settings.queues if auth.find_queue(call, queue.key)]
    return json_response([_shape(call, queue) for queue in queues[first : first + size]])


def list_tokens(call: Call) -> Response:
    """`GET …/clusters/:cluster/tokens`: the agent tokens without their values, all on one page."""
    _check_cluster(call)
    return json_response([_token(each) for each in call.store.agent_tokens.values()])


def show_token(call: Call) -> Response:
    """`GET …/clusters/:cluster/tokens/:id`: one agent token without its value."""
    _check_cluster(call)
    for each in call.store.agent_tokens.values():
        if each.id == call.parameters["id"]:
            return json_response(_token(each))
    raise not_found("agent token")


def show_metrics(call: Call) -> Response:
    """`GET /v3/metrics`: job counts of the token's cluster; queues without jobs are omitted."""
    auth.agent_token(call, Permission.METRICS)
    totals = dict.fromkeys((*_COUNTED.values(), "waiting", "total"), 0)
    queues: dict[str, dict[str, int]] = {}
    for job in call.store.open_jobs():
        if kind := _COUNTED.get(job.state):
            counts = queues.setdefault(job.step.queue, dict(totals))
            counts[kind] += 1
            counts["total"] += 1
    summed = {kind: sum(each[kind] for each in queues.values()) for kind in totals}
    return json_response(
        {
            "agents": {"idle": 0, "busy": 0, "total": 0, "queues": {}},
            "jobs": {**summed, "queues": queues},
            "organization": {"slug": call.store.settings.organization},
        }
    )


def _check_organization(call: Call) -> None:
    auth.user(call)
    if call.parameters["organization"] != call.store.settings.organization:
        raise not_found("organization")


def _check_cluster(call: Call) -> None:
    _check_organization(call)
    auth.user(call, "read_clusters")
    if call.parameters["cluster"] != call.store.settings.cluster_id:
        raise not_found("cluster")


def _token(each: AgentToken) -> Mapping[str, Any]:
    return {
        "id": each.id,
        "description": "The lab's agent token",
        "allowed_ip_addresses": " ".join(each.addresses),
        "expires_at": each.expires and iso(each.expires),
    }


def _shape(call: Call, queue: Queue) -> Mapping[str, Any]:
    return {
        "id": queue.id,
        "key": queue.key,
        "hosted": False,
        "dispatch_paused": queue.key in call.faults.paused_queues,
    }

"""Reads the cluster and the queue from Buildkite, with the agent token and a user's token."""

from __future__ import annotations

import hashlib
from typing import Any

import requests

from mayfly_cli.buildkite import Answer, Api
from mayfly_cli.endpoints import API_TOKEN
from mayfly_cli.ends import BrokenError
from mayfly_cli.findings import Unknown
from mayfly_cli.preflight.snapshot import Cluster, ClusterQueue

_PAGES = 20
_MOST_BYTES = 500_000_000
_CHUNK = 1 << 20


def cluster(api: Api) -> Cluster | Unknown | None:
    """The cluster of the agent token; None if Buildkite refuses the token with 401.

    `GET /token` has no side effect (source: buildkite/agent api/token.go).
    """
    answer = _get(api, "/token")
    if isinstance(answer, Unknown):
        return answer
    if answer.status == 401:
        return None
    if answer.status == 403:
        # From another address, or with another permission, the call might be allowed.
        return Unknown(f"Buildkite does not tell the token's cluster here: {answer.message}")
    if not answer.ok or not isinstance(answer.content, dict):
        return Unknown(f"GET /token answered {answer.message}")
    shown = answer.content
    return Cluster(
        _text(shown, "organization_slug"),
        _text(shown, "cluster_uuid"),
        _text(shown, "cluster_name"),
        _text(shown, "organization_queue_key"),
        _text(shown, "uuid"),
    )


def queue(agent: Api, rest: Api | None, where: Cluster, key: str) -> ClusterQueue | Unknown | None:
    """The queue of this key; None if the cluster has no such queue.

    Without `rest` the answer comes from the agent token's metrics, which list only queues that have
    agents or jobs now, and do not say whether a queue is self-hosted: the rest is Unknown.
    """
    if rest is not None:
        return _find_queue(rest, where, key)
    answer = _get(agent, "/metrics")
    hint = f"set {API_TOKEN} (scope read_clusters) for a look-up"
    if isinstance(answer, Unknown):
        return answer
    if answer.ok and isinstance(answer.content, dict):
        for kind in ("agents", "jobs"):
            if key in (answer.content.get(kind) or {}).get("queues", {}):
                return ClusterQueue(Unknown(f"the queue is in use, its kind is not shown: {hint}"))
    return Unknown(f"an agent token does not show idle queues: {hint}")


def _find_queue(rest: Api, where: Cluster, key: str) -> ClusterQueue | Unknown | None:
    base = f"/organizations/{where.organization}/clusters/{where.id}/queues"
    for page in range(1, _PAGES + 1):
        answer = _get(rest, f"{base}?per_page=100&page={page}")
        if isinstance(answer, Unknown):
            return answer
        if answer.status in {401, 403}:
            return Unknown(
                f"{API_TOKEN} is refused ({answer.message}): the token needs read_clusters"
            )
        if not answer.ok or not isinstance(answer.content, list):
            return Unknown(f"the list of queues answered {answer.message}")
        for each in answer.content:
            if each.get("key") == key:
                return ClusterQueue(_hosted(each), bool(each.get("dispatch_paused")))
        if len(answer.content) < 100:
            return None
    return Unknown(f"the queue is not among the cluster's first {_PAGES * 100} queues")


def _hosted(shown: dict[str, Any]) -> bool | Unknown:
    if shown.get("hosted_agents"):
        return True
    if "hosted" in shown:
        return bool(shown["hosted"])
    return Unknown("Buildkite's answer does not say whether the queue is self-hosted")


def archive(url: str) -> str | Unknown | None:
    """SHA-256 in hex of the file at an address, read as a stream; None if there is no file."""
    digest, size = hashlib.sha256(), 0
    try:
        with requests.get(url, stream=True, timeout=(5, 30)) as answer:
            if answer.status_code in {403, 404, 410}:
                return None
            if not answer.ok:
                return Unknown(f"{url} answered {answer.status_code}")
            for chunk in answer.iter_content(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
                if size > _MOST_BYTES:
                    return Unknown(f"{url} is larger than any release of the agent")
    except requests.RequestException as error:
        return Unknown(f"{url} cannot be reached from here: {type(error).__name__}")
    return digest.hexdigest()


def _get(api: Api, path: str) -> Answer | Unknown:
    try:
        return api.call("GET", path)
    except BrokenError as error:
        return Unknown(str(error))


def _text(shown: dict[str, Any], name: str) -> str:
    return str(shown.get(name) or "")

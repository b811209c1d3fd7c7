"""Looks at Buildkite with the agent token, and with a user's token where there is one."""

from __future__ import annotations

import hashlib
from typing import Any

import requests

from mayfly_cli.buildkite import Answer, Api
from mayfly_cli.endpoints import API_TOKEN
from mayfly_cli.ends import BrokenError
from mayfly_cli.findings import Unknown
from mayfly_cli.preflight.snapshot import Cluster, QueueSeen

_PAGES = 20
_MOST_BYTES = 500_000_000
_CHUNK = 1 << 20


def cluster(api: Api) -> Cluster | Unknown | None:
    """Whose token it is: `GET /token` answers that and does nothing (buildkite/agent token.go)."""
    answer = _asked(api, "/token")
    if isinstance(answer, Unknown):
        return answer
    if answer.status in {401, 403}:
        return None
    if not answer.ok or not isinstance(answer.content, dict):
        return Unknown(f"GET /token answered {answer.message}")
    shown = answer.content
    return Cluster(
        _text(shown, "organization_slug"),
        _text(shown, "cluster_uuid"),
        _text(shown, "cluster_name"),
        _text(shown, "organization_queue_key"),
    )


def queue(agent: Api, rest: Api | None, where: Cluster, key: str) -> QueueSeen | Unknown | None:
    """The queue: all about it by the REST API; that it is there also by the agent token's metrics.

    The agent token alone sees only queues that have agents or jobs at the moment.
    """
    if rest is not None:
        return _listed(rest, where, key)
    answer = _asked(agent, "/metrics")
    hint = f"set {API_TOKEN} (scope read_clusters) to have it looked up"
    if isinstance(answer, Unknown):
        return answer
    if answer.ok and isinstance(answer.content, dict):
        for kind in ("agents", "jobs"):
            if key in (answer.content.get(kind) or {}).get("queues", {}):
                return QueueSeen(Unknown(f"it is in use, of which kind is not seen: {hint}"))
    return Unknown(f"an agent token sees no queue that is idle: {hint}")


def _listed(rest: Api, where: Cluster, key: str) -> QueueSeen | Unknown | None:
    base = f"/organizations/{where.organization}/clusters/{where.id}/queues"
    for page in range(1, _PAGES + 1):
        answer = _asked(rest, f"{base}?per_page=100&page={page}")
        if isinstance(answer, Unknown):
            return answer
        if answer.status in {401, 403}:
            return Unknown(f"{API_TOKEN} is refused ({answer.message}): it needs read_clusters")
        if not answer.ok or not isinstance(answer.content, list):
            return Unknown(f"the list of queues answered {answer.message}")
        for each in answer.content:
            if each.get("key") == key:
                return QueueSeen(_hosted(each), bool(each.get("dispatch_paused")))
        if len(answer.content) < 100:
            return None
    return Unknown("the cluster has more queues than are looked through")


def _hosted(shown: dict[str, Any]) -> bool | Unknown:
    if shown.get("hosted_agents"):
        return True
    if "hosted" in shown:
        return bool(shown["hosted"])
    return Unknown("Buildkite's answer does not say whether it is self-hosted")


def archive(url: str) -> str | Unknown | None:
    """SHA-256 of what is at an address, as a stream; None when nothing is."""
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


def _asked(api: Api, path: str) -> Answer | Unknown:
    try:
        return api.call("GET", path)
    except BrokenError as error:
        return Unknown(str(error))


def _text(shown: dict[str, Any], name: str) -> str:
    return str(shown.get(name) or "")

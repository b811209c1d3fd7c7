"""Stacks API: register, deregister and token, and the frame of all calls of a stack.

Source: buildkite/docs pages/apis/agent_api/stacks.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from buildkite_emulator.memory.agent_tokens import Permission
from buildkite_emulator.memory.records import Stack
from buildkite_emulator.memory.tokens import new_id
from buildkite_emulator.serving import auth
from buildkite_emulator.serving.fields import Fields
from buildkite_emulator.serving.http import Response, json_response
from buildkite_emulator.serving.limits import DEFAULT_SCOPE
from buildkite_emulator.serving.refusals import RefusedError, not_found, unprocessable
from buildkite_emulator.serving.routing import Call, Endpoint
from buildkite_emulator.serving.wire_time import iso

STACKS_PER_ORGANIZATION = 30
DEFAULT_QUEUE_WORD = "__default__"
_TYPES = ("kubernetes", "elastic", "custom")
_KEY = re.compile(r"[A-Za-z0-9_-]+")
_MAX_KEY_BYTES = 80


def register(call: Call) -> Response:
    """`POST /v3/stacks/register`: 201 for a new key, 200 for a known key, which it takes over.

    Keys are unique in the organisation. Any agent token of the cluster may take over any key.
    """
    given = auth.agent_token(call)
    fields = Fields.of(call.request)
    key = fields.text("key", max_bytes=_MAX_KEY_BYTES)
    if not _KEY.fullmatch(key):
        raise unprocessable("key takes letters, digits, dashes and underscores only")
    allowance = call.limits.count(key, "register", DEFAULT_SCOPE, call.now)
    kind = fields.text("type")
    if kind not in _TYPES:
        raise unprocessable(f"type must be one of {', '.join(_TYPES)}")
    queue_key = _queue_key(call, fields.text("queue_key"))
    auth.check_queue(given, queue_key)
    metadata = fields.flat("metadata")
    known = call.store.stacks.get(key)
    if known is None and len(call.store.stacks) >= STACKS_PER_ORGANIZATION:
        raise RefusedError(403, "The organization has reached its limit of stacks")
    stack = Stack(known.id if known else new_id(), key, kind, queue_key, metadata, call.now)
    call.store.stacks[key] = stack
    body = _shape(call, stack)
    return json_response(body, 200 if known else 201, allowance.headers())


def deregister(call: Call) -> Response:
    """`POST /v3/stacks/:key/deregister`: 204; frees the key."""
    del call.store.stacks[call.parameters["key"]]
    return Response(status=204)


def show_token(call: Call) -> Response:
    """`GET /v3/token`: the cluster of the agent token (buildkite/agent api/token.go)."""
    given = auth.agent_token(call, Permission.RUN_JOBS)
    settings = call.store.settings
    return json_response(
        {
            "uuid": given.id,
            "description": "The lab's agent token",
            "token_type": "cluster",
            "organization_slug": settings.organization,
            "organization_uuid": settings.organization_id,
            "cluster_uuid": settings.cluster_id,
            "cluster_name": settings.cluster,
            "organization_queue_uuid": None,
            "organization_queue_key": None,
        }
    )


def of_stack(scope: str, endpoint: Callable[[Call], Response]) -> Endpoint:
    """Wrap an endpoint below `/v3/stacks/:key` with token, stack key and rate limit checks.

    The wrapped endpoint's answers, refusals included, carry the rate limit headers.
    """

    def answer(call: Call) -> Response:
        auth.agent_token(call)
        key = call.parameters["key"]
        stack = call.store.stacks.get(key)
        if stack is None:
            raise not_found("stack")
        allowance = call.limits.count(key, endpoint.__name__, scope, call.now)
        call.store.stacks[key] = replace(stack, last_connected=call.now)
        try:
            response = endpoint(call)
        except RefusedError as refusal:
            refusal.headers.update(allowance.headers())
            raise
        return replace(response, headers={**response.headers, **allowance.headers()})

    return answer


def _queue_key(call: Call, given: str) -> str:
    key = call.store.settings.default_queue if given == DEFAULT_QUEUE_WORD else given
    if auth.find_queue(call, key) is None:
        raise not_found("queue")
    return key


def _shape(call: Call, stack: Stack) -> Mapping[str, object]:
    return {
        "id": stack.id,
        "organization_uuid": call.store.settings.organization_id,
        "key": stack.key,
        "type": stack.type,
        "cluster_queue_key": stack.queue_key,
        "metadata": dict(stack.metadata),
        "last_connected_on": iso(stack.last_connected),
        "state": "connected",
    }

"""Agent API: the life of an agent, from register to disconnect.

Source: buildkite/agent api/ and core/client.go for the shapes. Observed reactions of
buildkite-agent 3.83.1 to the answers outrank the source.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from buildkite_emulator.memory.records import Agent, AgentState
from buildkite_emulator.memory.tokens import TokenKind, mint, new_id
from buildkite_emulator.serving import auth
from buildkite_emulator.serving.fields import Fields
from buildkite_emulator.serving.http import Response, json_response
from buildkite_emulator.serving.refusals import bad_request, unprocessable
from buildkite_emulator.serving.routing import Call
from buildkite_emulator.serving.wire_time import iso

from . import control, dispatch


def register(call: Call) -> Response:
    """`POST /v3/register`: returns the agent's session token and intervals.

    An unknown queue is refused with 422; no source names Buildkite's status for it.
    """
    fields = Fields.of(call.request)
    tags = _tags(fields)
    queue_key = _queue_key(tags) or call.store.settings.default_queue
    acquisition = auth.registration(call, queue_key)
    if auth.find_queue(call, queue_key) is None:
        raise unprocessable(f"Queue {queue_key} doesn't exist in this cluster")
    if not fields.text("priority", default="0").lstrip("-").isdigit():
        raise unprocessable("priority must be a whole number")
    agent = call.store.put_agent(
        Agent(
            id=new_id(),
            name=fields.text("name"),
            hostname=fields.text("hostname", default=""),
            version=fields.text("version", default=""),
            user_agent=call.request.headers.get("user-agent", ""),
            tags=tags,
            queue=queue_key,
            ignore_in_dispatches=fields.flag("ignore_in_dispatches"),
            only_job=acquisition.job_id if acquisition else None,
            token=mint(TokenKind.SESSION),
            state=AgentState.REGISTERED,
            registered=call.now,
            last_heard=call.now,
        )
    )
    # Every interval must be above zero: agents divide by intervals, or poll without a pause.
    timings = call.store.settings.timings
    return json_response(
        {
            "id": agent.id,
            "name": agent.name,
            "access_token": agent.token,
            "ping_interval": timings.ping_interval,
            "heartbeat_interval": timings.heartbeat_interval,
            "job_status_interval": timings.job_status_interval,
            "meta_data": list(agent.tags),
            "endpoint": None,
        }
    )


def connect(call: Call) -> Response:
    """`POST /v3/connect`: marks the agent connected."""
    agent = auth.session(call)
    call.store.put_agent(replace(agent, state=AgentState.CONNECTED, last_heard=call.now))
    return json_response({"id": agent.id, "connection_state": "connected"})


def heartbeat(call: Call) -> Response:
    """`POST /v3/heartbeat`: returns a JSON object; on an empty body agents kill their job."""
    agent = auth.session(call)
    call.store.put_agent(replace(agent, last_heard=call.now))
    sent_at = Fields.of(call.request).raw("sent_at")
    return json_response({"sent_at": sent_at, "received_at": iso(call.now)})


def ping(call: Call) -> Response:
    """`GET /v3/ping`: returns a job to accept, an order to stop or to pause, or an empty object."""
    agent = auth.session(call)
    orders = control.orders(agent, call.now)
    if orders:
        return json_response(orders)
    job = dispatch.offer(call.store, agent, call.faults.is_paused, call.now)
    return json_response({"job": {"id": job.id, "state": str(job.state)}} if job else {})


def disconnect(call: Call) -> Response:
    """`POST /v3/disconnect`: ends the session."""
    agent = auth.session(call)
    call.store.put_agent(replace(agent, state=AgentState.DISCONNECTED))
    return json_response({"id": agent.id, "connection_state": "disconnected"})


def _tags(fields: Fields) -> tuple[str, ...]:
    given: Any = fields.raw("meta_data") or []
    if not isinstance(given, list) or not all(isinstance(tag, str) for tag in given):
        raise bad_request("meta_data must be an array of strings")
    return tuple(given)


def _queue_key(tags: tuple[str, ...]) -> str | None:
    queues = [tag.removeprefix("queue=") for tag in tags if tag.startswith("queue=")]
    return queues[-1] if queues else None

"""REST API: agents (buildkite/docs pages/apis/rest_api/agents.md)."""

from __future__ import annotations

from buildkite_emulator.memory.records import AgentState
from buildkite_emulator.serving.http import Response, json_response
from buildkite_emulator.serving.routing import Call

from . import access, pages
from .shapes import agent_shape

_FILTERS = ("name", "hostname", "version")


def list_connected(call: Call) -> Response:
    """`GET …/agents`: one page of connected agents; others are omitted."""
    access.enter(call, "read_agents")
    wanted = {name: call.request.query[name] for name in _FILTERS if name in call.request.query}
    found = [
        agent
        for agent in call.store.agents.values()
        if agent.state is AgentState.CONNECTED
        and all(getattr(agent, name) == value for name, value in wanted.items())
    ]
    page, headers = pages.paged(call, found)
    return pages.listed([agent_shape(call.store, agent) for agent in page], headers)


def show(call: Call) -> Response:
    """`GET …/agents/:id`: in any state, disconnected ones included."""
    return json_response(agent_shape(call.store, access.agent(call, "read_agents")))

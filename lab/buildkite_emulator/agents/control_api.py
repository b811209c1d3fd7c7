"""`buildkite-agent stop|pause|resume` inside a job, and the same calls of the REST API.

Source: buildkite/agent api/agents.go; buildkite/docs apis/rest_api/agents.md. buildkite-agent
3.83.1 has none of the three commands.
"""

from __future__ import annotations

from buildkite_emulator.memory.records import Agent
from buildkite_emulator.rest import access
from buildkite_emulator.serving import auth
from buildkite_emulator.serving.fields import Fields
from buildkite_emulator.serving.http import Response, json_response
from buildkite_emulator.serving.refusals import not_found
from buildkite_emulator.serving.routing import Call

from . import control


def stop_own(call: Call) -> Response:
    """`POST /v3/stop`: stops the agent of the token's job; `force` defaults to false."""
    agent = _agent_of_token(call)
    force = Fields.of(call.request).flag("force")
    control.stop(call.store, agent, call.now, force=force)
    return json_response({})


def pause_own(call: Call) -> Response:
    """`POST /v3/pause`: pauses the agent of the token's job."""
    _pause(call, _agent_of_token(call))
    return json_response({})


def resume_own(call: Call) -> Response:
    """`POST /v3/resume`: resumes the agent of the token's job."""
    control.resume(call.store, _agent_of_token(call))
    return json_response({})


def stop(call: Call) -> Response:
    """`PUT …/agents/:id/stop`: 204; `force` defaults to true."""
    agent = _agent_of_path(call)
    force = Fields.of(call.request).raw("force") is not False
    control.stop(call.store, agent, call.now, force=force)
    return Response(204)


def pause(call: Call) -> Response:
    """`PUT …/agents/:id/pause`: 204."""
    _pause(call, _agent_of_path(call))
    return Response(204)


def resume(call: Call) -> Response:
    """`PUT …/agents/:id/resume`: 204."""
    control.resume(call.store, _agent_of_path(call))
    return Response(204)


def _pause(call: Call, agent: Agent) -> None:
    fields = Fields.of(call.request)
    minutes = fields.integer(
        "timeout_in_minutes",
        default=control.PAUSE_MINUTES,
        low=1,
        high=control.MAX_PAUSE_MINUTES,
    )
    note = fields.text("note", default="")
    control.pause(call.store, agent, call.now, note=note, minutes=minutes)


def _agent_of_token(call: Call) -> Agent:
    agent = call.store.agent_of(auth.running_job(call))
    if agent is None:
        raise not_found("agent")
    return agent


def _agent_of_path(call: Call) -> Agent:
    return access.agent(call, "write_agents")

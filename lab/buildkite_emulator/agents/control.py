"""Stopping, pausing and resuming an agent.

Source: buildkite/docs apis/rest_api/agents.md and agent/self_hosted/pausing_and_resuming.md.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from buildkite_emulator import builds
from buildkite_emulator.jobs.states import WITH_AGENT
from buildkite_emulator.memory.records import Agent, AgentState, Pause
from buildkite_emulator.memory.store import Store
from buildkite_emulator.serving.refusals import RefusedError, bad_request

PAUSE_MINUTES = 5
MAX_PAUSE_MINUTES = 24 * 60
"""An assumption: Buildkite does not document the longest pause."""


def stop(store: Store, agent: Agent, now: datetime, *, force: bool) -> None:
    """Stop the agent after its current job; with `force`, cancel that job's build as well.

    Raises:
        RefusedError: 400 for an agent that is not connected.
    """
    if agent.state is not AgentState.CONNECTED:
        raise bad_request("Can only stop connected agents")
    store.put_agent(replace(agent, stopping=True))
    if not force:
        return
    for job in store.open_jobs():
        if job.agent_id == agent.id and job.state in WITH_AGENT:
            _cancel_build(store, job.build_id, now)


def pause(store: Store, agent: Agent, now: datetime, *, note: str, minutes: int) -> None:
    """Offer the agent no jobs for `minutes`.

    Raises:
        RefusedError: 400 for an agent that is not connected.
    """
    if agent.state is not AgentState.CONNECTED:
        raise bad_request("Can only pause connected agents")
    store.put_agent(replace(agent, pause=Pause(now + timedelta(minutes=minutes), note)))


def resume(store: Store, agent: Agent) -> None:
    """End the agent's pause at once."""
    store.put_agent(replace(agent, pause=None))


def orders(agent: Agent, now: datetime) -> dict[str, Any] | None:
    """The action for the agent's next ping, `disconnect` or `pause`; None without an order."""
    if agent.stopping:
        return {"action": "disconnect", "message": "Agent has been requested to stop"}
    if agent.pause and now < agent.pause.until:
        return {"action": "pause", "message": agent.pause.note or "Agent is paused"}
    return None


def _cancel_build(store: Store, build_id: str, now: datetime) -> None:
    try:
        builds.cancel(store, store.builds[build_id], now)
    except RefusedError:
        return  # the build is over, or is being cancelled already

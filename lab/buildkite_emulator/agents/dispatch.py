"""Job offers to polling agents, for queues that no stack serves.

Source: buildkite/docs agent/queues.md and agent/cli/reference/start.md (agent targeting), and
apis/agent_api: highest priority first, then oldest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from buildkite_emulator.jobs import jobs
from buildkite_emulator.jobs.states import JobState
from buildkite_emulator.memory.records import Agent, AgentState, Job
from buildkite_emulator.memory.store import Store


def offer(store: Store, agent: Agent, paused: Callable[[str], bool], now: datetime) -> Job | None:
    """Assign a job to a polling agent. Returns the job; None without one.

    A job that was offered before and is not accepted yet is offered again. An agent with a job, an
    acquisition token or `ignore_in_dispatches` gets no offer, and a paused queue makes none.
    """
    if agent.only_job or agent.ignore_in_dispatches or agent.state is not AgentState.CONNECTED:
        return None
    mine = [job for job in store.open_jobs() if job.agent_id == agent.id]
    if mine:
        return next((job for job in mine if job.state is JobState.ASSIGNED), None)
    if paused(agent.queue):
        return None
    candidates = [
        job
        for job in store.open_jobs()
        if job.state is JobState.SCHEDULED
        and job.step.queue == agent.queue
        and matches(job.step.agents, agent.tags)
    ]
    if not candidates:
        return None
    chosen = min(candidates, key=_urgency)
    return store.put_job(jobs.assign(chosen, agent), now)


def matches(rules: Iterable[str], tags: Iterable[str]) -> bool:
    """True if the agent's tags meet every rule; `key` and `key=*` match any value."""
    values = {key: value for key, _, value in (tag.partition("=") for tag in tags)}
    for rule in rules:
        key, _, wanted = rule.partition("=")
        if key == "queue":
            continue  # the agent's own queue has decided this rule
        if key not in values or wanted not in {"", "*", values[key]}:
            return False
    return True


def _urgency(job: Job) -> tuple[int, datetime, int]:
    return -job.step.priority, job.timeline.runnable or job.timeline.created, job.serial

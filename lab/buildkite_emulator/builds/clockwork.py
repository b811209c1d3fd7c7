"""Changes by time alone: expired reservations, lost agents, job timeouts and expiry."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from buildkite_emulator import builds
from buildkite_emulator.jobs import jobs
from buildkite_emulator.jobs.states import ENDED, WITH_AGENT, JobState
from buildkite_emulator.memory.records import Agent, AgentState, Job
from buildkite_emulator.memory.store import Store

_EXPIRY_MINUTE = 5


def settle(store: Store, now: datetime) -> None:
    """Bring the records up to `now`. The caller does this before every read or change."""
    for agent in list(store.agents.values()):
        if _is_lost(store, agent, now):
            store.put_agent(replace(agent, state=AgentState.LOST))
    for job in store.open_jobs():
        _settle_job(store, job, now)


def _settle_job(store: Store, job: Job, now: datetime) -> None:
    if job.state is JobState.RESERVED and job.reservation and job.reservation.until <= now:
        job = store.put_job(jobs.release(job), now)
    if job.state in WITH_AGENT and _is_silent(store, store.agent_of(job), now):
        _store(store, jobs.lose_agent(job, now), now)
        return
    forced_end = store.forced_ends.get(job.id)
    if job.state is JobState.CANCELING and forced_end and forced_end <= now:
        _store(store, jobs.end_by_force(job, now), now)
        return
    times_out_at = jobs.times_out_at(job)
    if job.state is JobState.RUNNING and times_out_at and times_out_at <= now:
        store.put_job(jobs.time_out(job), now)
    elif job.state not in WITH_AGENT and _is_expired(store, job, now):
        _store(store, jobs.expire(job, now), now)


def _store(store: Store, job: Job, now: datetime) -> None:
    if job.state in ENDED:
        builds.conclude(store, job, now)
    else:
        store.put_job(job, now)


def _is_lost(store: Store, agent: Agent, now: datetime) -> bool:
    return agent.state is AgentState.CONNECTED and _is_silent(store, agent, now)


def _is_silent(store: Store, agent: Agent | None, now: datetime) -> bool:
    # Disconnected agents count too: an agent that left its job unfinished shows by its silence.
    # No source says how Buildkite treats the job before that.
    return agent is None or agent.last_heard + store.settings.timings.lost_after <= now


def _is_expired(store: Store, job: Job, now: datetime) -> bool:
    """True if a check was due after the end of the job's allowed age.

    Buildkite checks expiry hourly at five past (buildkite/docs build_timeouts.md).
    """
    last_check = now.replace(minute=_EXPIRY_MINUTE, second=0, microsecond=0)
    if last_check > now:
        last_check -= timedelta(hours=1)
    return job.timeline.created + store.settings.timings.expires_after <= last_check

"""Who is calling: each kind of token opens its own endpoints and no others."""

from __future__ import annotations

from buildkite_emulator.jobs.states import JobState
from buildkite_emulator.memory.records import AcquisitionToken, Agent, AgentState, Job
from buildkite_emulator.memory.settings import Queue

from .refusals import RefusedError, not_found, unauthorized, unprocessable
from .routing import Call


def token(call: Call, scheme: str = "Token") -> str:
    """The token of the Authorization header, unless it has been revoked.

    Raises:
        RefusedError: 401.
    """
    given, _, value = call.request.headers.get("authorization", "").partition(" ")
    if given.lower() != scheme.lower() or not value or value in call.faults.refused_tokens:
        raise unauthorized()
    return value.strip()


def agent_token(call: Call) -> str:
    """The cluster's agent token, as stacks use it.

    Raises:
        RefusedError: 401.
    """
    given = token(call)
    if given not in call.store.settings.agent_tokens:
        raise unauthorized()
    return given


def registration(call: Call) -> AcquisitionToken | None:
    """What an agent registers with: None for the cluster's token, else the acquisition token.

    Raises:
        RefusedError: 401, also when the reservation behind an acquisition token has ended, or the
            token that issued it was revoked.
    """
    given = token(call)
    if given in call.store.settings.agent_tokens:
        return None
    acquisition = call.store.acquisition_tokens.get(given)
    if acquisition is None or not _is_live(call, acquisition):
        raise unauthorized()
    return acquisition


def session(call: Call) -> Agent:
    """The registered agent that calls.

    Raises:
        RefusedError: 401, also for an agent that was lost or has disconnected.
    """
    agent = call.store.agent_by_token(token(call))
    if agent is None or agent.state in {AgentState.LOST, AgentState.DISCONNECTED}:
        raise unauthorized()
    return agent


def running_job(call: Call) -> Job:
    """The job whose token is used; tokens die with their jobs.

    Raises:
        RefusedError: 401.
    """
    job = call.store.job_by_token(token(call))
    if job is None:
        raise unauthorized()
    return job


def own_job(call: Call, *, missing: int = 404) -> Job:
    """The job of the path, which must be the one that the token is for.

    Raises:
        RefusedError: 401, or `missing` for any other job.
    """
    job = running_job(call)
    if job.id != call.parameters["id"]:
        raise unprocessable("This token is for another job") if missing == 422 else not_found("job")
    return job


def user(call: Call, scope: str | None = None) -> None:
    """A user of the REST API, whose token must have the scope that the call needs.

    Raises:
        RefusedError: 401; 403 without the scope, in words that no source gives.
    """
    given = token(call, "Bearer")
    if given in call.store.settings.api_tokens:
        return
    scopes = call.store.api_scopes.get(given)
    if scopes is None:
        raise unauthorized()
    if scope is not None and scope not in scopes:
        raise RefusedError(403, f"Your access token needs the scope {scope} for this")


def find_queue(call: Call, key: str) -> Queue | None:
    """The cluster's queue of that key, if it (still) has one."""
    if call.faults.is_unknown(key):
        return None
    return next((queue for queue in call.store.settings.queues if queue.key == key), None)


def _is_live(call: Call, acquisition: AcquisitionToken) -> bool:
    job = call.store.jobs[acquisition.job_id]
    return (
        acquisition.expires > call.now
        and acquisition.issued_by not in call.faults.refused_tokens
        and job.state is JobState.RESERVED
        and job.reservation is not None
        and job.reservation.stack_key == acquisition.stack_key
    )

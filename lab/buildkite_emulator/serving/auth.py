"""Authorization: each kind of token gives access to its own endpoints only."""

from __future__ import annotations

from buildkite_emulator.jobs.states import JobState
from buildkite_emulator.memory.agent_tokens import AgentToken, Permission
from buildkite_emulator.memory.records import AcquisitionToken, Agent, AgentState, Job
from buildkite_emulator.memory.settings import Queue

from .refusals import RefusedError, not_found, unauthorized, unprocessable
from .routing import Call


def token(call: Call, scheme: str = "Token") -> str:
    """The token of the Authorization header.

    Raises:
        RefusedError: 401 for a missing or revoked token.
    """
    given, _, value = call.request.headers.get("authorization", "").partition(" ")
    if given.lower() != scheme.lower() or not value or value in call.faults.refused_tokens:
        raise unauthorized()
    return value.strip()


def agent_token(call: Call, permission: Permission = Permission.STACKS) -> AgentToken:
    """The cluster's agent token of a stack's call.

    Raises:
        RefusedError: 401 for any other token, and for an expired one; 403 for a caller that is not
            among the allowed addresses, and without the permission. Buildkite's 403 names the
            missing permission (changelog 443); the words, and the status for an address, are
            assumed.
    """
    return _allowed(call, token(call), permission)


def registration(call: Call, queue: str) -> AcquisitionToken | None:
    """The acquisition token of an agent that registers in a queue; None for an agent token.

    Raises:
        RefusedError: 401 for an unknown token, and for an acquisition token with an ended
            reservation or a revoked issuing token; the refusals of the agent token, given or
            issuing; 403 for a queue to which the agent token has no access.
    """
    given = token(call)
    acquisition = call.store.acquisition_tokens.get(given)
    if acquisition is not None and not _is_live(call, acquisition):
        raise unauthorized()
    issuing = given if acquisition is None else acquisition.issued_by
    check_queue(_allowed(call, issuing, Permission.RUN_JOBS), queue)
    return acquisition


def check_queue(given: AgentToken, queue: str) -> None:
    """Check that the agent token has access to the queue.

    Raises:
        RefusedError: 403, in assumed words. That the Stacks API obeys the queue access is assumed:
            Buildkite documents it for agents that register or acquire.
    """
    if not given.serves(queue):
        raise RefusedError(403, f"This agent token does not have access to the queue {queue}")


def _allowed(call: Call, given: str, permission: Permission) -> AgentToken:
    found = call.store.agent_tokens.get(given)
    if found is None or not found.is_live(call.now):
        raise unauthorized()
    if not found.admits(call.request.address):
        raise RefusedError(403, f"The address {call.request.address} may not use this agent token")
    if permission not in found.permissions:
        raise RefusedError(403, f"This agent token does not have the permission {permission}")
    return found


def session(call: Call) -> Agent:
    """The registered agent of a session token.

    Raises:
        RefusedError: 401 for an unknown token, and for a lost or disconnected agent.
    """
    agent = call.store.agent_by_token(token(call))
    if agent is None or agent.state in {AgentState.LOST, AgentState.DISCONNECTED}:
        raise unauthorized()
    return agent


def running_job(call: Call) -> Job:
    """The job of a job token, which is valid until the job's end.

    Raises:
        RefusedError: 401 for an unknown or ended token.
    """
    job = call.store.job_by_token(token(call))
    if job is None:
        raise unauthorized()
    return job


def own_job(call: Call, *, missing: int = 404) -> Job:
    """The job of the path, if the token belongs to it.

    Raises:
        RefusedError: 401 for an unknown token, `missing` for another job.
    """
    job = running_job(call)
    if job.id != call.parameters["id"]:
        raise unprocessable("This token is for another job") if missing == 422 else not_found("job")
    return job


def user(call: Call, scope: str | None = None) -> None:
    """Check that a REST API token has the scope of the call.

    Raises:
        RefusedError: 401 for an unknown token; 403 without the scope, in assumed words.
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
    """The cluster's queue with this key; None for an unknown or removed queue."""
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

"""Reads Buildkite's states of claimed jobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from mayfly.batched import batched
from mayfly.dispatch.settled import UNKNOWN
from mayfly.dispatch.view import QueueView
from mayfly.errors import FAILURES, Failure, Misconfigured, NotFound, TokenRefused
from mayfly.ports import Buildkite
from mayfly.records.about import fields
from mayfly.records.model import Claim
from mayfly.tick.outcome import Outcome

_STATES_AT_ONCE = 1000


def job_states(buildkite: Buildkite, claims: Iterable[Claim], outcome: Outcome) -> dict[str, str]:
    """Buildkite's states by job; UNKNOWN for jobs that Buildkite, which answered, does not know.

    A refused call for jobs of several queues is repeated queue by queue, so that a queue that
    Buildkite refuses hides no other queue's states.
    """
    states: dict[str, str] = {}
    for some in batched(claims, _STATES_AT_ONCE):
        of_queue: dict[str, list[str]] = {}
        for claim in some:
            of_queue.setdefault(claim.queue, []).append(claim.job)
        try:
            states.update(_states(buildkite, [claim.job for claim in some]))
        except TokenRefused as error:
            outcome.failed("states of jobs", error)
        except (Misconfigured, NotFound) as error:
            if len(of_queue) == 1:
                _states_failed(of_queue, error, outcome)
                continue
            for queue, jobs in of_queue.items():
                try:
                    states.update(_states(buildkite, jobs))
                except FAILURES as refusal:
                    _states_failed({queue: jobs}, refusal, outcome)
        except FAILURES as error:
            _states_failed(of_queue, error, outcome)
    return states


def _states(buildkite: Buildkite, jobs: Sequence[str]) -> dict[str, str]:
    return {**dict.fromkeys(jobs, UNKNOWN), **buildkite.states(jobs)}


def _states_failed(of_queue: Mapping[str, list[str]], error: Failure, outcome: Outcome) -> None:
    about = fields(queues=of_queue, jobs=[job for jobs in of_queue.values() for job in jobs])
    outcome.failed(f"states of jobs of queue {', '.join(of_queue)}", error, about)


def beside_new_jobs(views: Iterable[QueueView]) -> Iterator[Claim]:
    """Waiting claims of queues that list new jobs: read their states even between state reads.

    A push often cancels the jobs of the push before. Without this read the cancelled jobs would
    still count as demand, and further instances would be launched for the new jobs.
    """
    for view in views:
        known = {claim.job for claim in view.claims}
        if view.listing is not None and any(job.id not in known for job in view.listing.jobs):
            yield from (claim for claim in view.claims if claim.state.traits.waits)

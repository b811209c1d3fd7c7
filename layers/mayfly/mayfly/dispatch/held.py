"""Why `dispatch` leaves jobs where they are, for one warning a minute."""

from __future__ import annotations

from collections.abc import Iterator

from mayfly.config.queue import QueueConfig
from mayfly.dispatch.opened import LOOK_AHEAD
from mayfly.dispatch.view import QueueView


def held(view: QueueView, config: QueueConfig) -> Iterator[tuple[str, str]]:
    """Cause and text: a pause that jobs wait through, listed jobs without reservation or place."""
    if view.refused:
        some = f"{len(view.refused)} listed jobs, {min(view.refused)} among them"
        yield "unreserved", f"Buildkite does not reserve {some}"
    waiting = sum(claim.state.traits.waits for claim in view.claims)
    known = {claim.job for claim in view.claims}
    listed = view.listing.jobs if view.listing is not None else ()
    unopened = [job for job in listed if job.id not in known and job.id not in view.unmatched]
    jobs = f"{waiting + len(unopened)} jobs wait"
    if view.over_limit and not (config.paused or view.paused):
        pipelines = sorted(set(view.over_limit.values()))
        some = f"{pipelines[0]} among {len(pipelines)}" if len(pipelines) > 1 else pipelines[0]
        limit = f"limits/per-pipeline is {config.per_pipeline}"
        yield "per-pipeline", f"{len(view.over_limit)} jobs of pipeline {some} wait: {limit}"
    if not view.active and waiting:
        yield "gone", f"the queue's stack is gone, and {jobs}; Buildkite gets the jobs back"
    elif config.paused and (waiting or unopened):
        yield "paused", f"the queue is paused here (parameter `paused`), and {jobs}"
    elif view.paused is True and (waiting or unopened):
        yield "paused", f"the queue is paused at Buildkite, and {jobs}"
    elif view.left_out:
        left = len(unopened) - len(view.candidates) - len(view.over_limit.keys() - known)
        limit = f"limits/max-instances ({config.max_instances}) and {LOOK_AHEAD} jobs ahead"
        yield "look-ahead", f"{left} listed jobs are not reserved yet: others fill {limit}"

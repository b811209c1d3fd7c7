"""Block and input steps: their state, and unblocking.

Source: buildkite/docs pages/apis/rest_api/jobs.md, "Unblock a job", and step_types/block_step.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from buildkite_emulator.jobs.graph import Verdict
from buildkite_emulator.memory.records import Build, Person, Unblocking
from buildkite_emulator.memory.store import Store
from buildkite_emulator.pipelines.forms import FormError, answers
from buildkite_emulator.pipelines.steps import BlockStep
from buildkite_emulator.serving.refusals import unprocessable

from .progress import advance, graph_of


@dataclass(frozen=True, slots=True)
class Approval:
    """The person who unblocks a step, and their answers to its fields."""

    by: Person
    fields: Mapping[str, Any] = field(default_factory=dict)


def unblock(
    store: Store, build: Build, step: BlockStep, approval: Approval, now: datetime
) -> Build:
    """Unblock a step and add the answers to the build's meta-data. Returns the build.

    A step may be unblocked before the steps ahead of it have ended (buildkite/docs issues 1415 and
    2606).

    Raises:
        RefusedError: 422 for a cancelled build, a step that is over or already unblocked, or an
            answer that does not fit its field.
    """
    if build.canceled:
        raise unprocessable("Jobs from canceled builds cannot be unblocked")
    if state(store, build, step) not in {"waiting", "blocked"}:
        raise unprocessable("This job has already been unblocked, or can no longer be")
    try:
        kept = answers(step.fields, approval.fields)
    except FormError as error:
        raise unprocessable(str(error)) from None
    unblocking = Unblocking(now, approval.by, kept)
    build = replace(build, unblocked={**build.unblocked, step.id: unblocking})
    store.builds[build.id] = build
    store.meta_data[build.id].update(kept)
    advance(store, build, now)
    return store.builds[build.id]


def find(store: Store, job_id: str) -> tuple[Build, BlockStep] | None:
    """The block or input step with this REST API id, and its build; None for another id."""
    for build in store.builds.values():
        for step in build.steps:
            if isinstance(step, BlockStep) and step.job_id == job_id:
                return build, step
    return None


def state(store: Store, build: Build, step: BlockStep) -> str:
    """The step's state, in the words for jobs of buildkite/docs defining_steps.md."""
    if step.broken is not None:
        return "broken"
    verdict = graph_of(store, build).verdict(step)
    if step.id in build.unblocked:
        return "unblocked_failed" if verdict is Verdict.GIVE_UP else "unblocked"
    if build.canceled:
        return "canceled"
    if verdict is Verdict.GIVE_UP:
        return "blocked_failed"
    return "blocked" if verdict is Verdict.GO else "waiting"

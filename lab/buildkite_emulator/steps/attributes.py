"""The attributes for `step get` (buildkite/docs pages/agent/cli/reference/step.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from buildkite_emulator.jobs.graph import is_hard_failure
from buildkite_emulator.jobs.jobs import outcome
from buildkite_emulator.jobs.states import ENDED, HELD, WITH_AGENT
from buildkite_emulator.memory.records import Job
from buildkite_emulator.pipelines.steps import BlockStep, Step, TriggerStep, WaitStep
from buildkite_emulator.serving.refusals import RefusedError, bad_request

_ERRORED = frozenset({"timed_out", "canceled", "expired"})


def attributes(step: Step, jobs: Sequence[Job], notify: Sequence[Any]) -> Mapping[str, Any]:
    """All attributes of a step; `jobs` are its latest attempts."""
    common: dict[str, Any] = {
        "id": step.id,
        "key": step.key,
        "depends_on": None if step.depends_on is None else [d.key for d in step.depends_on],
    }
    if isinstance(step, BlockStep):
        return {**common, "type": "block" if step.holds else "input", "label": step.label}
    if isinstance(step, WaitStep):
        return {**common, "type": "wait"}
    if isinstance(step, TriggerStep):
        return {**common, "type": "trigger", "label": step.label}
    concurrency = step.concurrency
    return {
        **common,
        "type": "command",
        "label": step.label,
        "command": step.command,
        "agents": list(step.agents),
        "env": dict(step.env),
        "concurrency_key": concurrency.group if concurrency else None,
        "concurrency_limit": concurrency.limit if concurrency else None,
        "parallelism": step.parallelism,
        "priority": step.priority,
        "timeout": step.timeout_minutes,
        "notify": list(notify),
        "state": state(jobs),
        "outcome": step_outcome(jobs),
    }


def export(known: Mapping[str, Any], attribute: str, form: str) -> str:
    """One attribute, or the whole step, as text.

    Raises:
        RefusedError: 400 for an unknown attribute or format, or for a list or an object without the
            JSON format; agents retry any other refusal for 50 seconds.
    """
    if form not in {"", "json"}:
        raise bad_request("format must be json")
    if attribute and attribute not in known:
        raise RefusedError(400, f"{attribute} is not an attribute of this step")
    value = known[attribute] if attribute else known
    if form == "json":
        return json.dumps(value)
    if isinstance(value, Mapping | list):
        raise bad_request("The value is not a string: a format is required")
    return "" if value is None else str(value)


def state(jobs: Sequence[Job]) -> str:
    """The step's state. Buildkite does not publish the list of words; these are assumed."""
    if all(job.state in ENDED for job in jobs):
        return "finished"
    if any(job.state in WITH_AGENT for job in jobs):
        return "failing" if any(is_hard_failure(job) for job in jobs) else "running"
    return "waiting_for_dependencies" if all(job.state in HELD for job in jobs) else "ready"


def step_outcome(jobs: Sequence[Job]) -> str | None:
    """passed, soft_failed, hard_failed or errored; None for open jobs, or if no job ran."""
    ends = {outcome(job) for job in jobs}
    if None in ends:
        return None
    if ends & _ERRORED:
        return "errored"
    if any(is_hard_failure(job) for job in jobs):
        return "hard_failed"
    if "soft_failed" in ends:
        return "soft_failed"
    return "passed" if "passed" in ends else None

"""What a person may do on the page: each action is that of a user of Buildkite or an operator."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from buildkite_emulator import BuildRequest
from mayfly_lab.commands.rest import BlockStep, Builds
from mayfly_lab.lab import Lab

SAMPLE = "sample"
"""The pipeline that the page starts."""
MOST_HOT = 20


class RefusedError(Exception):
    """The action cannot be done. The text says why."""


def sample(queue: str) -> str:
    """The sample pipeline in Buildkite's YAML: two jobs, a decision of a person, a last job."""
    agents = {"queue": queue}
    return json.dumps(
        {
            "steps": [
                {"label": "Lint", "command": "echo linted; sleep 1", "agents": agents},
                {
                    "label": "Unit tests",
                    "command": "for n in 1 2 3 4 5; do echo test $$n passed; sleep 1; done",
                    "agents": agents,
                },
                {"block": "Release?"},
                {"label": "Release", "command": "echo released", "agents": agents},
            ]
        }
    )


def act(lab: Lab, action: str, given: Mapping[str, Any]) -> str:
    """Do an action. Returns a sentence about what was done.

    Raises:
        RefusedError: the action is unknown, or its values are not allowed.
    """
    if action not in ACTIONS:
        raise RefusedError(f"unknown action {action!r}")
    return ACTIONS[action](lab, given)


def _start(lab: Lab, _: Mapping[str, Any]) -> str:
    build = lab.buildkite.create_build(SAMPLE, BuildRequest())
    return f"Build {build.number} has started."


def _pool(lab: Lab, given: Mapping[str, Any]) -> str:
    queue, count = str(given.get("queue")), given.get("count")
    if queue not in lab.choices.queues:
        raise RefusedError(f"unknown queue {queue!r}")
    if type(count) is not int or not 0 <= count <= MOST_HOT:
        raise RefusedError(f"the pool of a queue is a whole number from 0 to {MOST_HOT}")
    lab.put_parameter(queue, "pool/hot", str(count))
    return f"pool/hot of {queue} is {count}."


def _cancel(lab: Lab, given: Mapping[str, Any]) -> str:
    job = next((job for job in lab.buildkite.jobs() if job.id == given.get("job")), None)
    if job is None or job.outcome is not None:
        raise RefusedError("no such job is there to be cancelled")
    lab.buildkite.cancel_job(job.id)
    return f"{job.name} is cancelled."


def _unblock(lab: Lab, given: Mapping[str, Any]) -> str:
    builds = {job.build_id for job in lab.buildkite.jobs()}
    if given.get("build") not in builds:
        raise RefusedError("no such build")
    build = lab.buildkite.build(str(given["build"]))
    calls = Builds(lab.buildkite, build.pipeline)
    steps: Mapping[str, BlockStep] = {step.id: step for step in calls.blocked(build.number)}
    step = steps.get(str(given.get("step")))
    if step is None:
        raise RefusedError("the build does not wait at this step")
    refused = calls.unblock(build.number, step)
    if refused is not None:
        raise RefusedError(refused)
    return f"{step.label} is unblocked."


ACTIONS: Mapping[str, Callable[[Lab, Mapping[str, Any]], str]] = {
    "start": _start,
    "pool": _pool,
    "cancel": _cancel,
    "unblock": _unblock,
}

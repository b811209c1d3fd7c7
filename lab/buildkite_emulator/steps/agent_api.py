"""Agent API: `buildkite-agent step get|update|cancel`, and `build cancel`.

Source: buildkite/agent api/steps.go and api/builds.go; buildkite/docs agent/cli/reference/step.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

from buildkite_emulator import builds
from buildkite_emulator.jobs.states import ENDED
from buildkite_emulator.memory.records import Build, Job
from buildkite_emulator.memory.tokens import new_id
from buildkite_emulator.pipelines.steps import CommandStep, Step
from buildkite_emulator.serving import auth
from buildkite_emulator.serving.fields import Fields
from buildkite_emulator.serving.http import Response, json_response
from buildkite_emulator.serving.refusals import bad_request, not_found, unprocessable
from buildkite_emulator.serving.routing import Call

from . import attributes

FORCE_GRACE_SECONDS = 10
MAX_FORCE_GRACE_SECONDS = 24 * 60 * 60


def get(call: Call) -> Response:
    """`POST steps/:step/export`: one attribute of the step, or all of them."""
    fields = Fields.of(call.request)
    build, step = _step(call, fields)
    jobs = [job for job in _jobs(call, build, step) if job.retried_in is None]
    known = attributes.attributes(step, jobs, call.store.step_notices[step.id])
    attribute, form = fields.text("attribute", default=""), fields.text("format", default="")
    return json_response({"output": attributes.export(known, attribute, form)})


def update(call: Call) -> Response:
    """`PUT steps/:step`: sets label, priority or notify.

    A repeat with the same id changes nothing: agents repeat the call after a lost answer.
    """
    fields = Fields.of(call.request)
    build, step = _step(call, fields)
    once = fields.text("idempotency_uuid", default=new_id())
    if once in call.store.step_updates:
        return json_response({})
    attribute, value = fields.text("attribute"), fields.text("value", default="")
    append = fields.flag("append")
    if attribute == "notify":
        call.store.step_notices[step.id] = [
            *(call.store.step_notices[step.id] if append else ()),
            *_notices(value),
        ]
    elif isinstance(step, CommandStep):
        _change_step(
            call, build, step.id, lambda one: _changed_step(one, attribute, value, append=append)
        )
    else:
        raise bad_request("Only command steps can be updated")
    call.store.step_updates.add(once)
    return json_response({})


def cancel(call: Call) -> Response:
    """`POST steps/:step/cancel`: cancels the step's open jobs.

    With `force`, a job whose agent does not stop within the grace period is ended as cancelled.
    """
    fields = Fields.of(call.request)
    build, step = _step(call, fields)
    grace = fields.integer(
        "force_grace_period_seconds",
        default=FORCE_GRACE_SECONDS,
        low=0,
        high=MAX_FORCE_GRACE_SECONDS,
    )
    for job in list(_jobs(call, build, step)):
        if job.state in ENDED:
            continue
        canceled = builds.cancel_job(call.store, job, call.now)
        if canceled.state not in ENDED and fields.flag("force"):
            call.store.forced_ends[job.id] = call.now + timedelta(seconds=grace)
    return json_response({"uuid": step.id})


def cancel_build(call: Call) -> Response:
    """`POST builds/:id/cancel`: cancels the build and its jobs."""
    auth.running_job(call)
    build = call.store.builds.get(call.parameters["id"])
    if build is None:
        raise not_found("build")
    builds.cancel(call.store, build, call.now)
    return json_response({"uuid": build.id})


def _step(call: Call, fields: Fields) -> tuple[Build, Step]:
    job = auth.running_job(call)
    build = call.store.builds.get(fields.text("build_id", default=job.build_id))
    if build is None:
        raise not_found("build")
    named = call.parameters["step"]
    step = next((each for each in build.steps if named in {each.id, each.key}), None)
    if step is None:
        raise not_found("step")
    return build, step


def _jobs(call: Call, build: Build, step: Step) -> Iterator[Job]:
    return (job for job in call.store.jobs_of(build) if job.step.id == step.id)


def _changed_step(step: CommandStep, attribute: str, value: str, *, append: bool) -> CommandStep:
    if attribute == "label":
        return replace(step, label=step.label + value if append else value)
    if attribute != "priority":
        raise bad_request(f"{attribute} is not an attribute that can be updated")
    try:
        return replace(step, priority=int(value))
    except ValueError:
        raise unprocessable("priority must be a whole number") from None


def _change_step(
    call: Call, build: Build, step_id: str, change: Callable[[CommandStep], CommandStep]
) -> None:
    # Each job of a matrix has its own copy of the step, with its combination filled in.
    steps = tuple(
        change(step) if step.id == step_id and isinstance(step, CommandStep) else step
        for step in build.steps
    )
    call.store.builds[build.id] = replace(build, steps=steps)
    for job in list(call.store.jobs_of(build)):
        if job.step.id == step_id:
            call.store.put_job(replace(job, step=change(job.step)), call.now)


def _notices(value: str) -> list[object]:
    try:
        given = json.loads(value)
    except ValueError:
        given = None
    if not isinstance(given, list):
        raise unprocessable("notify must be a list, as JSON")
    return given

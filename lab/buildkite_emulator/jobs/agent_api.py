"""Agent API: one job, from acquire to finish.

Source: buildkite/agent api/jobs.go, core/client.go and agent/fake_api_server_test.go. Observed
reactions of buildkite-agent 3.83.1 to the answers outrank the source.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from buildkite_emulator import builds
from buildkite_emulator.memory.records import Agent, Job
from buildkite_emulator.memory.tokens import TokenKind, mint
from buildkite_emulator.serving import auth
from buildkite_emulator.serving.fields import Fields
from buildkite_emulator.serving.http import Response, json_response
from buildkite_emulator.serving.refusals import bad_request, not_found, unprocessable
from buildkite_emulator.serving.routing import Call
from buildkite_emulator.serving.wire_time import iso_or_none

from . import environment, jobs
from .logs import MAX_BYTES
from .states import JobState

CHUNKS_MAX_SIZE_BYTES = 102400
MAX_CHUNKS_LOST = 2**31
LOCK_HEADER = "x-buildkite-lock-acquire-job"
KNOWS_TIMING_OUT = (3, 127)
"""Agents from this version on obey `timing_out` (buildkite/agent agent/job_runner.go: in v3.127.0,
not in v3.126.0); earlier ones ignore it and run on (seen with 3.83.1)."""


def acquire(call: Call) -> Response:
    """`PUT jobs/:id/acquire`: assigns a job by its id, without regard to the agent's other tags.

    404 for a job of another queue, and for a job other than the session's own
    (buildkite/agent-stack-k8s pull request 154).
    """
    agent = auth.session(call)
    job = _visible_job(call, agent)
    if call.request.headers.get(LOCK_HEADER) != "1":
        raise unprocessable("Expected X-Buildkite-Lock-Acquire-Job to be set to 1")
    return _assign(call, agent, job, jobs.acquire)


def accept(call: Call) -> Response:
    """`PUT jobs/:id/accept`: accepts the job of a ping's offer."""
    agent = auth.session(call)
    return _assign(call, agent, _visible_job(call, agent), jobs.accept)


def start(call: Call) -> Response:
    """`PUT jobs/:id/start`: marks the job running."""
    job = auth.own_job(call)
    started = call.store.put_job(jobs.start(job, call.now), call.now)
    return json_response({"id": job.id, "state": str(started.state)})


def show_state(call: Call) -> Response:
    """`GET jobs/:id`: the job's state; agents poll it to learn of a cancel or a timeout."""
    job = auth.own_job(call)
    agent = call.store.agent_of(job)
    state = job.state
    if state is JobState.TIMING_OUT and not (agent and knows_timing_out(agent.version)):
        state = JobState.CANCELING
    return json_response({"id": job.id, "state": str(state)})


def add_chunk(call: Call) -> Response:
    """`POST jobs/:id/chunks?sequence=&offset=&size=`: in any order; repeats are allowed."""
    job = auth.own_job(call)
    sequence = _number(call, "sequence", 0)
    if sequence < 1:
        raise bad_request("sequence must be a positive integer")
    offset, _ = _number(call, "offset", 0), _number(call, "size", 0)
    content = _content(call)
    call.store.put_job(jobs.log(job, call.now), call.now)
    call.store.logs[job.id].add(sequence, content, offset)
    return json_response({}, 201)


def add_header_times(call: Call) -> Response:
    """`POST jobs/:id/header_times`: from agents that write no time codes."""
    job = auth.own_job(call)
    times = Fields.of(call.request).raw("header_times")
    if not isinstance(times, dict):
        raise bad_request("header_times must be an object")
    call.store.logs[job.id].header_times.update(times)
    return json_response({})


def finish(call: Call) -> Response:
    """`PUT jobs/:id/finish`: refuses with 422, never 404, which old agents retry for hours."""
    job = auth.own_job(call, missing=422)
    fields = Fields.of(call.request)
    ended = jobs.finish(
        job,
        _exit_status(fields.text("exit_status")),
        fields.text("signal", default="") or None,
        fields.text("signal_reason", default="") or None,
        call.now,
    )
    lost = fields.integer("chunks_failed_count", default=0, low=0, high=MAX_CHUNKS_LOST)
    call.store.logs[job.id].chunks_lost = lost
    builds.conclude(call.store, ended, call.now)
    return json_response({"id": job.id, "state": str(ended.state)})


def knows_timing_out(version: str) -> bool:
    """True if an agent of this version obeys `timing_out`."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers is None:
        return False
    return (int(numbers[1]), int(numbers[2])) >= KNOWS_TIMING_OUT


def _visible_job(call: Call, agent: Agent) -> Job:
    job = call.store.jobs.get(call.parameters["id"])
    elsewhere = job is None or job.step.queue != agent.queue
    if job is None or elsewhere or agent.only_job not in {None, job.id}:
        raise not_found("job")
    return job


def _assign(
    call: Call, agent: Agent, job: Job, transition: Callable[[Job, Agent, str, datetime], Job]
) -> Response:
    taken = call.store.put_job(transition(job, agent, mint(TokenKind.JOB), call.now), call.now)
    build = call.store.builds[job.build_id]
    return json_response(
        {
            "id": taken.id,
            "state": str(taken.state),
            "token": taken.token,
            "chunks_max_size_bytes": CHUNKS_MAX_SIZE_BYTES,
            "chunks_interval_seconds": 1,
            "log_max_size_bytes": MAX_BYTES,
            "priority": taken.step.priority,
            "runnable_at": iso_or_none(taken.timeline.runnable),
            "step": _step(taken),
            **({"matrix_permutation": dict(taken.matrix)} if taken.matrix else {}),
            "env": environment.of_job(call.store.settings, build, taken, agent),
        }
    )


def _number(call: Call, name: str, default: int) -> int:
    given = call.request.query.get(name, str(default))
    if not given.isdigit():
        raise bad_request(f"{name} must be a whole number")
    return int(given)


def _step(job: Job) -> Mapping[str, Any]:
    # A step without secrets omits the field: agents reject null in it.
    return {
        "command": job.step.command,
        "plugins": list(job.step.plugins),
        **({"secrets": _secrets(job.step.secrets)} if job.step.secrets else {}),
        **({"cache": job.step.cache} if job.step.cache else {}),
    }


def _secrets(given: Any) -> list[Any]:
    """The secrets as agents read them: names, or objects; agents refuse a mapping.

    Source: buildkite/go-pipeline secrets.go.
    """
    if isinstance(given, Mapping):
        return [{"key": key, "environment_variable": name} for name, key in given.items()]
    return list(given)


def _content(call: Call) -> bytes:
    if call.request.headers.get("content-encoding") != "gzip":
        return call.request.body
    try:
        return gzip.decompress(call.request.body)
    except (OSError, EOFError, zlib.error):
        raise bad_request("The chunk is not gzip") from None


def _exit_status(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise bad_request("exit_status must be a number in a string") from None

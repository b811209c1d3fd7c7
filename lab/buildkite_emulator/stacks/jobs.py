"""Stacks API: a stack's calls about jobs.

Source: buildkite/docs pages/apis/agent_api/stacks.md, agent/self_hosted/job_acquisition_tokens.md;
buildkite/stacksapi for the shapes.
"""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from buildkite_emulator import builds
from buildkite_emulator.jobs import environment, jobs
from buildkite_emulator.jobs.states import ENDED, JobState
from buildkite_emulator.memory.records import AcquisitionToken, Job, Notice
from buildkite_emulator.memory.tokens import TokenKind, mint
from buildkite_emulator.serving import auth
from buildkite_emulator.serving.fields import Fields
from buildkite_emulator.serving.http import Response, json_response
from buildkite_emulator.serving.refusals import RefusedError, bad_request, not_found, unprocessable
from buildkite_emulator.serving.routing import Call
from buildkite_emulator.serving.wire_time import iso, parse

MAX_IDS = 1000
MAX_RESERVATION_SECONDS = 3600
DEFAULT_RESERVATION_SECONDS = 900
MAX_TOKEN_SECONDS = 3600
DEFAULT_TOKEN_SECONDS = 900
MAX_DETAIL_BYTES = 4096
MAX_NOTICE_CHARACTERS = 256
NOTICES_END_AFTER = timedelta(seconds=300)


def list_scheduled(call: Call) -> Response:
    """`GET scheduled-jobs`: one page, oldest first, with the queue's pause flag.

    A paused queue still lists its jobs; stacks must obey the flag.
    """
    query = call.request.query
    key = query.get("queue_key", "")
    queue = auth.find_queue(call, key)
    if queue is None:
        raise not_found("queue")
    auth.check_queue(auth.agent_token(call), key)
    limit = _limit(query.get("limit"))
    after = _after(query.get("after"))
    found = [
        job
        for job in call.store.open_jobs()
        if job.state is JobState.SCHEDULED
        and job.step.queue == key
        and (after is None or _position(job) > after)
    ]
    found.sort(key=_position)
    page = found[:limit]
    return json_response(
        {
            "jobs": [_listed(call, job) for job in page],
            "page_info": {
                "has_next_page": len(found) > limit,
                "end_cursor": _cursor(page[-1]) if page else None,
            },
            "cluster_queue": {
                "id": queue.id,
                "dispatch_paused": call.faults.is_paused(key),
            },
        }
    )


def batch_reserve(call: Call) -> Response:
    """`PUT scheduled-jobs/batch-reserve`: reserves jobs, or extends own reservations.

    Returns the ids of reserved and other jobs.
    """
    fields = Fields.of(call.request)
    ids = fields.texts("job_uuids", max_entries=MAX_IDS)
    seconds = fields.integer(
        "reservation_expiry_seconds",
        default=DEFAULT_RESERVATION_SECONDS,
        low=1,
        high=MAX_RESERVATION_SECONDS,
    )
    key = call.parameters["key"]
    until = call.now + timedelta(seconds=seconds)
    given = auth.agent_token(call)
    reserved, not_reserved = [], []
    for job_id in ids:
        job = call.store.jobs.get(job_id)
        if job is None or not jobs.may_reserve(job, key) or not given.serves(job.step.queue):
            not_reserved.append(job_id)
            continue
        call.store.put_job(jobs.reserve(job, key, until, call.now), call.now)
        reserved.append(job_id)
    return json_response({"reserved": reserved, "not_reserved": not_reserved})


def issue_acquisition_tokens(call: Call) -> Response:
    """`POST job-acquisition-tokens`: tokens for jobs that this stack has reserved, and no others.

    A token expires at the latest with the present end of the reservation. No source says if a later
    extension prolongs the token; the emulator does not.
    """
    fields = Fields.of(call.request)
    ids = fields.texts("job_uuids", max_entries=MAX_IDS)
    life = fields.integer(
        "token_lifetime_seconds", default=DEFAULT_TOKEN_SECONDS, low=1, high=MAX_TOKEN_SECONDS
    )
    key = call.parameters["key"]
    issued, not_issued = [], []
    for job_id in ids:
        job = call.store.jobs.get(job_id)
        held = job is not None and job.state is JobState.RESERVED and jobs.may_reserve(job, key)
        if job is None or job.reservation is None or not held:
            not_issued.append(job_id)
            continue
        expires = min(call.now + timedelta(seconds=life), job.reservation.until)
        value = mint(TokenKind.ACQUISITION)
        call.store.acquisition_tokens[value] = AcquisitionToken(
            job_id, key, auth.token(call), expires
        )
        issued.append(
            {"job_uuid": job_id, "job_acquisition_token": value, "expires_at": iso(expires)}
        )
    return json_response({"job_acquisition_tokens": issued, "not_issued": not_issued}, 201)


def show_job(call: Call) -> Response:
    """`GET jobs/:id`: environment and command.

    Agent variables are omitted, because the job has no agent yet.
    """
    job = _job(call)
    build = call.store.builds[job.build_id]
    env = environment.of_job(call.store.settings, build, job, None)
    return json_response({"id": job.id, "env": env, "command": job.step.command})


def get_states(call: Call) -> Response:
    """`POST jobs/get-states`: unknown ids are omitted, as in agent-stack-k8s's own fake."""
    ids = Fields.of(call.request).texts("job_uuids", max_entries=MAX_IDS)
    known = {job_id: call.store.jobs[job_id] for job_id in ids if job_id in call.store.jobs}
    return json_response({"states": {job_id: str(job.state) for job_id, job in known.items()}})


def finish(call: Call) -> Response:
    """`POST jobs/:id/finish`: ends the job, once; exit status 0 is a success."""
    fields = Fields.of(call.request)
    detail = fields.text("detail", max_bytes=MAX_DETAIL_BYTES)
    status = fields.integer("exit_status", default=jobs.LOST_EXIT_STATUS, low=-1, high=255)
    job = _job(call)
    ended = jobs.finish_by_stack(job, call.parameters["key"], status, detail, call.now)
    builds.conclude(call.store, ended, call.now)
    return json_response({})


def create_notifications(call: Call) -> Response:
    """`POST notifications`: stores the valid ones; returns the positions of the others by error."""
    entries = Fields.of(call.request).raw("notifications")
    if not isinstance(entries, list):
        raise bad_request("notifications must be an array")
    if len(entries) > MAX_IDS:
        raise unprocessable(f"notifications has more than {MAX_IDS} entries")
    errors: defaultdict[str, list[int]] = defaultdict(list)
    for index, entry in enumerate(entries):
        try:
            _notify(call, entry)
        except RefusedError as refusal:
            errors[refusal.message].append(index)
    return json_response(
        {"errors": [{"error": error, "indexes": indexes} for error, indexes in errors.items()]}
    )


def _notify(call: Call, entry: object) -> None:
    if not isinstance(entry, dict):
        raise bad_request("notification must be an object")
    fields = Fields(entry)
    job = call.store.jobs.get(fields.text("job_uuid"))
    detail = fields.text("detail")
    if job is None:
        raise not_found("job")
    if len(detail) > MAX_NOTICE_CHARACTERS:
        raise unprocessable(f"detail is too long (maximum is {MAX_NOTICE_CHARACTERS} characters)")
    at = parse(fields.text("timestamp")) if fields.has("timestamp") else call.now
    if at is None:
        raise unprocessable("timestamp is invalid")
    if not job.timeline.created <= at <= call.now:
        raise unprocessable("timestamp cannot be in the future or before the job was created")
    ended = job.timeline.finished
    if job.state in ENDED and ended is not None and ended + NOTICES_END_AFTER < call.now:
        raise unprocessable("job finished too long ago")
    if len(job.notices) >= jobs.NOTICES_PER_JOB:
        raise unprocessable("job stack notification count exceeded")
    call.store.put_job(jobs.notify(job, Notice(at, detail)), call.now)


def _job(call: Call) -> Job:
    job = call.store.jobs.get(call.parameters["id"])
    if job is None:
        raise not_found("job")
    return job


def _listed(call: Call, job: Job) -> Mapping[str, Any]:
    build = call.store.builds[job.build_id]
    return {
        "id": job.id,
        "priority": job.step.priority,
        "agent_query_rules": list(job.step.agents),
        "scheduled_at": iso(job.timeline.created),
        "pipeline": {"slug": build.pipeline.slug, "uuid": build.pipeline.id},
        "build": {"number": build.number, "branch": build.branch, "uuid": build.id},
        "step": {"key": job.step.key},
    }


def _position(job: Job) -> tuple[datetime, int]:
    # Buildkite lists by `scheduled_at`: the job's creation, not the end of its dependencies
    # (buildkite/docs pages/pipelines/configure/defining_steps.md, "Job timestamps").
    return job.timeline.created, job.serial


def _limit(given: str | None) -> int:
    if given is None:
        return MAX_IDS
    if not given.isdigit() or not 1 <= int(given) <= MAX_IDS:
        raise bad_request(f"limit must be a positive integer, at most {MAX_IDS}")
    return int(given)


def _cursor(job: Job) -> str:
    text = f"{job.timeline.created.isoformat()} {job.serial}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def _after(cursor: str | None) -> tuple[datetime, int] | None:
    if not cursor:
        return None
    try:
        at, _, serial = base64.urlsafe_b64decode(cursor).decode().partition(" ")
        return datetime.fromisoformat(at), int(serial)
    except ValueError:
        raise bad_request("after is not a cursor") from None

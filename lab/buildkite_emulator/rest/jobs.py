"""REST API: jobs (buildkite/docs pages/apis/rest_api/jobs.md).

One call is not in Buildkite's REST API: its web pages and GraphQL (`jobTypeCommandCancel`) alone
can cancel a single job.
"""

from __future__ import annotations

from dataclasses import replace

from buildkite_emulator import builds
from buildkite_emulator.builds import BuildRequest
from buildkite_emulator.builds.blocks import Approval
from buildkite_emulator.jobs import environment
from buildkite_emulator.jobs.states import JobState
from buildkite_emulator.serving.fields import Fields
from buildkite_emulator.serving.http import Response, json_response
from buildkite_emulator.serving.refusals import RefusedError, bad_request, unprocessable
from buildkite_emulator.serving.routing import Call

from . import access
from .pages import MAX_PER_PAGE, PER_PAGE
from .shapes import all_jobs, block_shape, job_shape

_SHOWN_STATES = {str(state) for state in JobState} - {"finished", "reserved"} | {
    *("passed", "failed", "pending", "unblocked", "unblocked_failed")
}


def list_of_build(call: Call) -> Response:
    """`GET …/builds/:number/jobs`: one page; its cursor is the id of the job before it."""
    build = access.build(call, "read_builds")
    query = call.request.query
    with_retried = query.get("include_retried_jobs") != "false"
    wanted = query.get("state[]") or query.get("state")
    size = query.get("per_page", str(PER_PAGE))
    if wanted not in {None, *_SHOWN_STATES}:
        raise bad_request(f"{wanted} is not a state of jobs")
    if not size.isdigit() or not 1 <= int(size) <= MAX_PER_PAGE:
        raise bad_request(f"per_page must be a number from 1 to {MAX_PER_PAGE}")
    shown = [
        job
        for job in all_jobs(call.store, build, with_retried=with_retried)
        if wanted in {None, job["state"]}
    ]
    ids = [job["id"] for job in shown]
    after = query.get("after")
    if after is not None and after not in ids:
        raise bad_request("after is not a cursor")
    first = 0 if after is None else ids.index(after) + 1
    page = shown[first : first + int(size)]
    url = f"{access.organization_url(call)}{call.request.path.partition(_slash(call))[2]}"
    links = {"self": url}
    if first + int(size) < len(shown):
        links["next"] = f"{url}?after={page[-1]['id']}&per_page={size}"
    return json_response({"items": page, "links": links})


def show(call: Call) -> Response:
    """`GET …/jobs/:id`."""
    found = access.block(call, "read_builds")
    if found:
        return json_response(block_shape(call.store, *found))
    return json_response(job_shape(call.store, access.job(call, "read_builds")))


def show_env(call: Call) -> Response:
    """`GET …/jobs/:id/env`: JSON, or lines for `text/plain` and `.txt`."""
    job = access.job(call, "read_job_env")
    build, agent = call.store.builds[job.build_id], call.store.agent_of(job)
    env = environment.of_job(call.store.settings, build, job, agent)
    if _is_plain(call):
        lines = "".join(f"{name}={value}\n" for name, value in env.items())
        return Response(body=lines.encode(), content_type="text/plain; charset=utf-8")
    return json_response({"env": env})


def cancel(call: Call) -> Response:
    """`PUT …/jobs/:id/cancel`: the cancelled job."""
    job = access.job(call, "write_builds")
    return json_response(job_shape(call.store, builds.cancel_job(call.store, job, call.now)))


def retry(call: Call) -> Response:
    """`PUT …/jobs/:id/retry`: the new job."""
    if access.block(call, "write_builds"):
        raise bad_request("Only failed, timed out or canceled jobs can be retried")
    job = access.job(call, "write_builds")
    return json_response(job_shape(call.store, builds.retry_by_hand(call.store, job, call.now)))


def reprioritize(call: Call) -> Response:
    """`PUT …/jobs/:id/reprioritize`: the job with its new priority."""
    job = access.job(call, "write_builds")
    priority = Fields.of(call.request).raw("priority")
    if isinstance(priority, bool) or not isinstance(priority, int):
        raise bad_request("Priority must be an integer")
    changed = replace(job, step=replace(job.step, priority=priority))
    return json_response(job_shape(call.store, call.store.put_job(changed, call.now)))


def unblock(call: Call) -> Response:
    """`PUT …/jobs/:id/unblock`: unblocks a block or input step with the answers to its fields."""
    found = access.block(call, "write_builds")
    if found is None:
        access.job(call, "write_builds")
        raise bad_request("This job type cannot be unblocked")
    fields = Fields.of(call.request)
    if fields.has("unblocker"):
        raise unprocessable("Unblocker is not a valid user id for this organization")
    given = fields.raw("fields") or {}
    if not isinstance(given, dict):
        raise bad_request("fields must be an object")
    build, step = found
    approval = Approval(BuildRequest().creator, given)
    build = builds.unblock(call.store, build, step, approval, call.now)
    return json_response(block_shape(call.store, build, step))


def show_log(call: Call) -> Response:
    """`GET …/jobs/:id/log`: JSON, or bytes for `text/plain` and `.txt`, whole or a suffix range."""
    job = access.job(call, "read_build_logs")
    content = call.store.logs[job.id].content()
    asked = call.request.headers.get("range")
    if _is_plain(call):
        return _plain_log(content, asked)
    if asked is not None:
        raise bad_request("Range requests need Accept: text/plain")
    return json_response(
        {
            "url": f"{access.organization_url(call)}/jobs/{job.id}/log",
            "content": content.decode("utf-8", errors="replace"),
            "size": len(content),
            "header_times": list(call.store.logs[job.id].header_times.values()),
        }
    )


def _plain_log(content: bytes, asked: str | None) -> Response:
    kind = "text/plain; charset=utf-8"
    if asked is None:
        return Response(body=content, headers={"Accept-Ranges": "bytes"}, content_type=kind)
    count = asked.removeprefix("bytes=-")
    if count == asked or not count.isdigit() or int(count) == 0:
        raise bad_request("Only suffix ranges (bytes=-N) are supported")
    if not content:
        raise RefusedError(416, "The job log is empty")
    first = max(0, len(content) - int(count))
    span = f"bytes {first}-{len(content) - 1}/{len(content)}"
    headers = {"Accept-Ranges": "bytes", "Content-Range": span}
    return Response(206, content[first:], headers, kind)


def _is_plain(call: Call) -> bool:
    accepted = call.request.headers.get("accept", "")
    return "text/plain" in accepted or call.request.path.endswith(".txt")


def _slash(call: Call) -> str:
    return f"/v2/organizations/{call.store.settings.organization}"

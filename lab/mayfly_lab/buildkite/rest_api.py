"""REST API: creating, reading, cancelling and retrying builds and jobs.

Source: buildkite/docs pages/apis/rest_api/{builds,jobs}.md. Cancelling a single job is the one call
that Buildkite offers in its web pages and GraphQL only (`jobTypeCommandCancel`).
"""

from __future__ import annotations

from . import auth, builds
from .builds import BuildRequest, blocks
from .builds.blocks import Approval
from .fields import Fields
from .http import Response, json_response
from .records import Build, Job, Person, PullRequest
from .refusals import RefusedError, bad_request, not_found, unprocessable
from .rest_shapes import block_shape, build_shape, job_shape
from .routing import Call
from .yaml_source import PipelineError


def create_build(call: Call) -> Response:
    """`POST …/pipelines/:pipeline/builds`: 201 with the build."""
    auth.user(call)
    _check_organization(call)
    pipeline = call.store.pipelines.get(call.parameters["pipeline"])
    if pipeline is None:
        raise not_found("pipeline")
    request = _build_request(Fields.of(call.request))
    try:
        build = builds.create(call.store, pipeline, request, call.now)
    except PipelineError as error:
        raise RefusedError(422, str(error)) from None
    return json_response(build_shape(call.store, build, with_retried=False), 201)


def list_builds(call: Call) -> Response:
    """`GET …/pipelines/:pipeline/builds`: newest first."""
    auth.user(call)
    _check_organization(call)
    slug = call.parameters["pipeline"]
    found = [build for build in call.store.builds.values() if build.pipeline.slug == slug]
    shapes = [build_shape(call.store, build, with_retried=False) for build in reversed(found)]
    return json_response(shapes)


def show_build(call: Call) -> Response:
    """`GET …/builds/:number`."""
    build = _build(call)
    with_retried = call.request.query.get("include_retried_jobs") == "true"
    return json_response(build_shape(call.store, build, with_retried=with_retried))


def cancel_build(call: Call) -> Response:
    """`PUT …/builds/:number/cancel`."""
    build = builds.cancel(call.store, _build(call), call.now)
    return json_response(build_shape(call.store, build, with_retried=False))


def list_jobs(call: Call) -> Response:
    """`GET …/builds/:number/jobs`, all of them on one page."""
    build = _build(call)
    with_retried = call.request.query.get("include_retried_jobs") != "false"
    shown = [j for j in call.store.jobs_of(build) if with_retried or j.retried_in is None]
    return json_response({"items": [job_shape(call.store, job) for job in shown], "links": {}})


def show_job(call: Call) -> Response:
    """`GET …/jobs/:id`."""
    return json_response(job_shape(call.store, _job(call)))


def cancel_job(call: Call) -> Response:
    """`PUT …/jobs/:id/cancel`."""
    job = builds.cancel_job(call.store, _job(call), call.now)
    return json_response(job_shape(call.store, job))


def retry_job(call: Call) -> Response:
    """`PUT …/jobs/:id/retry`: answers with the new job."""
    job = builds.retry_by_hand(call.store, _job(call), call.now)
    return json_response(job_shape(call.store, job))


def unblock_job(call: Call) -> Response:
    """`PUT …/jobs/:id/unblock`: lets a block or input step go, with the answers to its fields."""
    auth.user(call)
    _check_organization(call)
    job_id = call.parameters["id"]
    found = blocks.find(call.store, job_id)
    if found is None:
        _job(call)
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
    """`GET …/jobs/:id/log`: JSON, or the raw bytes for `text/plain` and `.txt`."""
    job = _job(call)
    log = call.store.logs[job.id]
    plain = "text/plain" in call.request.headers.get("accept", "")
    if plain or call.request.path.endswith(".txt"):
        return Response(body=log.content(), content_type="text/plain; charset=utf-8")
    return json_response(
        {
            "content": log.content().decode("utf-8", errors="replace"),
            "size": len(log.content()),
            "header_times": list(log.header_times.values()),
        }
    )


def _build_request(fields: Fields) -> BuildRequest:
    author = fields.raw("author")
    person = Fields(author) if isinstance(author, dict) else None
    env = fields.raw("env") or {}
    if not isinstance(env, dict):
        raise bad_request("env must be an object")
    return BuildRequest(
        commit=fields.text("commit"),
        branch=fields.text("branch"),
        message=fields.text("message", default=""),
        source="api",
        creator=Person(person.text("name", default=""), person.text("email", default=""))
        if person
        else BuildRequest().creator,
        env={str(name): str(value) for name, value in env.items()},
        pull_request=_pull_request(fields),
    )


def _pull_request(fields: Fields) -> PullRequest | None:
    if not fields.has("pull_request_id"):
        return None
    return PullRequest(
        number=fields.integer("pull_request_id", default=0, low=1, high=2**31),
        repository=fields.text("pull_request_repository", default=""),
        base_branch=fields.text("pull_request_base_branch", default=""),
    )


def _build(call: Call) -> Build:
    auth.user(call)
    _check_organization(call)
    number = call.parameters["number"]
    slug = call.parameters["pipeline"]
    build = call.store.build_by_number(slug, int(number)) if number.isdigit() else None
    if build is None:
        raise not_found("build")
    return build


def _job(call: Call) -> Job:
    auth.user(call)
    _check_organization(call)
    job = call.store.jobs.get(call.parameters["id"])
    if job is None:
        raise not_found("job")
    return job


def _check_organization(call: Call) -> None:
    if call.parameters["organization"] != call.store.settings.organization:
        raise not_found("organization")

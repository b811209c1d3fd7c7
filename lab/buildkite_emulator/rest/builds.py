"""REST API: builds (buildkite/docs pages/apis/rest_api/builds.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from buildkite_emulator import builds
from buildkite_emulator.builds import BuildRequest
from buildkite_emulator.jobs.jobs import outcome
from buildkite_emulator.memory.records import Build, Person, PullRequest
from buildkite_emulator.pipelines.sections import PipelineError, scalar_text
from buildkite_emulator.serving.fields import Fields
from buildkite_emulator.serving.http import Response, json_response
from buildkite_emulator.serving.refusals import RefusedError, bad_request
from buildkite_emulator.serving.routing import Call
from buildkite_emulator.serving.wire_time import parse

from . import access, pages
from .shapes import build_shape

_FINISHED = {"passed", "failed", "blocked", "canceled"}
_STATES = {
    *("creating", "scheduled", "running", "passed", "failing", "failed", "blocked", "canceling"),
    *("canceled", "skipped", "not_run", "finished"),
}
_RETRYABLE = ("canceled", "expired", "failed", "soft_failed", "timed_out")


def create(call: Call) -> Response:
    """`POST …/pipelines/:pipeline/builds`: 201 with the build."""
    pipeline = access.pipeline(call, "write_builds")
    request = _request(Fields.of(call.request))
    try:
        build = builds.create(call.store, pipeline, request, call.now)
    except PipelineError as error:
        raise RefusedError(422, str(error)) from None
    return _build_response(call, build, 201)


def list_of_pipeline(call: Call) -> Response:
    """`GET …/pipelines/:pipeline/builds`: one page, newest first."""
    slug = access.pipeline(call, "read_builds").slug
    return _page_response(call, (b for b in call.store.builds.values() if b.pipeline.slug == slug))


def list_of_organization(call: Call) -> Response:
    """`GET …/builds`: one page, newest first."""
    access.enter(call, "read_builds")
    return _page_response(call, call.store.builds.values())


def show(call: Call) -> Response:
    """`GET …/builds/:number`."""
    return _build_response(call, access.build(call, "read_builds"))


def cancel(call: Call) -> Response:
    """`PUT …/builds/:number/cancel`: the cancelled build."""
    build = access.build(call, "write_builds")
    return _build_response(call, builds.cancel(call.store, build, call.now))


def rebuild(call: Call) -> Response:
    """`PUT …/builds/:number/rebuild`: the new build."""
    build = access.build(call, "write_builds")
    try:
        return _build_response(call, builds.rebuild(call.store, build, call.now))
    except PipelineError as error:
        raise RefusedError(422, str(error)) from None


def retry_failed_jobs(call: Call) -> Response:
    """`PUT …/builds/:number/retry_failed_jobs`: 202; jobs that may not be retried are skipped."""
    build = access.build(call, "write_builds")
    given = Fields.of(call.request).text("states", default="")
    wanted = [word.strip() for word in given.split(",")] if given else list(_RETRYABLE)
    wrong = [word for word in wanted if word not in _RETRYABLE]
    if wrong:
        valid = ", ".join(_RETRYABLE)
        raise bad_request(f"Invalid states: {', '.join(wrong)}. Valid states are {valid}.")
    retried = 0
    for job in list(call.store.jobs_of(build)):
        if job.retried_in is None and outcome(job) in wanted and job.step.manual_retry.allowed:
            builds.retry_by_hand(call.store, job, call.now)
            retried += 1
    shape = build_shape(call.store, call.store.builds[build.id], with_retried=False)
    return json_response({**shape, "retried_jobs_count": retried}, 202)


def _build_response(call: Call, build: Build, status: int = 200) -> Response:
    with_retried = call.request.query.get("include_retried_jobs") == "true"
    shape = build_shape(call.store, build, with_retried=with_retried)
    if call.request.query.get("exclude_jobs") == "true":
        shape = {name: value for name, value in shape.items() if name != "jobs"}
    return json_response(shape, status)


def _page_response(call: Call, every: Iterable[Build]) -> Response:
    chosen = [build for build in every if _is_wanted(call, build)]
    page, headers = pages.paged(call, chosen[::-1])
    with_retried = call.request.query.get("include_retried_jobs") == "true"
    shapes = [build_shape(call.store, build, with_retried=with_retried) for build in page]
    return pages.listed(shapes, headers)


def _is_wanted(call: Call, build: Build) -> bool:
    query = call.request.query
    state = query.get("state") or query.get("state[]")
    if state is not None:
        if state not in _STATES:
            raise bad_request(f"{state} is not a state of builds")
        own = builds.state(call.store, build)
        if own != state and not (state == "finished" and own in _FINISHED):
            return False
    meta_data = call.store.meta_data[build.id]
    for name, value in query.items():
        plain = name.removesuffix("[]")
        if plain in {"branch", "commit"} and getattr(build, plain) != value:
            return False
        key = name.removeprefix("meta_data[").removesuffix("]")
        if name == f"meta_data[{key}]" and meta_data.get(key) != value:
            return False
    return _is_in_time(query, build)


def _is_in_time(query: Mapping[str, str], build: Build) -> bool:
    begin, end = (parse(query.get(name, "")) for name in ("created_from", "created_to"))
    return not (begin and build.created_at < begin) and not (end and build.created_at >= end)


def _request(fields: Fields) -> BuildRequest:
    missing = [name for name in ("commit", "branch") if not fields.has(name)]
    if missing:
        # Buildkite's page shows `errors` with dots; the shape of the entries is assumed.
        errors = [{"field": name, "code": "missing"} for name in missing]
        raise RefusedError(422, "Validation Failed", fields={"errors": errors})
    author = fields.raw("author")
    person = Fields(author) if isinstance(author, dict) else None
    return BuildRequest(
        commit=fields.text("commit"),
        branch=fields.text("branch"),
        message=fields.text("message", default=""),
        source="api",
        author=Person(person.text("name", default=""), person.text("email", default=""))
        if person
        else None,
        env=_texts(fields, "env"),
        meta_data=_texts(fields, "meta_data"),
        pull_request=_pull_request(fields),
        clean_checkout=fields.flag("clean_checkout"),
        ignore_branch_pattern=fields.flag("ignore_pipeline_branch_filters"),
    )


def _texts(fields: Fields, name: str) -> dict[str, str]:
    given: Any = fields.raw(name) if fields.has(name) else {}
    if not isinstance(given, dict):
        raise bad_request(f"{name} must be an object")
    texts = {str(key): scalar_text(value) for key, value in given.items()}
    wrong = [key for key, text in texts.items() if text is None]
    if wrong:
        raise bad_request(f"{name}: the value of {wrong[0]} must be text")
    return {key: text or "" for key, text in texts.items()}


def _pull_request(fields: Fields) -> PullRequest | None:
    if not fields.has("pull_request_id"):
        return None
    has_labels = fields.has("pull_request_labels")
    return PullRequest(
        number=fields.integer("pull_request_id", default=0, low=1, high=2**31),
        repository=fields.text("pull_request_repository", default=""),
        base_branch=fields.text("pull_request_base_branch", default=""),
        labels=tuple(fields.texts("pull_request_labels", max_entries=100)) if has_labels else (),
    )

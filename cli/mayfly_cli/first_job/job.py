"""Creates a build of one job, follows it to its end, and deletes its pipeline on request."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from mayfly_cli.buildkite import Api, rest_api, token_from
from mayfly_cli.endpoints import API_TOKEN
from mayfly_cli.ends import WELL, WRONG, BrokenError, UsageError, before_any_change
from mayfly_cli.first_job.follower import Follower

PIPELINE = "mayfly-first-job"
_COMMANDS = ('echo "from an instance of my own: $(uname -a)"', "id")


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command."""

    queue: str
    organization: str | None
    """Slug; None if the token sees one organisation only."""
    pipeline: str | None
    """Slug of an existing pipeline; None for Mayfly's own."""
    branch: str
    repository: str
    """Clone URL for Mayfly's own pipeline."""
    remove: bool
    """Whether to delete a newly created pipeline after the build."""
    minutes: float
    """The time after which the build is cancelled."""
    api_endpoint: str


def tell(line: str) -> None:
    """Print one line of progress at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(options: Options) -> int:
    """Create the build and follow it. Returns the exit status: 0 if the build passed, else 1.

    Raises:
        UsageError: the token is missing or refused, or the pipeline, queue or organisation does not
            exist. Nothing was created.
        BrokenError: Buildkite does not answer, or the build did not end in time.
    """
    api = rest_api(options.api_endpoint, _token())
    slug = options.pipeline or PIPELINE
    with before_any_change():
        organization = options.organization or _organization(api)
        place = f"/organizations/{quote(organization, safe='')}"
        base = f"{place}/pipelines/{quote(slug, safe='')}"
        cluster = "" if options.pipeline else _cluster(api, place, options.queue)
        exists = _exists(api, base)
    if options.pipeline and not exists:
        raise UsageError(f"there is no pipeline {slug}; without --pipeline a new one is created")
    created = not exists
    if options.pipeline:
        tell(f"using the pipeline {slug}, with its own steps")
    else:
        _prepare_pipeline(api, place, base, _pipeline_body(options, cluster), created=created)
    try:
        return _run_build(api, base, options)
    finally:
        if created and options.remove:
            api.call("DELETE", base)
            tell(f"deleted the pipeline {slug}")
        elif created:
            tell(f"the pipeline {slug} stays; --remove deletes it after the build")


def _token() -> str:
    if token := token_from(API_TOKEN):
        return token
    if sys.stdin.isatty():
        return getpass.getpass("Buildkite API token: ").strip()
    raise UsageError(f"no API token: set {API_TOKEN} to a user's token (never an argument)")


def _organization(api: Api) -> str:
    found = [each["slug"] for each in _list(api, "/organizations")]
    if len(found) != 1:
        names = ", ".join(found) or "none"
        raise UsageError(
            f"the token sees {len(found)} organisations ({names}): give --organization"
        )
    return str(found[0])


def _exists(api: Api, base: str) -> bool:
    shown = api.call("GET", base)
    if shown.status != 404:
        _content(shown, "the pipeline")
    return shown.ok


def _pipeline_body(options: Options, cluster: str) -> dict[str, str]:
    """The body that creates or updates Mayfly's pipeline; each run may name another queue."""
    return {
        "cluster_id": cluster,
        "configuration": _steps(options.queue),
        "repository": options.repository,
    }


def _prepare_pipeline(
    api: Api, place: str, base: str, body: dict[str, str], *, created: bool
) -> None:
    if created:
        answer = api.call("POST", f"{place}/pipelines", {"name": PIPELINE, **body})
        _content(answer, "creating a pipeline")
        tell(f"created the pipeline {PIPELINE}, of {body['repository']}")
    else:
        _content(api.call("PATCH", base, body), "the pipeline")
        tell(f"using the pipeline {PIPELINE}, of {body['repository']}")


def _cluster(api: Api, place: str, queue: str) -> str:
    """The id of the one cluster that has the queue.

    Raises:
        UsageError: no cluster has it, or several have it.
    """
    clusters = list(_list(api, f"{place}/clusters"))
    found = [
        str(each["id"])
        for each in clusters
        if any(q["key"] == queue for q in _list(api, f"{place}/clusters/{each['id']}/queues"))
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"{len(found)} clusters have a queue {queue}: create a pipeline and give --pipeline"
        )
    raise UsageError(f"no cluster of the organisation has a queue {queue}")


def _run_build(api: Api, base: str, options: Options) -> int:
    body = {"commit": "HEAD", "branch": options.branch, "message": "A first job on Mayfly"}
    build = _content(api.call("POST", f"{base}/builds", body), "creating a build")
    number = int(build["number"])
    tell(f"build {number}: {build.get('web_url', '')}")
    follower = Follower(api, base, tell)
    try:
        outcome = follower.follow(number, options.minutes)
    except KeyboardInterrupt:
        follower.cancel(number)
        tell("the build is cancelled")
        raise
    if not outcome:
        follower.cancel(number)
        raise BrokenError(
            f"the build did not end within {options.minutes:g} minutes and is cancelled; see the"
            " logs of dispatch and provision (docs/operating.md, When something fails)"
        )
    verb = "has" if outcome in {"passed", "failed"} else "is"
    tell(f"the build {verb} {outcome}")
    return WELL if outcome == "passed" else WRONG


def _steps(queue: str) -> str:
    """The pipeline's steps as JSON, which is YAML too and needs no quoting rules."""
    step = {"label": "First job", "commands": list(_COMMANDS), "agents": {"queue": queue}}
    return json.dumps({"steps": [step]})


def _list(api: Api, path: str) -> Iterator[dict[str, Any]]:
    page = 1
    while True:
        answer = api.call("GET", f"{path}?per_page=100&page={page}")
        _content(answer, path.rpartition("/")[2])
        found = answer.content
        if not isinstance(found, list):
            raise BrokenError(f"{path}: Buildkite's answer is not a list")
        yield from found
        if len(found) < 100:
            return
        page += 1


def _content(answer: Any, what: str) -> Any:
    if answer.status in {401, 403}:
        raise UsageError(f"{what}: Buildkite refuses the token ({answer.message}): see --help")
    if not answer.ok:
        raise BrokenError(f"{what}: Buildkite answered {answer.message}")
    return answer.content

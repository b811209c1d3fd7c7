"""A build of one job: made, followed to its end, and taken away again where that is wanted."""

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
from mayfly_cli.ends import WELL, WRONG, BrokenError, UsageError, beginning
from mayfly_cli.first_job.following import Follower

PIPELINE = "mayfly-first-job"
_COMMANDS = ('echo "from an instance of my own: $(uname -a)"', "id")


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the build is to be."""

    queue: str
    organization: str | None
    """None where the token sees one organisation."""
    pipeline: str | None
    """None for Mayfly's own."""
    branch: str
    repository: str
    """Of a pipeline that is made."""
    remove: bool
    """Whether a pipeline that was made is taken away after the build."""
    minutes: float
    """After so long the build is cancelled."""
    api_endpoint: str


def tell(line: str) -> None:
    """One line of progress."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(chosen: Chosen) -> int:
    """Create the build and follow it; the exit status.

    Raises:
        UsageError: there is no token, or it is refused; pipeline, queue or organisation are not
            there. Nothing was made.
        BrokenError: Buildkite does not answer, or the build did not end in time.
    """
    api = rest_api(chosen.api_endpoint, _token())
    slug = chosen.pipeline or PIPELINE
    with beginning():
        organization = chosen.organization or _organization(api)
        place = f"/organizations/{quote(organization, safe='')}"
        base = f"{place}/pipelines/{quote(slug, safe='')}"
        cluster = "" if chosen.pipeline else _cluster(api, place, chosen.queue)
        exists = _exists(api, base)
    if chosen.pipeline and not exists:
        raise UsageError(f"there is no pipeline {slug}; without --pipeline one is made")
    made = not exists
    if chosen.pipeline:
        tell(f"using the pipeline {slug}, with its own steps")
    else:
        _make_ready(api, place, base, _own(chosen, cluster), made=made)
    try:
        return _build(api, base, chosen)
    finally:
        if made and chosen.remove:
            api.call("DELETE", base)
            tell(f"removed the pipeline {slug}")
        elif made:
            tell(f"the pipeline {slug} stays; --remove takes it away after the build")


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
        _checked(shown, "the pipeline")
    return shown.ok


def _own(chosen: Chosen, cluster: str) -> dict[str, str]:
    """The pipeline that is made. The queue, and so its cluster, may be another one each time."""
    return {
        "cluster_id": cluster,
        "configuration": _steps(chosen.queue),
        "repository": chosen.repository,
    }


def _make_ready(api: Api, place: str, base: str, body: dict[str, str], *, made: bool) -> None:
    if made:
        answer = api.call("POST", f"{place}/pipelines", {"name": PIPELINE, **body})
        _checked(answer, "making a pipeline")
        tell(f"made the pipeline {PIPELINE}, of {body['repository']}")
    else:
        _checked(api.call("PATCH", base, body), "the pipeline")
        tell(f"using the pipeline {PIPELINE}, of {body['repository']}")


def _cluster(api: Api, place: str, queue: str) -> str:
    """The cluster that has the queue."""
    clusters = list(_list(api, f"{place}/clusters"))
    found = [
        str(each["id"])
        for each in clusters
        if any(q["key"] == queue for q in _list(api, f"{place}/clusters/{each['id']}/queues"))
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{len(found)} clusters have a queue {queue}: make a pipeline, --pipeline")
    raise UsageError(f"no cluster of the organisation has a queue {queue}")


def _build(api: Api, base: str, chosen: Chosen) -> int:
    body = {"commit": "HEAD", "branch": chosen.branch, "message": "A first job on Mayfly"}
    build = _checked(api.call("POST", f"{base}/builds", body), "creating a build")
    number = int(build["number"])
    tell(f"build {number}: {build.get('web_url', '')}")
    follower = Follower(api, base, tell)
    try:
        outcome = follower.follow(number, chosen.minutes)
    except KeyboardInterrupt:
        follower.cancel(number)
        tell("the build is cancelled")
        raise
    if not outcome:
        follower.cancel(number)
        raise BrokenError(
            f"not ended after {chosen.minutes:g} minutes, and cancelled; see the logs of dispatch "
            "and provision (docs/operating.md, When something fails)"
        )
    tell(f"the build has {outcome}" if outcome in {"passed", "failed"} else f"it is {outcome}")
    return WELL if outcome == "passed" else WRONG


def _steps(queue: str) -> str:
    """The sample build; JSON is YAML, and needs no quoting of its own."""
    step = {"label": "First job", "commands": list(_COMMANDS), "agents": {"queue": queue}}
    return json.dumps({"steps": [step]})


def _list(api: Api, path: str) -> Iterator[dict[str, Any]]:
    page = 1
    while True:
        answer = api.call("GET", f"{path}?per_page=100&page={page}")
        _checked(answer, path.rpartition("/")[2])
        found = answer.content
        if not isinstance(found, list):
            raise BrokenError(f"{path}: Buildkite answered with something else than a list")
        yield from found
        if len(found) < 100:
            return
        page += 1


def _checked(answer: Any, what: str) -> Any:
    if answer.status in {401, 403}:
        raise UsageError(f"{what}: Buildkite refuses the token ({answer.message}): see --help")
    if not answer.ok:
        raise BrokenError(f"{what}: Buildkite answered {answer.message}")
    return answer.content

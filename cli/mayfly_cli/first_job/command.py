"""The command `first-job`."""

from __future__ import annotations

import argparse
import getpass
import json
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from mayfly_cli.buildkite import API_ENDPOINT, API_TOKEN, Api, rest_api, token_from
from mayfly_cli.ends import WELL, WRONG, BrokenError, UsageError, beginning, ended, parser
from mayfly_cli.first_job.following import Follower

NAME = "first-job"
PIPELINE = "mayfly-first-job"
_REPOSITORY = "https://github.com/buildkite/bash-example.git"
_MOST_MINUTES = 1440
_COMMANDS = ('echo "from an instance of my own: $(uname -a)"', "id")
_ABOUT = """\
Creates a build of one job for a queue and follows it to its end, with its log. It uses a pipeline
that is there, or makes one in the queue's cluster, which stays for the next time."""
_EPILOG = f"""\
  {API_TOKEN}=… scripts/first-job --queue default

The token is a user's, with the scopes read_builds, write_builds, read_build_logs, read_pipelines,
write_pipelines, read_clusters and read_organizations. It is read from the environment, or asked
for. A pipeline that is there is used as it is: its own steps run.
Exit status: 0 the build passed, 1 it did not, 2 it could not begin."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; returns the exit status."""
    return ended(NAME, _first_job, sys.argv[1:] if arguments is None else arguments)


def tell(line: str) -> None:
    """One line of progress."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _first_job(arguments: Sequence[str]) -> int:
    chosen = _parser().parse_args(arguments)
    if not re.fullmatch("[A-Za-z0-9_-]{1,100}", chosen.queue):
        raise UsageError(f"--queue {chosen.queue}: the key of a queue is letters, digits, - and _")
    if not 0 < chosen.minutes <= _MOST_MINUTES:
        raise UsageError(f"--minutes {chosen.minutes:g}: more than 0, at most {_MOST_MINUTES}")
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


def _own(chosen: argparse.Namespace, cluster: str) -> dict[str, str]:
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


def _build(api: Api, base: str, chosen: argparse.Namespace) -> int:
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


def _parser() -> argparse.ArgumentParser:
    made = parser(NAME, _ABOUT, _EPILOG)
    made.add_argument("--queue", metavar="KEY", required=True, help="the queue to run on")
    made.add_argument("--organization", metavar="SLUG", help="needed when the token sees several")
    made.add_argument("--pipeline", metavar="SLUG", help=f"use this one (default: {PIPELINE})")
    made.add_argument("--branch", default="main", help="branch to build (default: main)")
    made.add_argument(
        "--repository",
        metavar="URL",
        default=_REPOSITORY,
        help="repository of the pipeline that is made (default: a public example)",
    )
    made.add_argument("--remove", action="store_true", help="remove a pipeline that was made")
    made.add_argument("--minutes", type=float, default=15.0, help="give up after (default: 15)")
    made.add_argument(
        "--api-endpoint", metavar="URL", default=API_ENDPOINT, help="Buildkite's REST API"
    )
    return made

"""Names of the folders that a job's secrets lie in: of its repository, of its pipeline, of all.

The layout is that of the agent hook aws-paramstore-secrets (mikeknox/aws-paramstore-secrets-
buildkite-plugin): `<path>/global`, `<path>/<repository slug>` and `<path>/<pipeline slug>`.
"""

from __future__ import annotations

import re

GLOBAL = "global"
"""The folder of every job of the queue."""

_HOST = r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)"
_URL = re.compile(
    rf"(?:ssh|https|http|git)://(?:[^/@\s\\]*@)?{_HOST}(?::(?P<port>[0-9]{{1,5}}))?/(?P<path>.+)"
)
_SCP = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9._-]*@{_HOST}:/?(?P<path>.+)")
_SEGMENT = re.compile(r"[A-Za-z0-9._~-]+")
# Buildkite's REST reference, "Create a YAML pipeline": letters, digits and dashes, no dash first.
_PIPELINE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")


def repository_slug(url: str) -> str | None:
    """The folder of a repository, `host[-port]_owner_name`, from its clone URL; else None.

    `/` and `~` become `_`; upper case and `.git` stay. The parse is anchored. None for whatever
    could name another repository than git fetches: a URL inside a URL, empty and dotted parts, an
    scp form whose path begins with a number alone (the layout's first implementation took the
    number as a port), and characters that names of SSM parameters cannot have.

    A repository slug has a `_`, and a pipeline slug has none, so that no pipeline gets a
    repository's folder by its name.
    """
    found = _URL.fullmatch(url) or _SCP.fullmatch(url)
    if found is None:
        return None
    segments = found["path"].removesuffix("/").split("/")
    if not all(_SEGMENT.fullmatch(each) and each.strip(".") for each in segments):
        return None
    port = found.groupdict().get("port")
    if found.re is _SCP and segments[0].isdigit():
        return None
    path = "_".join(segments).replace("~", "_")
    return f"{found['host']}{f'-{port}' if port else ''}_{path}"


def pipeline_slug(slug: str) -> str | None:
    """The folder of a pipeline, its slug; None for a text that is no slug, and for `global`.

    A pipeline with that name must not get what its owners lay down for itself into every job.
    """
    return slug if _PIPELINE.fullmatch(slug) and slug != GLOBAL else None


def folders(pipeline: str, repository: str) -> tuple[str, ...]:
    """The folders of a job, those with less weight first: global, of repository, of pipeline.

    A folder that cannot be named is omitted. `repository` is the clone URL.
    """
    named = (GLOBAL, repository_slug(repository), pipeline_slug(pipeline))
    return tuple(each for each in named if each is not None)

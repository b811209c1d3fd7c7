"""Reads the agent's releases and their published sums from GitHub's API.

Source of the age that Buildkite supports: buildkite.com/docs/agent/version-support-policy, in force
from 2027-01-01: each minor line for one year from its first stable release.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import requests

from mayfly_cli.findings import Unknown
from mayfly_protocol.moments import read_moment

_YEAR = timedelta(days=365)
_PAGES = 10
_SUM = re.compile(r"(?P<sum>[0-9a-f]{64})[ *]+(?:\./)?(?P<file>\S+)")
_ARCHITECTURES = ("amd64", "arm64")
_TAG = re.compile(r"v(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Release:
    """A stable release of the agent."""

    version: str
    published: datetime
    sums_url: str = ""
    """Address of the published SHA-256 sums; empty if the release has none."""


def supported_until(line: Release) -> datetime:
    """The end of Buildkite's support for the minor line whose first release this is."""
    return line.published + _YEAR


def line_of(releases: str, version: str) -> Release | Unknown | None:
    """The first stable release of the version's minor line; None if there is no such release."""
    major, minor, _ = version.split(".")
    return _tagged(releases, f"{major}.{minor}.0")


def newest(releases: str, beginning: str) -> Release | Unknown | None:
    """The highest stable version that begins with these numbers; None if there is none.

    A whole version is looked up by its tag. The list has the newest releases first, of all lines;
    the pages that are read hold 1,000 releases.
    """
    if beginning.count(".") == 2:
        return _tagged(releases, beginning)
    matching: list[Release] = []
    for page in range(1, _PAGES + 1):
        shown = _get(f"{releases}?per_page=100&page={page}")
        if isinstance(shown, Unknown):
            return shown
        if not isinstance(shown, list):
            return Unknown(f"{releases} answered no list")
        every = [_release(each) for each in shown if isinstance(each, dict)]
        matching += [
            each
            for each in every
            if isinstance(each, Release) and f"{each.version}.".startswith(f"{beginning}.")
        ]
        # A higher version is never published before a lower one of the same line.
        if matching or len(shown) < 100:
            break
    return max(matching, key=lambda each: _numbers(each.version), default=None)


def sums(release: Release) -> tuple[str, str] | Unknown:
    """The published SHA-256 of the Linux archives for amd64 and arm64."""
    if not release.sums_url:
        return Unknown(f"the release {release.version} has no file of SHA-256 sums")
    answer = _answer(release.sums_url)
    if isinstance(answer, Unknown):
        return answer
    if not answer.ok:
        return Unknown(f"{release.sums_url} answered {answer.status_code}")
    lines = (_SUM.fullmatch(line.strip()) for line in answer.text.splitlines())
    by_file = {line["file"]: line["sum"] for line in lines if line is not None}
    names = [f"buildkite-agent-linux-{each}-{release.version}.tar.gz" for each in _ARCHITECTURES]
    missing = [name for name in names if name not in by_file]
    if missing:
        return Unknown(f"{release.sums_url} has no sum of {missing[0]}")
    return by_file[names[0]], by_file[names[1]]


def _tagged(releases: str, version: str) -> Release | Unknown | None:
    url = f"{releases}/tags/v{version}"
    found = _get(url)
    if found is None or isinstance(found, Unknown):
        return found
    return _release(found) if isinstance(found, dict) else Unknown(f"{url} answered no release")


def _release(shown: dict[str, Any]) -> Release | Unknown | None:
    """The release of an answer; None for a draft, a pre-release, or another kind of version."""
    tag = _TAG.fullmatch(str(shown.get("tag_name")))
    if tag is None or shown.get("draft") or shown.get("prerelease"):
        return None
    version = ".".join(tag.groups())
    try:
        published = read_moment(shown.get("published_at"))
    except (TypeError, ValueError):
        return Unknown(f"the release {version} has no date")
    wanted = f"buildkite-agent-{version}.SHA256SUMS"
    assets = [each for each in shown.get("assets") or [] if isinstance(each, dict)]
    urls = [str(each.get("browser_download_url")) for each in assets if each.get("name") == wanted]
    return Release(version, published, urls[0] if urls else "")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def _get(url: str) -> Any:
    """The JSON of an answer, None for 404, or Unknown."""
    answer = _answer(url)
    if isinstance(answer, Unknown):
        return answer
    if answer.status_code == 404:
        return None
    if not answer.ok:
        return Unknown(f"{url} answered {answer.status_code}")
    try:
        found = answer.json()
    except ValueError:
        return Unknown(f"{url} answered no JSON")
    return found if found is not None else Unknown(f"{url} answered null")


def _answer(url: str) -> requests.Response | Unknown:
    try:
        return requests.get(url, timeout=(5, 30))
    except requests.RequestException as error:
        return Unknown(f"{url} cannot be reached from here: {type(error).__name__}")

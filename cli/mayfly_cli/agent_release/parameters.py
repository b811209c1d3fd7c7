"""Prints the parameters that pin a release of the agent."""

from __future__ import annotations

import sys

from mayfly_cli.agent_releases import Release, line_of, newest, sums, supported_until
from mayfly_cli.ends import WELL, BrokenError
from mayfly_cli.findings import Unknown

_BY_HAND = (
    "try again later or from another network, or form AgentRelease=VERSION,SUM-AMD64,SUM-ARM64"
    " from the release's file of SHA-256 sums, at https://github.com/buildkite/agent/releases"
)


def run(version: str, releases: str) -> int:
    """Print the parameters for the newest release that begins with `version`.

    Returns the exit status.

    Raises:
        BrokenError: there is no release, or the release or its sums cannot be read.
    """
    found = newest(releases, version)
    if found is None:
        raise BrokenError(f"no stable release of buildkite-agent begins with {version}")
    if isinstance(found, Unknown):
        raise BrokenError(f"{found.reason}; {_BY_HAND}")
    digests = sums(found)
    if isinstance(digests, Unknown):
        raise BrokenError(f"{digests.reason}; {_BY_HAND}")
    sys.stdout.write(_text(found, digests, line_of(releases, found.version)))
    return WELL


def _text(found: Release, digests: tuple[str, str], line: Release | Unknown | None) -> str:
    about = f"# buildkite-agent {found.version}, published {found.published:%Y-%m-%d}"
    if isinstance(line, Release):
        about += f", supported until {supported_until(line):%Y-%m-%d}"
    amd64, arm64 = digests
    return (
        f"{about}\n"
        "# for template.yaml:\n"
        f"AgentRelease={found.version},{amd64},{arm64}\n"
        "# for stacks/queue.yaml:\n"
        f"AgentVersion={found.version} AgentSha256Amd64={amd64} AgentSha256Arm64={arm64}\n"
    )

"""Addresses of Buildkite and of the agent's releases; variables that hold Buildkite's tokens."""

from __future__ import annotations

from urllib.parse import urlsplit

from mayfly_cli.ends import UsageError

AGENT_ENDPOINT = "https://agent.buildkite.com/v3"
API_ENDPOINT = "https://api.buildkite.com/v2"
PROVIDER_API = "https://git.example.org/api/v4"
AGENT_RELEASES = "https://api.github.com/repos/buildkite/agent/releases"
API_TOKEN = "BUILDKITE_API_TOKEN"  # noqa: S105 - the name of a variable
AGENT_TOKEN = "BUILDKITE_AGENT_TOKEN"  # noqa: S105 - the name of a variable
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def checked_address(address: str, example: str) -> str:
    """The address without a trailing slash.

    Raises:
        UsageError: the address is neither https nor http on loopback, so a token could leak.
    """
    try:
        url = urlsplit(address)
        local = url.scheme == "http" and url.hostname in _LOOPBACK
        usable = bool(url.hostname) and (url.scheme == "https" or local) and url.port != 0
    except ValueError:  # an unclosed bracket, or a port that is not a number
        usable = False
    if not usable:
        raise UsageError(f"{address!r} is not an https address, as {example}")
    return address.rstrip("/")

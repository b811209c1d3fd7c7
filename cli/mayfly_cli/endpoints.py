"""Where Buildkite's two APIs are, and the variables that hold their tokens."""

from __future__ import annotations

from urllib.parse import urlsplit

from mayfly_cli.ends import UsageError

AGENT_ENDPOINT = "https://agent.buildkite.com/v3"
API_ENDPOINT = "https://api.buildkite.com/v2"
API_TOKEN = "BUILDKITE_API_TOKEN"  # noqa: S105 - the name of a variable
AGENT_TOKEN = "BUILDKITE_AGENT_TOKEN"  # noqa: S105 - the name of a variable
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def checked_address(address: str, example: str) -> str:
    """The address without a slash at its end.

    Raises:
        UsageError: a token would not be safe there.
    """
    try:
        url = urlsplit(address)
        local = url.scheme == "http" and url.hostname in _LOOPBACK
        usable = bool(url.hostname) and (url.scheme == "https" or local) and url.port != 0
    except ValueError:  # brackets that do not close, a port that is no number
        usable = False
    if not usable:
        raise UsageError(f"{address!r} is not an https address, as {example}")
    return address.rstrip("/")

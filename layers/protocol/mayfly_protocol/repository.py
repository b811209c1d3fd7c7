"""Clone URLs of repositories: whether two of them mean the same one."""

from __future__ import annotations

import re

_HOST = r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)"
_URL = re.compile(
    rf"(?P<scheme>ssh|https|http|git)://(?:[^/@\s\\]*@)?{_HOST}(?::(?P<port>[0-9]{{1,5}}))?/(?P<path>.+)"
)
_SCP = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9._-]*@{_HOST}:/?(?P<path>.+)")
_SEGMENT = re.compile(r"[A-Za-z0-9._~+-]+")
_DEFAULT_PORTS = {"ssh": "22", "https": "443", "http": "80", "git": "9418"}


def canonical_repository(url: str) -> str | None:
    """`host/path` of a clone URL, with the port where it is unusual; None for any other text.

    How one logs in and by which protocol is left out, as are `.git` and a slash at the end. The
    parse is anchored: a URL that holds another (`https://evil.example/x@github.com/a/b`) is
    refused, as is whatever git might read in another way than we do.
    """
    found = _URL.fullmatch(url) or _SCP.fullmatch(url)
    if found is None:
        return None
    parts = found.groupdict()
    segments = parts["path"].removesuffix("/").removesuffix(".git").split("/")
    if not all(_SEGMENT.fullmatch(each) and each.strip(".") for each in segments):
        return None
    port = parts.get("port")
    unusual = port is not None and port != _DEFAULT_PORTS[parts["scheme"]]
    return f"{parts['host'].lower()}{f':{port}' if unusual else ''}/{'/'.join(segments)}"


def same_repository(one: str, other: str) -> bool:
    """Whether two clone URLs mean the same repository; a text that is no clone URL means none."""
    canonical = canonical_repository(one)
    return canonical is not None and canonical == canonical_repository(other)


def owner_or_repository(value: str) -> str | None:
    """The canonical form of a repository, or of an owner with `/` at its end."""
    if not value.endswith("/*"):
        return canonical_repository(value)
    any_of_them = canonical_repository(f"{value[:-1]}x")
    return any_of_them and any_of_them[:-1]


def covers(value: str, url: str) -> bool:
    """Whether a rule's value, a repository or an owner (`…/*`), is for the repository at `url`."""
    wanted, actual = owner_or_repository(value), canonical_repository(url)
    if wanted is None or actual is None:
        return False
    owner, slash, _ = actual.rpartition("/")
    return wanted in {actual, owner + slash}

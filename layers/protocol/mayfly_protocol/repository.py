"""Clone URLs of repositories: canonical form and comparison."""

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
    """`host/path` of a clone URL, `host:port/path` for an unusual port; None for any other text.

    Omitted are login, protocol, `.git` and a slash at the end. The parse is anchored: a URL inside
    another (`https://evil.example/x@github.com/a/b`) gives None, as does any text that git might
    read differently.
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


def ssh_host(url: str) -> str:
    """The host from which git fetches this clone URL over ssh; empty for any other text."""
    found = _URL.fullmatch(url) or _SCP.fullmatch(url)
    if found is None or found.groupdict().get("scheme", "ssh") != "ssh":
        return ""
    return str(found["host"])


def same_repository(one: str, other: str) -> bool:
    """Whether two clone URLs name the same repository. False if either is not a clone URL."""
    canonical = canonical_repository(one)
    return canonical is not None and canonical == canonical_repository(other)


def owner_or_repository(value: str) -> str | None:
    """Canonical form of a rule's value: `host/owner/name`, or `host/owner/` for `…/owner/*`.

    None for a text that is neither.
    """
    if not value.endswith("/*"):
        return canonical_repository(value)
    sample = canonical_repository(f"{value[:-1]}x")
    return sample and sample[:-1]


def covers(value: str, url: str) -> bool:
    """Whether a rule's value, a repository or an owner (`…/*`), includes the one at `url`."""
    wanted, actual = owner_or_repository(value), canonical_repository(url)
    if wanted is None or actual is None:
        return False
    owner, slash, _ = actual.rpartition("/")
    return wanted in {actual, owner + slash}

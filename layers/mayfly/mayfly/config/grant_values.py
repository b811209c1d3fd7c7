"""Parsers for the parameters of secrets and ssh. Every parser raises ValueError."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping

from mayfly.config.roles import RoleLine, parse_roles
from mayfly.config.rules import numbered_lines

QUEUE = "{queue}"
"""Stands for the queue's key in `secrets/path`."""
MOST_SHARED_KEYS = 10
"""Servers end a connection after few keys that they do not know; OpenSSH's own limit is 6 tries."""
HOSTS_OVER_443 = ("github.com", "gitlab.com", "bitbucket.org")
"""Providers that serve ssh on port 443 of another address of theirs."""
LEVELS = 15
"""Parts of a parameter's name (API reference of Systems Manager, PutParameter)."""
_LEVELS_BELOW = 3
"""Parts below the folder of secrets, as `global/env/NAME`."""
_LONGEST_PATH = 400

_PART = rf"/(?:[A-Za-z0-9_.-]|{re.escape(QUEUE)})+"
_PATH = re.compile(rf"(?:{_PART}){{1,{LEVELS - _LEVELS_BELOW}}}")
_NAME = re.compile(rf"(?:/[A-Za-z0-9_.-]+){{1,{LEVELS}}}")
_HOSTS = re.compile(r"[!-~]+")
# Source: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"; key types of `ssh -Q key-plain` and `key-cert`.
_MARKERS = frozenset({"@cert-authority", "@revoked"})
_KEY_TYPE = re.compile(
    r"ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)"
    r"|sk-(?:ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com"
)


def secrets_path(text: str) -> str:
    """A folder of parameters, without a slash at its end; it may have `{queue}` in it."""
    if not _PATH.fullmatch(text) or len(text) > _LONGEST_PATH:
        raise ValueError
    return text


def parameter_names(text: str) -> tuple[str, ...]:
    """Full names of parameters, without duplicates, in order; at most `MOST_SHARED_KEYS`."""
    names = tuple(dict.fromkeys(re.split(r"[\s,]+", text)))
    for name in names:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not the full name of a parameter")
    if len(names) > MOST_SHARED_KEYS:
        raise ValueError(f"{len(names)} names are given")
    return names


def hosts_over_443(text: str) -> tuple[str, ...]:
    """Names out of `HOSTS_OVER_443`, without duplicates, in order."""
    names = tuple(dict.fromkeys(re.split(r"[\s,]+", text)))
    for name in names:
        if name not in HOSTS_OVER_443:
            raise ValueError(f"{name!r} is none of these hosts")
    return names


def known_hosts(text: str) -> str:
    """Host keys in ssh's own format, without comments; each line ends with a line break."""
    lines = [
        _known_host(line.split(), number)
        for number, line in numbered_lines(text)
        if not line.lstrip().startswith("#")
    ]
    if not lines:
        raise ValueError("the text has no line")
    return "".join(f"{line}\n" for line in lines)


def _known_host(words: list[str], number: int) -> str:
    """The line `[marker] hosts type key`, without its comment."""
    marker = words[:1] if words[0].startswith("@") else []
    entry = words[len(marker) : len(marker) + 3]
    if marker and marker[0] not in _MARKERS:
        raise ValueError(f"line {number}: {marker[0]!r} is neither @cert-authority nor @revoked")
    if len(entry) < 3 or not _HOSTS.fullmatch(entry[0]):
        raise ValueError(f"line {number}: not `hosts type key`")
    _, kind, key = entry
    if not _KEY_TYPE.fullmatch(kind):
        raise ValueError(f"line {number}: {kind!r} is no type of a public key")
    if _type_inside(key) != kind:
        raise ValueError(f"line {number}: no whole public key of type {kind}")
    return " ".join((*marker, *entry))


def _type_inside(key: str) -> str:
    """The type that a whole public key names (RFC 4253, section 6.6); empty for other text."""
    try:
        left = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        return ""
    fields = []
    while len(left) >= 4:
        end = 4 + int.from_bytes(left[:4], "big")
        if end > len(left):
            return ""
        fields.append(left[4:end])
        left = left[end:]
    return fields[0].decode("ascii", "replace") if len(fields) > 1 and not left else ""


def roles(named: tuple[str, str]) -> tuple[RoleLine, ...]:
    """Role lines from a pair: the `<name>` of the parameter `role/<name>`, and its text."""
    return parse_roles(*named)


def filled(path: str, queue: str) -> str:
    """The folder of this queue."""
    return path.replace(QUEUE, queue)


def all_lines(by_name: Mapping[str, tuple[RoleLine, ...]]) -> tuple[RoleLine, ...]:
    """The lines of all `role/<name>`, in the order of the names."""
    return tuple(line for _, lines in sorted(by_name.items()) for line in lines)

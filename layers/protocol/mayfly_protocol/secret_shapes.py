"""Secrets by their shape, for logs, reports and the console."""

from __future__ import annotations

import re

# Buildkite's prefixes: buildkite/docs platform/security/tokens.md; what follows one is base64url
# with dots (buildkite/agent internal/redact). Bodies shorter than Buildkite's 24 are taken after a
# known prefix, and prefixes that are not known yet before a long body.
_BUILDKITE = re.compile(
    r"\bbk(?:(?:ct|cqt|ar|aa|aj|jat|ua|ur|tx|pt|rt|tr|at|pat|ps)_[A-Za-z0-9_.=-]{4,}"
    r"|[a-z]{1,6}_[A-Za-z0-9_.=-]{24,})"
)
# A JWT: what a job token is on servers that give it no prefix.
_JWT = re.compile(r"\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]+")
# A session token of AWS is one long run of base64, longer than any hash or id in what we write.
_SESSION_TOKEN = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{150,}={0,2}")
# A secret access key is 40 characters of base64 and has no other mark.
_SECRET_KEY = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=])")
# Whatever is called by such a name, whatever it looks like: as IMDS, STS, the CLI, environment
# files and HTTP headers show it. A plain `token` must be long: short words follow it in sentences.
_NAMES = r"(?:secret_?access_?key|session_?token|security[-_]token|authorization)"
_NAME = re.compile(rf"(?i){_NAMES}$")
_NAMED = re.compile(
    rf"(?i)({_NAMES}"
    r"[\"']?\s*[:=]\s*[\"']?(?:(?:token|bearer|basic)\s+)?)[^\s\"',}]+"
)
_TOKEN = re.compile(r"(?i)(\btoken[\"']?\s*[:=]\s*[\"']?)[^\s\"',}]{16,}")


def without_secrets(text: str, instead: str) -> str:
    """The text with `instead` in the place of each secret that is known by its shape.

    Scrub before cutting: half a token is a secret, too.
    """
    for pattern in (_NAMED, _TOKEN):
        text = pattern.sub(rf"\g<1>{instead}", text)
    for pattern in (_BUILDKITE, _JWT, _SESSION_TOKEN):
        text = pattern.sub(instead, text)
    return _SECRET_KEY.sub(lambda found: found[0] if _is_hash(found[0]) else instead, text)


def names_a_secret(name: str) -> bool:
    """Whether what stands under this key is a secret, whatever it looks like."""
    return bool(_NAME.search(name))


def _is_hash(text: str) -> bool:
    """Commit ids are 40 characters too, but have no capitals; a path has few digits."""
    return not all(re.search(kind, text) for kind in ("[A-Z]", "[a-z]", "[0-9]"))

"""Detection of secrets by shape and by name, for logs, reports and the console."""

from __future__ import annotations

import re

# Buildkite's prefixes: buildkite/docs platform/security/tokens.md; a body is base64url with dots
# (buildkite/agent internal/redact). A known prefix matches with bodies shorter than Buildkite's 24
# characters; an unknown prefix matches with a long body, because later tokens may have new ones.
_BUILDKITE = re.compile(
    r"\bbk(?:(?:ct|cqt|ar|aa|aj|jat|ua|ur|tx|pt|rt|tr|at|pat|ps)_[A-Za-z0-9_.=-]{4,}"
    r"|[a-z]{1,6}_[A-Za-z0-9_.=-]{24,})"
)
# A JWT: some servers issue job tokens without a prefix.
_JWT = re.compile(r"\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]+")
# An AWS session token is one long run of base64, longer than any hash or id in our texts.
_SESSION_TOKEN = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{150,}={0,2}")
# A secret access key is 40 characters of base64 and has no other mark.
_SECRET_KEY = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=])")
# Values of any shape under a secret's name, in the notations of IMDS, STS, the CLI, environment
# files and HTTP headers. After a plain `token` the value must be long: in sentences a short word
# follows `token`.
_NAMES = r"(?:secret_?access_?key|session_?token|security[-_]token|authorization)"
_NAME = re.compile(rf"(?i){_NAMES}$")
_NAMED = re.compile(
    rf"(?i)({_NAMES}"
    r"[\"']?\s*[:=]\s*[\"']?(?:(?:token|bearer|basic)\s+)?)[^\s\"',}]+"
)
_TOKEN = re.compile(r"(?i)(\btoken[\"']?\s*[:=]\s*[\"']?)[^\s\"',}]{16,}")


def without_secrets(text: str, instead: str) -> str:
    """The text with `instead` in place of each secret that is recognised by shape or name.

    Scrub before cutting: half a token is a secret, too.
    """
    for pattern in (_NAMED, _TOKEN):
        text = pattern.sub(rf"\g<1>{instead}", text)
    for pattern in (_BUILDKITE, _JWT, _SESSION_TOKEN):
        text = pattern.sub(instead, text)
    return _SECRET_KEY.sub(lambda found: found[0] if _is_hash(found[0]) else instead, text)


def names_a_secret(name: str) -> bool:
    """Whether values under this key are secret, whatever their shape."""
    return bool(_NAME.search(name))


def _is_hash(text: str) -> bool:
    """Whether 40 characters are no key: commit ids lack capitals, most paths lack digits."""
    return not all(re.search(kind, text) for kind in ("[A-Z]", "[a-z]", "[0-9]"))

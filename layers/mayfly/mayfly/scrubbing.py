"""Takes secrets out of whatever is about to be written where people can read it."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Mapping

REDACTED = "[redacted]"

# Buildkite's prefixes: buildkite/docs platform/security/tokens.md; what follows one is base64url
# with dots (buildkite/agent internal/redact). Shorter bodies than Buildkite's 24 are taken too.
_BUILDKITE = re.compile(
    r"\bbk(?:ct|cqt|ar|aa|aj|jat|ua|ur|tx|pt|rt|tr|at|pat|ps)_[A-Za-z0-9_.\-]{4,2048}"
)
# A JWT: what a job token is on servers that give it no prefix.
_JWT = re.compile(r"\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]+")
# A session token of AWS is one long run of base64, longer than any hash or id in our logs.
_SESSION_TOKEN = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{150,}={0,2}")
# A secret access key is 40 characters of base64 and has no other mark.
_SECRET_KEY = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=])")
# And whatever is called by such a name, whatever it looks like.
_NAMES = r"(?:secret_?access_?key|session_?token|security[-_]token|authorization)"
_NAME = re.compile(rf"(?i){_NAMES}$")
_NAMED = re.compile(
    rf"(?i)({_NAMES}"
    r"[\"']?\s*[:=]\s*[\"']?(?:(?:token|bearer|basic)\s+)?)[^\s\"',;}&]+"
)

_known: list[str] = []
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__)


def hide(secret: str) -> None:
    """Take out this very value from now on: for a secret that has no recognisable form."""
    # A few characters are no secret, but taking them out of every text would garble it.
    if len(secret) >= 8 and secret in scrub(secret):
        _known.append(secret)


def scrub(text: str) -> str:
    """The text without any secret in it."""
    for secret in _known:
        text = text.replace(secret, REDACTED)
    text = _NAMED.sub(rf"\1{REDACTED}", text)
    for pattern in (_BUILDKITE, _JWT, _SESSION_TOKEN):
        text = pattern.sub(REDACTED, text)
    return _SECRET_KEY.sub(_unless_hash, text)


def scrub_deep(value: object) -> object:
    """A value without any secret in it, however deep it is nested."""
    match value:
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {scrub(str(name)): _named(str(name), inner) for name, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [scrub_deep(inner) for inner in value]
        case _:
            return scrub(str(value))


def _named(name: str, value: object) -> object:
    """The value under this key: a key that names a secret stands apart from its value here."""
    return REDACTED if isinstance(value, str) and _NAME.search(name) else scrub_deep(value)


class Scrubber(logging.Filter):
    """Takes secrets out of log records: message, arguments, extra fields and exceptions.

    It belongs on a handler. A logger's own filters do not see what its children log.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Every record passes, without its secrets."""
        if isinstance(record.msg, Mapping):
            record.msg = scrub_deep(record.msg)
        else:
            record.msg = scrub(_message(record))
        record.args = ()
        if record.exc_info and record.exc_info[0]:
            # An exception cannot be scrubbed in place, so its text takes its place. Powertools
            # prints the two extra fields, other formatters `exc_text`.
            record.exc_text = scrub("".join(traceback.format_exception(*record.exc_info)))
            record.__dict__["exception"] = record.exc_text
            record.__dict__["exception_name"] = record.exc_info[0].__name__
            record.exc_info = None
        if record.stack_info:
            record.stack_info = scrub(record.stack_info)
        for name in record.__dict__.keys() - _STANDARD:
            record.__dict__[name] = _named(name, record.__dict__[name])
        return True


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):
        # Unlike `emit`, a filter that raises would take the caller down with it.
        return f"{record.msg} {record.args}"


def _unless_hash(found: re.Match[str]) -> str:
    """Commit ids are 40 characters too, but have no capitals; a path has few digits."""
    text = found.group()
    mixed = re.search("[A-Z]", text) and re.search("[a-z]", text) and re.search("[0-9]", text)
    return REDACTED if mixed else text

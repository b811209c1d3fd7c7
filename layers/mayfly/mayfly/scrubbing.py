"""Takes secrets out of whatever is about to be written where people can read it."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping

from mayfly_protocol.secret_shapes import names_a_secret, without_secrets

REDACTED = "[redacted]"

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
    return without_secrets(text, REDACTED)


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
    return REDACTED if isinstance(value, str) and names_a_secret(name) else scrub_deep(value)


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

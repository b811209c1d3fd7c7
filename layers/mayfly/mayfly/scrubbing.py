"""Removes secrets from texts, values and log records before people can read them."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Mapping

from mayfly_protocol.secret_shapes import names_a_secret, remover, without_secrets

REDACTED = "[redacted]"

_known: dict[str, Callable[[str, str], str]] = {}
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__)


def hide(secret: str) -> None:
    """Remove this value from every text from now on: for secrets without a recognisable form."""
    # A value of a few characters is no secret, and its removal would garble every text.
    if len(secret) >= 8 and secret in scrub(secret):
        _known[secret] = remover(secret)


def scrub(text: str) -> str:
    """The text with every hidden value and every secret by shape replaced by REDACTED."""
    # The longest first: a secret may hold another one, and no part of it must remain.
    longest = sorted(_known, key=len, reverse=True)
    return without_secrets(text, REDACTED, [_known[secret] for secret in longest])


def scrub_deep(value: object) -> object:
    """The value without secrets at any depth of nesting.

    Sequences and sets become lists, keys and other objects become text.
    """
    match value:
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {scrub(str(name)): _under_key(str(name), inner) for name, inner in value.items()}
        case bytes() | bytearray():
            return scrub(value.decode("utf-8", "backslashreplace"))
        case list() | tuple() | set() | frozenset():
            return [scrub_deep(inner) for inner in value]
        case _:
            return scrub(str(value))


def _under_key(name: str, value: object) -> object:
    """The scrubbed value of a key; REDACTED for text under a key that names a secret.

    The shape of a secret in one text needs key and value together; here they are apart.
    """
    named = isinstance(value, str | bytes | bytearray) and names_a_secret(name)
    return REDACTED if named else scrub_deep(value)


class Scrubber(logging.Filter):
    """Removes secrets from log records: message, arguments, extra fields and exceptions.

    Put the filter on a handler: a logger's own filters do not see the records of its children.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Scrub the record in place. Returns True: every record passes."""
        if isinstance(record.msg, Mapping):
            record.msg = scrub_deep(record.msg)
        else:
            record.msg = scrub(_message(record))
        record.args = ()
        if record.exc_info and record.exc_info[0]:
            # An exception cannot be scrubbed in place, so scrubbed text replaces the exception.
            # Powertools prints the two extra fields, other formatters print `exc_text`.
            record.exc_text = scrub("".join(traceback.format_exception(*record.exc_info)))
            record.__dict__["exception"] = record.exc_text
            record.__dict__["exception_name"] = record.exc_info[0].__name__
            record.exc_info = None
        elif record.exc_text:
            # Another handler, or another process, has formatted the exception.
            record.exc_text = scrub(record.exc_text)
        if record.stack_info:
            record.stack_info = scrub(record.stack_info)
        for name in record.__dict__.keys() - _STANDARD:
            record.__dict__[name] = _under_key(name, record.__dict__[name])
        return True


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):
        # logging catches an error in `emit`; an error in a filter would reach the caller.
        return f"{record.msg} {record.args}"

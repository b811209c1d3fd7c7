"""Keeping a host that failed before its sandbox proof, for a look, without IMDS and without a job.

A host may be kept while one file exists: from the beginning of set-up until just before the report
of the proof. In any doubt the file does not exist.
"""

from __future__ import annotations

from datetime import timedelta

from mayfly_instance.aws import AwsError
from mayfly_instance.closure import Closure
from mayfly_instance.context import Context
from mayfly_instance.failure import HostFailure
from mayfly_instance.imds import ImdsError
from mayfly_instance.keys import Keys
from mayfly_instance.ports import Cloud
from mayfly_protocol.moments import stamp
from mayfly_protocol.parameters import keep_failed_minutes
from mayfly_protocol.words import Imds


def allow(context: Context, cloud: Cloud, keys: Keys) -> None:
    """Allow to keep this host for the minutes of `debug/keep-failed-minutes`. Raises OSError.

    The parameter is read once, without a retry, because it must not delay a boot; an unreadable
    parameter allows nothing.
    """
    try:
        value = cloud.parameter(keys.current(), context.host.keep_parameter)
    except (AwsError, ImdsError):
        return
    if _minutes(value):
        context.machine.write_file(context.places.keep, value.encode(), 0o600)


def forbid(context: Context) -> None:
    """Never keep this host from now on. Raises OSError."""
    context.machine.remove(context.places.keep)


def hold_failed_host(context: Context) -> None:
    """Close IMDS and wait for the allowed minutes; return at once if the host may not be kept.

    Returns early if IMDS does not stay closed: it may still serve the bootstrap role.
    """
    try:
        minutes = _minutes(context.places.keep.read_text("utf-8"))
    except (OSError, UnicodeError):
        return
    if not minutes:
        return
    # Checked as root: the job user may not exist yet. `Imds.OFF` treats all users alike, and other
    # choices exempt only root, so if root is stopped, all users are.
    closure = Closure(context, Imds.OFF, "root")
    try:
        closure.close()
        until = stamp(context.clock.now() + timedelta(minutes=minutes))
        context.console.say(f"kept for a look until {until}, without IMDS and without a job")
        removed = _wait(context, closure, minutes * 60)
    except (HostFailure, OSError) as error:
        removed = str(error)
    if removed:
        context.console.say(f"not kept for a look: {removed}")


def _wait(context: Context, closure: Closure, seconds: float) -> str:
    """Wait so long; return early, with the reason, if IMDS was opened. Raises Open if it stays."""
    clock, interval = context.clock, context.limits.notices
    until = clock.seconds() + seconds
    while (left := until - clock.seconds()) > 0:
        clock.sleep(min(left, interval))
        if removed := closure.look():
            return removed
    return ""


def _minutes(value: str) -> int:
    """The minutes in the text; 0 for an invalid value."""
    try:
        return keep_failed_minutes(value)
    except ValueError:
        return 0

"""A server that is reached over a long way: stated delays, which loopback does not have."""

from __future__ import annotations

import time
from collections.abc import Callable

from .server import Answer, Application, Request


def far_away(
    application: Application,
    seconds: float,
    near: str = "",
    sleep: Callable[[float], None] = time.sleep,
) -> Application:
    """The application as it is reached over a way of so many seconds, there and back together.

    The connection's thread sleeps, which costs nothing. Paths that begin with `near` are not far.
    """
    if not seconds:
        return application

    def answer(request: Request) -> Answer:
        if near and request.target.startswith(near):
            return application(request)
        sleep(seconds / 2)
        answered = application(request)
        sleep(seconds / 2)
        return answered

    return answer

"""Simulated network latency in front of a server, because loopback has none."""

from __future__ import annotations

import time
from collections.abc import Callable

from .server import Answer, Application, Request


def with_latency(
    application: Application,
    seconds: float,
    near: str = "",
    sleep: Callable[[float], None] = time.sleep,
) -> Application:
    """The application with `seconds` of latency for each call: half before it, half after.

    The connection's thread sleeps, which costs no CPU. Paths that begin with `near` have no
    latency.
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

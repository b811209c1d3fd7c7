"""Processing of a call (faults, clock, endpoint, answer), and delivery of events to listeners."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from buildkite_emulator.builds.clockwork import settle
from buildkite_emulator.git import PREFIX, GitFiles
from buildkite_emulator.memory.store import Store
from buildkite_emulator.memory.views import JobEvent
from buildkite_emulator.organization.routes import ORGANIZATION

from .endpoints import AGENT, REST, STACKS
from .faults import Faults
from .http import AnswerLostError, Request, Response, json_response
from .limits import RateLimits
from .refusals import RefusedError
from .routing import Call, Routes

Clock = Callable[[], datetime]
Listener = Callable[[JobEvent], None]
Result = TypeVar("Result")


class Application:
    """Answers requests from the store, one at a time."""

    def __init__(self, store: Store, faults: Faults, clock: Clock, git: GitFiles) -> None:
        self._store = store
        self._faults = faults
        self._clock = clock
        self._git = git
        self._limits = RateLimits()
        self._calls: Counter[str] = Counter()
        self._routes = Routes((*STACKS, *AGENT, *REST, *ORGANIZATION))
        faults.endpoints = self._routes.names
        self._listeners: list[Listener] = []
        self._delivering = threading.Lock()

    def __call__(self, request: Request) -> Response:
        """Answer one request.

        Raises:
            AnswerLostError: a fault switch drops the answer.
        """
        if request.path.startswith(PREFIX):
            return _answered(lambda: self._git.answer(request))
        name = self._name(request)
        if self._faults.drops_connection(name):
            raise AnswerLostError
        time.sleep(self._faults.delay(name))
        return _answered(lambda: self._call(request))

    def transact(self, action: Callable[[Store, datetime], Result]) -> Result:
        """Run an action on the records as of now, then deliver the events.

        Returns the action's result.
        """
        with self._store.lock:
            now = self._clock()
            settle(self._store, now)
            result = action(self._store, now)
        self._deliver()
        return result

    def subscribe(self, listener: Listener) -> None:
        """Call the listener for every following event, in order and never concurrently."""
        self._listeners.append(listener)

    def calls(self) -> Counter[str]:
        """Number of calls so far, by endpoint name."""
        with self._store.lock:
            return self._calls.copy()

    def _name(self, request: Request) -> str:
        """The endpoint's name; empty for an unknown endpoint."""
        try:
            return self._routes.find(request)[0].name
        except RefusedError:
            return ""

    def _call(self, request: Request) -> Response:
        route, parameters = self._routes.find(request)
        self._faults.raise_injected(route.name)

        def act(store: Store, now: datetime) -> Response:
            self._calls[route.name] += 1
            call = Call(store, self._faults, self._limits, request, parameters, now)
            return route.endpoint(call)

        response = _answered(lambda: self.transact(act))
        if self._faults.loses_answer(route.name):
            raise AnswerLostError
        return response

    def _deliver(self) -> None:
        # One thread delivers at a time, so listeners see events in order. That thread also delivers
        # events that other threads add meanwhile. Other threads do not wait for it, because a
        # listener may call the emulator.
        while self._has_events() and self._delivering.acquire(blocking=False):
            try:
                with self._store.lock:
                    events = self._store.take_events()
                for event in events:
                    for listener in self._listeners:
                        listener(event)
            finally:
                self._delivering.release()

    def _has_events(self) -> bool:
        with self._store.lock:
            return self._store.has_events()


def _answered(action: Callable[[], Response]) -> Response:
    try:
        return action()
    except RefusedError as refusal:
        body = {"message": refusal.message, **refusal.fields}
        return json_response(body, refusal.status, refusal.headers)

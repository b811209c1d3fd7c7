"""Lambda's Runtime API on loopback, for AWS's own runtime client.

Source: Lambda developer guide, "Using the Lambda runtime API".
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

REQUEST_ID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:mayfly"


@dataclass(frozen=True, slots=True)
class Answer:
    """A function's answer: `kind` is response, error or init/error; `at` is by perf_counter."""

    kind: str
    body: Any
    at: float


@dataclass
class RuntimeApi:
    """Hands out events one by one and collects what the function answers."""

    budget: float
    """Seconds that each invocation has left when it is handed out."""
    events: queue.Queue[bytes | None] = field(default_factory=queue.Queue)
    answers: queue.Queue[Answer] = field(default_factory=queue.Queue)
    asked_at: float | None = None
    address: str = ""

    def let_go(self) -> None:
        """Close the connection of a client that still waits for an event."""
        self.events.put(None)

    def invoke(self, event: bytes, patience: float) -> Answer:
        """Hand out one event, return its answer; raises queue.Empty after `patience` seconds."""
        self.events.put(event)
        return self.answers.get(timeout=patience)


@contextmanager
def runtime_api(budget: float) -> Iterator[RuntimeApi]:
    """A Runtime API on loopback, served until the block ends."""
    api = RuntimeApi(budget)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(api))
    server.daemon_threads = True
    api.address = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(api: RuntimeApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Log no requests."""

        def do_GET(self) -> None:
            api.asked_at = api.asked_at or time.perf_counter()
            event = api.events.get()
            if event is None:
                self.close_connection = True
                return
            deadline = int((time.time() + api.budget) * 1000)
            self._answer(
                200,
                event,
                {
                    # Without a content type the client waits for ever.
                    "Content-Type": "application/json",
                    "Lambda-Runtime-Aws-Request-Id": REQUEST_ID,
                    "Lambda-Runtime-Deadline-Ms": str(deadline),
                    "Lambda-Runtime-Invoked-Function-Arn": ARN,
                    "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
                },
            )

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kind = "init/error" if "/init/" in self.path else self.path.rsplit("/", 1)[1]
            self._answer(202, b"", {})
            api.answers.put(Answer(kind, json.loads(body or b"null"), time.perf_counter()))

        def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler

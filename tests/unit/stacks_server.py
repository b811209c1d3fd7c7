"""A server with scripted answers, and a Stacks adapter that calls this server."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from mayfly.adapters.buildkite.stacks import Stacks
from mayfly.adapters.buildkite.stacks_calls import StacksCalls
from mayfly.dispatch.rhythm import LISTS

TOKEN = "bkct_the-only-one-that-is-good-0123"


@dataclass(frozen=True)
class Answer:
    status: int
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: Mapping[str, list[str]]
    body: Any
    authorization: str | None


class Server:
    """Sends the scripted answers in their order, and keeps every request."""

    def __init__(self) -> None:
        self.answers: deque[Answer] = deque()
        self.asked: list[Asked] = []
        self.connections = 0
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/v3"

    def _handler(server) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the handler's
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                server.connections += 1

            def answer(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(size)) if size else None
                url = urlsplit(self.path)
                authorization = self.headers.get("Authorization")
                server.asked.append(
                    Asked(self.command, url.path, parse_qs(url.query), body, authorization)
                )
                answer = server.answers.popleft()
                content = answer.body
                if not isinstance(content, bytes):
                    content = json.dumps(content).encode()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = answer  # noqa: N815 - the base class calls them so

            def log_message(self, *args: object) -> None:
                """Log no requests."""

        return Handler


class AgentToken:
    def __init__(self) -> None:
        self.refusals = 0

    def value(self) -> str:
        return TOKEN

    def refused(self) -> None:
        self.refusals += 1


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Bench:
    server: Server
    clock: Clock
    token: AgentToken
    stacks: Stacks

    def answers(self, *answers: Answer) -> None:
        self.server.answers.extend(answers)

    @property
    def bodies(self) -> list[Any]:
        return [asked.body for asked in self.server.asked]


@contextmanager
def a_bench() -> Iterator[Bench]:
    server, clock, token = Server(), Clock(), AgentToken()
    stacks = Stacks(StacksCalls(server.address, token, clock), "mayfly-test", LISTS, clock)
    try:
        yield Bench(server, clock, token, stacks)
    finally:
        server.http.shutdown()
        server.http.server_close()


def a_page(
    *jobs: str, cursor: str | None = None, queue: Mapping[str, object] | None = None
) -> Answer:
    listed: list[dict[str, object]] = [
        {
            "id": job,
            "priority": None,
            "agent_query_rules": [],
            "scheduled_at": "2026-11-20T09:30:00.000Z",
            "pipeline": {"slug": "web", "uuid": "u"},
            "build": {"number": 7, "branch": None, "uuid": "u"},
            "step": {"key": None},
        }
        for job in jobs
    ]
    place = {"has_next_page": cursor is not None, "end_cursor": cursor}
    cluster_queue = {"id": "q", "dispatch_paused": False} if queue is None else queue
    return Answer(200, {"jobs": listed, "page_info": place, "cluster_queue": cluster_queue})


NOTHING = Answer(200, {"reserved": [], "not_reserved": []})

"""The page's server, on loopback alone."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any, Self

from mayfly_lab.lab import Lab
from mayfly_lab.page.actions import RefusedError, act
from mayfly_lab.page.guard import refusal
from mayfly_lab.page.snapshot import snapshot
from mayfly_lab.report.logs import readable, without_git

_LOOK = 0.7
"""Seconds between two looks at the lab; each look is for all streams."""
_STREAMS = 8
"""Most pages that are open at once."""
_LONGEST = 4096
"""Bytes of an action's content."""
_STATIC = resources.files("mayfly_lab.page") / "static"
_FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src data:; frame-ancestors 'none';"
    " base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class PageServer:
    """Serves the page, as a context manager."""

    def __init__(self, lab: Lab, port: int) -> None:
        """`port` is on 127.0.0.1; 0 for any free port. Raises OSError for a port in use."""
        self.lab = lab
        self.streams = threading.BoundedSemaphore(_STREAMS)
        self.ended = threading.Event()
        self._news = threading.Condition()
        self._text = ""
        server = self

        class Handler(_Handler):
            page = server

        self._http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._http.daemon_threads = True
        self._threads = [
            threading.Thread(target=self._http.serve_forever, name="page", daemon=True),
            threading.Thread(target=self._look, name="page-look", daemon=True),
        ]

    @property
    def port(self) -> int:
        """The port that the page has."""
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://127.0.0.1:{self.port}/"

    def __enter__(self) -> Self:
        """Begin to serve."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End all answers, and free the port."""
        self.ended.set()
        with self._news:
            self._news.notify_all()
        self._http.shutdown()
        self._http.server_close()
        for thread in self._threads:
            thread.join()

    def text(self, other_than: str = "") -> str:
        """The newest state as JSON, once the state differs from `other_than`, or after 10 s."""
        with self._news:
            self._news.wait_for(lambda: self.ended.is_set() or self._text != other_than, 10.0)
            return self._text

    def _look(self) -> None:
        while not self.ended.wait(_LOOK):
            text = json.dumps(snapshot(self.lab))
            with self._news:
                self._text = text
                self._news.notify_all()


class _Handler(BaseHTTPRequestHandler):
    page: PageServer
    protocol_version = "HTTP/1.1"
    server_version = "mayfly-lab"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        """Answer the page, its files, its stream, and logs of jobs."""
        if self._refused():
            return
        if self.path in _FILES:
            name, kind = _FILES[self.path]
            self._answer(200, (_STATIC / name).read_bytes(), kind)
        elif self.path == "/events":
            self._stream()
        elif self.path.startswith("/log/"):
            self._log(self.path.removeprefix("/log/"))
        else:
            self._answer(404, b"there is nothing here", "text/plain")

    def do_POST(self) -> None:
        """Do an action."""
        if self._refused():
            return
        try:
            size = int(self.headers.get("Content-Length", ""))
            given = json.loads(self.rfile.read(size)) if 0 <= size <= _LONGEST else None
        except ValueError:
            given = None
        if not isinstance(given, dict):
            self._answer(400, b"the content is no JSON object", "text/plain")
            return
        try:
            said = act(self.page.lab, self.path.removeprefix("/do/"), given)
        except RefusedError as error:
            self._answer(409, str(error).encode(), "text/plain")
        else:
            self._answer(200, said.encode(), "text/plain")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base calls it
        """Print nothing: the command's output is the lab's events."""

    def _refused(self) -> bool:
        why = refusal(self.command, dict(self.headers.items()), self.page.port)
        if why is not None:
            self.close_connection = True
            self._answer(403, why.encode(), "text/plain")
        return why is not None

    def _log(self, job: str) -> None:
        buildkite = self.page.lab.buildkite
        if not any(each.id == job for each in buildkite.jobs()):
            self._answer(404, b"no such job", "text/plain")
            return
        text = "\n".join(without_git(readable(buildkite.log(job)), whole=True))
        self._answer(200, text.encode(), "text/plain")

    def _stream(self) -> None:
        """Server-sent events: the state whenever it changes.

        https://html.spec.whatwg.org/multipage/server-sent-events.html
        """
        if not self.page.streams.acquire(blocking=False):
            self._answer(503, b"too many pages are open", "text/plain")
            return
        try:
            self._head(200, "text/event-stream", None)
            sent = ""
            while not self.page.ended.is_set():
                text = self.page.text(other_than=sent)
                # A line for nothing new, so that a closed page is noticed.
                said = ":\n\n" if text == sent else f"data: {text}\n\n"
                self.wfile.write(said.encode())
                sent = text
        except OSError:
            pass  # the page was closed
        finally:
            self.close_connection = True
            self.page.streams.release()

    def _answer(self, status: int, content: bytes, kind: str) -> None:
        self._head(status, kind, len(content))
        self.wfile.write(content)

    def _head(self, status: int, kind: str, length: int | None) -> None:
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Connection", "close")
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

"""Sends the job's log to Buildkite: time codes, chunks, uploads.

As seen with buildkite-agent 3.83.1: output is sent once a second, with three uploads at a time; a
chunk refused with 4xx is lost and counted.
"""

from __future__ import annotations

import gzip
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

from . import client
from .client import Client

_INTERVAL_SECONDS = 1.0
_UPLOADS_AT_A_TIME = 3


class JobOutput:
    """Collects output, and sends the output in chunks."""

    def __init__(self, api: Client, job_id: str, chunk_bytes: int) -> None:
        self._api = api
        self._path = f"/jobs/{job_id}/chunks"
        self._chunk_bytes = chunk_bytes
        self._pending = bytearray()
        self._at_line_start = True
        self._sequence = 0
        self._offset = 0
        self._lock = threading.Lock()
        self._uploads: list[Future[bool]] = []
        self._pool = ThreadPoolExecutor(_UPLOADS_AT_A_TIME)
        self._closing = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        self._ticker.start()

    def write(self, content: bytes) -> None:
        """Append output, with a time code at the start of each line."""
        code = b"\x1b_bk;t=%d\x07" % (time.time() * 1000)
        with self._lock:
            for line in content.splitlines(keepends=True):
                self._pending += code + line if self._at_line_start else line
                self._at_line_start = line.endswith(b"\n")

    def close(self) -> int:
        """Send remaining output, and wait for all uploads. Returns the number of lost chunks."""
        self._closing.set()
        self._ticker.join()
        self._flush()
        self._pool.shutdown(wait=True)
        return sum(not upload.result() for upload in self._uploads)

    def _tick(self) -> None:
        while not self._closing.wait(_INTERVAL_SECONDS):
            self._flush()

    def _flush(self) -> None:
        with self._lock:
            content, self._pending = bytes(self._pending), bytearray()
        for start in range(0, len(content), self._chunk_bytes):
            part = content[start : start + self._chunk_bytes]
            self._sequence += 1
            query = f"?sequence={self._sequence}&offset={self._offset}&size={len(part)}"
            self._offset += len(part)
            self._uploads.append(self._pool.submit(self._upload, query, part))

    def _upload(self, query: str, part: bytes) -> bool:
        headers = {"Content-Type": "text/plain", "Content-Encoding": "gzip"}
        body = gzip.compress(part, compresslevel=6)
        return self._api.send("POST", self._path + query, body, headers, client.CHUNK).ok

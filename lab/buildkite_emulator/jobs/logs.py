"""The log of one job, joined from chunks that arrive in any order and more than once.

Chunks are numbered from 1. Three uploaders send chunks concurrently, and after a lost answer the
agent repeats a number (observed with buildkite-agent 3.83.1). So nothing is decided on the log
before the job has finished, and text is decoded only after joining.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

MAX_BYTES = 2**30
"""The stored size of a log (buildkite/docs platform/limits.md). Bytes beyond it are accepted and
dropped: agents warn, and keep sending."""
_TIME_CODE = re.compile(rb"\x1b_bk;t=(\d+)\x07")
_COMMAND_HEADER = re.compile(rb"~~~ Running (commands|script|batch script)\b")


class JobLog:
    """The output of a job so far."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._chunks: dict[int, bytes] = {}
        self.chunks_lost = 0
        """Number of chunks that the agent failed to deliver, by its own count at the end."""
        self.header_times: dict[str, str] = {}
        """Times of log headers, from agents that are configured to write no time codes."""

    def add(self, sequence: int, content: bytes, offset: int = 0) -> None:
        """Store a chunk that begins at byte `offset`; a repeated number replaces its chunk."""
        kept = content[: max(0, self._max_bytes - offset)]
        if kept:
            self._chunks[sequence] = kept

    def content(self) -> bytes:
        """All bytes so far, in order; missing chunks are skipped."""
        return b"".join(self._chunks[sequence] for sequence in sorted(self._chunks))

    def text(self) -> str:
        """The decoded log without time codes."""
        return _TIME_CODE.sub(b"", self.content()).decode("utf-8", errors="replace")

    def command_output_at(self, command: str) -> datetime | None:
        """Time of the command's first output line, by the agent's time code in that line.

        Under the header of the command phase the agent echoes the command; those lines are skipped.
        None before the first output line, or without time codes.
        """
        return self._time_of_line(1 + len(command.split("\n")))

    def command_began_at(self) -> datetime | None:
        """Start of the command phase; None before it, or without time codes."""
        return self._time_of_line(0)

    def _time_of_line(self, after_header: int) -> datetime | None:
        lines = self.content().split(b"\n")
        header = next((i for i, line in enumerate(lines) if _COMMAND_HEADER.search(line)), None)
        if header is None or header + after_header >= len(lines):
            return None
        code = _TIME_CODE.search(lines[header + after_header])
        return datetime.fromtimestamp(int(code[1]) / 1000, UTC) if code else None

"""The log of one job, put together from chunks that arrive in any order and more than once.

Chunks carry a sequence from 1; three uploaders send them side by side, and after a lost answer the
agent sends the same sequence again (seen with buildkite-agent 3.83.1). So nothing is decided on
before the job has finished, and text is decoded only after joining.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

MAX_BYTES = 2**30
"""How much of a log is kept (buildkite/docs platform/limits.md). What an agent sends beyond it
is taken and dropped: agents warn, and send on."""
_TIME_CODE = re.compile(rb"\x1b_bk;t=(\d+)\x07")
_COMMAND_HEADER = re.compile(rb"~~~ Running (commands|script|batch script)\b")


class JobLog:
    """What an agent has sent of a job's output so far."""

    def __init__(self, most: int = MAX_BYTES) -> None:
        self._most = most
        self._chunks: dict[int, bytes] = {}
        self.chunks_lost = 0
        """How many chunks the agent could not deliver, by its own count at the end."""
        self.header_times: dict[str, str] = {}
        """Times of log headers, as agents send them that were told not to use time codes."""

    def add(self, sequence: int, content: bytes, offset: int = 0) -> None:
        """Take a chunk that begins at this byte; a repeat replaces what it repeats."""
        kept = content[: max(0, self._most - offset)]
        if kept:
            self._chunks[sequence] = kept

    def content(self) -> bytes:
        """All bytes so far, by sequence; what is missing in between is left out."""
        return b"".join(self._chunks[sequence] for sequence in sorted(self._chunks))

    def text(self) -> str:
        """The log for people: decoded, without time codes."""
        return _TIME_CODE.sub(b"", self.content()).decode("utf-8", errors="replace")

    def command_output_at(self, command: str) -> datetime | None:
        """When the command wrote its first line, by the time code that the agent put before it.

        Under the header of the command phase the agent echoes the command, so as many lines as that
        has are passed over. None before there is such a line, or without time codes.
        """
        return self._time_of_line(1 + len(command.split("\n")))

    def command_began_at(self) -> datetime | None:
        """When the agent came to the command phase; None before that, or without time codes."""
        return self._time_of_line(0)

    def _time_of_line(self, after_header: int) -> datetime | None:
        lines = self.content().split(b"\n")
        header = next((i for i, line in enumerate(lines) if _COMMAND_HEADER.search(line)), None)
        if header is None or header + after_header >= len(lines):
            return None
        code = _TIME_CODE.search(lines[header + after_header])
        return datetime.fromtimestamp(int(code[1]) / 1000, UTC) if code else None

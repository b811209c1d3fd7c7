"""Follows one build to its end, and prints states and log lines as they appear."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mayfly.scrubbing import scrub
from mayfly_cli.buildkite import Api
from mayfly_cli.ends import BrokenError

POLL_SECONDS = 1.0
_ENDED = frozenset({"passed", "failed", "canceled", "timed_out", "skipped", "expired", "broken"})
# Terminal commands and Buildkite's time codes would only be noise in a file.
_CODES = re.compile(r"\x1b_bk;t=\d+\x07|\x1b\[[0-9;?]*[ -/]*[@-~]")


@dataclass(slots=True)
class Follower:
    """Prints the progress of a pipeline's builds, each state and log line once."""

    api: Api
    base: str
    """The path of the build's pipeline."""
    tell: Callable[[str], None]
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _reported: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By job id: the state and the agent's name that were printed last."""
    _log_lengths: dict[str, int] = field(default_factory=dict)
    """By job id: the number of log characters that were printed."""

    def follow(self, number: int, minutes: float) -> str:
        """The build's final state; `""` if the build has not ended within these minutes.

        Raises:
            BrokenError: Buildkite does not answer, or answers with an error.
        """
        end = self.clock() + 60 * minutes
        while self.clock() < end:
            build = self._build(number)
            for job in build.get("jobs", ()):
                self._job(number, job)
            if build["state"] in _ENDED:
                return str(build["state"])
            self.sleep(POLL_SECONDS)
        return ""

    def cancel(self, number: int) -> None:
        """Cancel the build, so that none of its jobs runs on."""
        self.api.call("PUT", f"{self.base}/builds/{number}/cancel")

    def _build(self, number: int) -> dict[str, Any]:
        answer = self.api.call("GET", f"{self.base}/builds/{number}")
        if answer.status == 429:
            self.sleep(float(answer.headers.get("RateLimit-Reset", "10")))
            return {"state": "", "jobs": ()}
        if not answer.ok or not isinstance(answer.content, dict):
            raise BrokenError(f"build {number}: Buildkite answered {answer.message}")
        return answer.content

    def _job(self, number: int, job: dict[str, Any]) -> None:
        key, state = str(job["id"]), str(job.get("state", ""))
        agent = str((job.get("agent") or {}).get("name", ""))
        before = self._reported.get(key, ("", ""))
        self._reported[key] = (state, agent)
        name = job.get("name") or job.get("label") or "job"
        if agent and agent != before[1]:
            self.tell(f"--- {name}: agent {agent}")
        if state and state != before[0]:
            status = job.get("exit_status")
            told = "" if status is None else f", exit status {status}"
            self.tell(f"--- {name}: {state}{told}")
        if state not in {"scheduled", "assigned", "reserved", "waiting"}:
            self._log(number, key, whole=state in _ENDED)

    def _log(self, number: int, job: str, *, whole: bool) -> None:
        """Print the new lines of the log; an unfinished last line only if the job has ended."""
        answer = self.api.call("GET", f"{self.base}/builds/{number}/jobs/{job}/log")
        if not answer.ok or not isinstance(answer.content, dict):
            return
        text = _CODES.sub("", str(answer.content.get("content", ""))).replace("\r\n", "\n")
        new = text[self._log_lengths.get(job, 0) :]
        if not whole:
            new = new[: new.rfind("\n") + 1]
        self._log_lengths[job] = self._log_lengths.get(job, 0) + len(new)
        # The lines together: a key has several.
        for line in scrub(new).splitlines():
            self.tell(f"    {line}")

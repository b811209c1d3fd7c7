"""The Buildkite port over the Stacks API.

Source of every fact: buildkite/docs apis/agent_api/stacks.md and agent/self-hosted/
job-acquisition-tokens.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from mayfly.adapters.buildkite.rate_limits import Allowance
from mayfly.adapters.buildkite.stacks_calls import Refused, StacksCalls
from mayfly.answers import Job, Listing
from mayfly.batched import batched
from mayfly.errors import Conflict, Misconfigured, Transient
from mayfly.scrubbing import hide, scrub

PAGES = 5
"""Pages of 1000 jobs that one list reads; jobs beyond wait until earlier jobs are gone."""
_AT_ONCE = 1000
_OWNER = "mayfly-owner"
_LONGEST_KEY = 80
_LONGEST_DETAIL = 4096
_LONGEST_NOTE = 255
"""Buildkite documents 256 characters; its own stack for Kubernetes cuts to 255 bytes."""


def stack_key(account: str, region: str, stack: str) -> str:
    """The key under which Buildkite knows a control plane: at most 80 bytes.

    A longer name is cut and ends with a hash of the whole name.
    """
    name = f"mayfly-{account}-{region}-{stack}"
    if len(name) <= _LONGEST_KEY:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{name[: _LONGEST_KEY - 17]}-{digest}"


class Stacks:
    """Implements `mayfly.ports.Buildkite`. Thread-safe: `dispatch` lists queues in parallel."""

    def __init__(
        self,
        calls: StacksCalls,
        key: str,
        lists: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`key` comes from `stack_key`; `lists` is the limit of list calls in any second."""
        self._calls = calls
        self._key = key
        self._lists = Allowance(lists, clock)

    def register(self, queue: str, owner: str) -> None:
        """See `mayfly.ports.Buildkite`.

        No call shows a stack without registering the stack, and registering is documented to
        update. So a foreign owner shows only if Buildkite keeps the earlier metadata, and no
        source says so. Against accidents the key itself has account, region and stack name.
        """
        body = {
            "key": self._key,
            "type": "custom",
            "queue_key": queue,
            "metadata": {_OWNER: owner},
        }
        answer = self._calls.call("register", "POST", "stacks/register", body)
        metadata = answer.get("metadata")
        if isinstance(metadata, dict) and metadata.get(_OWNER) != owner:
            found = metadata.get(_OWNER, "an owner other than Mayfly")
            raise Misconfigured(f"the Buildkite stack {self._key} belongs to {found}")

    def jobs(self, queue: str) -> Listing:
        """See `mayfly.ports.Buildkite`.

        Reads at most PAGES pages; stops early, without an error, when this second's list calls
        are used up. Raises Transient when no call is left for the first page.
        """
        jobs: dict[str, Job] = {}
        paused = False
        for page in self._pages(queue):
            with _readable("scheduled-jobs"):
                jobs.update((job.id, job) for job in map(_job, page["jobs"]))
                paused = paused or _paused(page)
        return Listing(tuple(jobs.values()), paused)

    def reserve(self, jobs: Sequence[str], seconds: int) -> frozenset[str]:
        """See `mayfly.ports.Buildkite`."""
        reserved: set[str] = set()
        for batch in batched(jobs, _AT_ONCE):
            body = {"job_uuids": batch, "reservation_expiry_seconds": seconds}
            answer = self._stack("batch-reserve", "PUT", "scheduled-jobs/batch-reserve", body)
            with _readable("batch-reserve"):
                reserved.update(answer["reserved"])
        return frozenset(reserved.intersection(jobs))

    def environment(self, job: str) -> Mapping[str, str]:
        """See `mayfly.ports.Buildkite`. The environment may be larger than 100 KB."""
        answer = self._stack("job", "GET", f"jobs/{quote(job, safe='')}")
        with _readable("job"):
            return {name: str(value) for name, value in answer["env"].items() if value is not None}

    def states(self, jobs: Sequence[str]) -> Mapping[str, str]:
        """See `mayfly.ports.Buildkite`."""
        states: dict[str, str] = {}
        for batch in batched(jobs, _AT_ONCE):
            answer = self._stack("get-states", "POST", "jobs/get-states", {"job_uuids": batch})
            with _readable("get-states"):
                states.update((job, str(state)) for job, state in answer["states"].items())
        return states

    def tokens(self, jobs: Sequence[str], seconds: int) -> Mapping[str, str]:
        """See `mayfly.ports.Buildkite`."""
        tokens: dict[str, str] = {}
        for batch in batched(jobs, _AT_ONCE):
            body = {"job_uuids": batch, "token_lifetime_seconds": seconds}
            answer = self._stack("tokens", "POST", "job-acquisition-tokens", body)
            with _readable("tokens"):
                for issued in answer["job_acquisition_tokens"]:
                    tokens[issued["job_uuid"]] = issued["job_acquisition_token"]
                    hide(issued["job_acquisition_token"])
        return tokens

    def finish(self, job: str, reason: str) -> None:
        """See `mayfly.ports.Buildkite`. The job's page shows at most 4096 bytes of the reason."""
        detail = scrub(reason).encode()[:_LONGEST_DETAIL].decode(errors="ignore")
        # Exit status 0 would pass the job, and Buildkite's default without a status may change.
        body = {"exit_status": -1, "detail": detail}
        try:
            self._stack("finish", "POST", f"jobs/{quote(job, safe='')}/finish", body)
        except Refused as error:
            raise Conflict(str(error)) from error

    def notify(self, notes: Mapping[str, str]) -> Mapping[str, str]:
        """See `mayfly.ports.Buildkite`. Good notes of a call with bad ones are kept."""
        refused: dict[str, str] = {}
        for batch in batched(notes, _AT_ONCE):
            entries = [{"job_uuid": job, "detail": _cut(scrub(notes[job]))} for job in batch]
            body = {"notifications": entries}
            answer = self._stack("notifications", "POST", "notifications", body)
            refused.update(_refusals(answer.get("errors"), batch))
        return refused

    def _pages(self, queue: str) -> Iterator[Mapping[str, Any]]:
        query = {"queue_key": queue, "limit": str(_AT_ONCE)}
        for number in range(PAGES):
            if wait := self._lists.take():
                if number:
                    return
                raise Transient("scheduled-jobs: no list call left this second", retry_after=wait)
            page = self._stack("scheduled-jobs", "GET", "scheduled-jobs", query=query)
            yield page
            place = page.get("page_info") or {}
            if not place.get("has_next_page") or not place.get("end_cursor"):
                return
            query["after"] = place["end_cursor"]

    def _stack(
        self,
        endpoint: str,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        return self._calls.call(endpoint, method, f"stacks/{self._key}/{path}", body, query)


def _refusals(errors: object, jobs: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pairs of job id and refusal. Unreadable errors are skipped: nothing depends on them."""
    for error in errors if isinstance(errors, list) else ():
        indexes = error.get("indexes") if isinstance(error, dict) else None
        for index in indexes if isinstance(indexes, list) else ():
            if isinstance(index, int) and 0 <= index < len(jobs):
                yield jobs[index], str(error.get("error"))


def _cut(text: str) -> str:
    """The text in at most 255 bytes; a text that was cut ends with an ellipsis."""
    if len(text.encode()) <= _LONGEST_NOTE:
        return text
    mark = "…"
    return text.encode()[: _LONGEST_NOTE - len(mark.encode())].decode(errors="ignore") + mark


def _paused(page: Mapping[str, Any]) -> bool:
    """Whether the queue is paused.

    Buildkite documents the field `dispatch_paused`; Buildkite's own client reads `paused`.
    """
    queue = page.get("cluster_queue") or {}
    return bool(queue.get("dispatch_paused") or queue.get("paused"))


def _job(listed: Mapping[str, Any]) -> Job:
    build = listed["build"]
    return Job(
        id=listed["id"],
        priority=int(listed.get("priority") or 0),
        rules=tuple(str(rule) for rule in listed["agent_query_rules"] or ()),
        # A list without `runnable_at` has `scheduled_at`, the time of the job's creation.
        runnable_at=datetime.fromisoformat(
            listed.get("runnable_at") or listed["scheduled_at"]
        ).astimezone(UTC),
        pipeline=listed["pipeline"]["slug"] or "",
        build=int(build["number"] or 0),
        branch=build["branch"] or "",
        step=listed["step"]["key"] or "",
    )


@contextmanager
def _readable(endpoint: str) -> Iterator[None]:
    """Raise Transient for an answer in an undocumented form: it may be a proxy's and pass."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Transient(f"{endpoint}: unreadable answer from Buildkite: {error!r}") from error

"""The Buildkite port over the Stacks API.

Source of every fact: buildkite/docs apis/agent_api/stacks.md and agent/self-hosted/
job-acquisition-tokens.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import quote

from mayfly.adapters.buildkite.rate_limits import Allowance
from mayfly.adapters.buildkite.stacks_calls import Refused, Request, StacksCalls
from mayfly.adapters.elements import UNREADABLE, Elements, mapping, optional_string, string
from mayfly.answers import Job, Listing
from mayfly.batched import batched
from mayfly.errors import Conflict, ForeignStack, Transient
from mayfly.records.about import Fields, fields
from mayfly.records.bounds import LONGEST_NOTE, cut
from mayfly.scrubbing import hide, scrub
from mayfly_protocol.moments import read_moment

Thing = TypeVar("Thing")

PAGES = 5
"""Pages of 1000 jobs that one list reads; jobs beyond wait until earlier jobs are gone."""
_AT_ONCE = 1000
_OWNER = "mayfly-owner"
_LONGEST_KEY = 80
_LONGEST_DETAIL = 4096
_LARGEST = 1 << 63
_LARGEST_RULES = 10_000
"""Bytes of a job's agent query rules, which the job's record holds."""
_LONGEST_NAME = 500


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
        self._elements = Elements(clock)

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
        answer = self._calls.call(Request("register", "POST", "stacks/register", body, queue=queue))
        metadata = answer.get("metadata")
        if isinstance(metadata, dict) and metadata.get(_OWNER) != owner:
            found = metadata.get(_OWNER, "an owner other than Mayfly")
            raise ForeignStack(f"the Buildkite stack {self._key} belongs to {found}")

    def jobs(self, queue: str) -> Listing:
        """See `mayfly.ports.Buildkite`.

        Reads at most PAGES pages; stops early, without an error, when this second's list calls
        are used up. Raises Transient when no call is left for the first page.
        """
        jobs: dict[str, Job] = {}
        paused = False
        for page in self._pages(queue):
            with self._readable("scheduled-jobs"):
                paused = paused or _paused(page)
                what = f"queue {queue}, listed job"
                for job in self._read(what, page["jobs"], _job, name="id"):
                    jobs[job.id] = job
        return Listing(tuple(jobs.values()), paused)

    def reserve(self, jobs: Sequence[str], seconds: int, queue: str = "") -> frozenset[str]:
        """See `mayfly.ports.Buildkite`."""
        reserved: set[str] = set()
        for batch in batched(jobs, _AT_ONCE):
            body = {"job_uuids": batch, "reservation_expiry_seconds": seconds}
            path = "scheduled-jobs/batch-reserve"
            answer = self._stack(Request("batch-reserve", "PUT", path, body=body, queue=queue))
            with self._readable("batch-reserve"):
                reserved.update(
                    self._elements.read("reserved job", answer["reserved"], string, name="")
                )
        return frozenset(reserved.intersection(jobs))

    def environment(self, job: str) -> Mapping[str, str]:
        """See `mayfly.ports.Buildkite`. The environment may be larger than 100 KB."""
        answer = self._stack(Request("job", "GET", f"jobs/{quote(job, safe='')}"))
        with self._readable("job"):
            env = {name: value for name, value in answer["env"].items() if value is not None}
            return {name: _variable(name, value) for name, value in env.items()}

    def states(self, jobs: Sequence[str]) -> Mapping[str, str]:
        """See `mayfly.ports.Buildkite`."""
        states: dict[str, str] = {}
        for batch in batched(jobs, _AT_ONCE):
            answer = self._stack(
                Request("get-states", "POST", "jobs/get-states", body={"job_uuids": batch})
            )
            with self._readable("get-states"):
                listed = list(answer["states"].items())
                states.update(self._read("state of job", listed, _state, name=""))
        return states

    def tokens(self, jobs: Sequence[str], seconds: int, queue: str = "") -> Mapping[str, str]:
        """See `mayfly.ports.Buildkite`."""
        tokens: dict[str, str] = {}
        for batch in batched(jobs, _AT_ONCE):
            body = {"job_uuids": batch, "token_lifetime_seconds": seconds}
            answer = self._stack(
                Request("tokens", "POST", "job-acquisition-tokens", body=body, queue=queue)
            )
            with self._readable("tokens"):
                issued = answer["job_acquisition_tokens"]
                tokens.update(self._read("token of job", issued, _token, name="job_uuid"))
        return tokens

    def finish(self, job: str, reason: str, queue: str = "") -> None:
        """See `mayfly.ports.Buildkite`. The job's page shows at most 4096 bytes of the reason."""
        detail = scrub(reason).encode()[:_LONGEST_DETAIL].decode(errors="ignore")
        # Exit status 0 would pass the job, and Buildkite's default without a status may change.
        body = {"exit_status": -1, "detail": detail}
        try:
            path = f"jobs/{quote(job, safe='')}/finish"
            self._stack(Request("finish", "POST", path, body=body, queue=queue))
        except Refused as error:
            raise Conflict(str(error)) from error

    def notify(self, notes: Mapping[str, str]) -> Mapping[str, str]:
        """See `mayfly.ports.Buildkite`. Good notes of a call with bad ones are kept."""
        refused: dict[str, str] = {}
        for batch in batched(notes, _AT_ONCE):
            texts = {job: cut(scrub(notes[job]), LONGEST_NOTE) for job in batch}
            entries = [{"job_uuid": job, "detail": text} for job, text in texts.items()]
            body = {"notifications": entries}
            answer = self._stack(Request("notifications", "POST", "notifications", body=body))
            refused.update(_refusals(answer.get("errors"), batch))
        return refused

    def _pages(self, queue: str) -> Iterator[Mapping[str, Any]]:
        query = {"queue_key": queue, "limit": str(_AT_ONCE)}
        for number in range(PAGES):
            if wait := self._lists.take():
                if number:
                    return
                raise Transient("scheduled-jobs: no list call left this second", retry_after=wait)
            page = self._stack(
                Request("scheduled-jobs", "GET", "scheduled-jobs", query=query, queue=queue)
            )
            yield page
            try:
                place = mapping(page.get("page_info"))
                cursor = optional_string(place.get("end_cursor"))
            except TypeError as error:
                # The jobs that were read are good; jobs of later pages wait until these are gone.
                self._elements.note(f"queue {queue}, page_info", error, fields(queues=[queue]))
                return
            if not place.get("has_next_page") or not cursor:
                return
            query["after"] = cursor

    def _read(
        self, what: str, elements: object, parse: Callable[[Any], Thing], *, name: str
    ) -> list[Thing]:
        return self._elements.read(what, elements, parse, name=name, about=_about_job)

    @contextmanager
    def _readable(self, endpoint: str) -> Iterator[None]:
        """Raise Transient for an answer in an undocumented form: a proxy may have made the answer.

        The answer is counted as unreadable, so that an answer that stays so raises an alarm.
        """
        try:
            yield
        except UNREADABLE as error:
            self._elements.note(f"the answer to {endpoint}", error)
            raise Transient(f"{endpoint}: unreadable answer from Buildkite: {error!r}") from error

    def _stack(self, request: Request) -> Mapping[str, Any]:
        """The answer to a request whose path is below this stack's."""
        return self._calls.call(replace(request, path=f"stacks/{self._key}/{request.path}"))


def _refusals(errors: object, jobs: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pairs of job id and refusal. Unreadable errors are skipped: nothing depends on them."""
    for error in errors if isinstance(errors, list) else ():
        indexes = error.get("indexes") if isinstance(error, dict) else None
        for index in indexes if isinstance(indexes, list) else ():
            if isinstance(index, int) and 0 <= index < len(jobs):
                yield jobs[index], str(error.get("error"))


def _paused(page: Mapping[str, Any]) -> bool:
    """Whether the queue is paused.

    Buildkite documents the field `dispatch_paused`; Buildkite's own client reads `paused`.
    """
    queue = mapping(page.get("cluster_queue"))
    return bool(queue.get("dispatch_paused") or queue.get("paused"))


def _job(listed: Mapping[str, Any]) -> Job:
    """The job of one entry in the list. Nulls read as empty, except in id, rules and times."""
    build, pipeline, step = (mapping(listed.get(name)) for name in ("build", "pipeline", "step"))
    # Rules are never guessed: without its rules the job would match every queue.
    rules = listed["agent_query_rules"]
    if not isinstance(rules, list | None):
        raise TypeError(f"agent_query_rules: {type(rules).__name__} in place of a list")
    if (size := len("".join(map(string, rules or ())).encode())) > _LARGEST_RULES:
        raise ValueError(f"agent_query_rules: {size} bytes, of {_LARGEST_RULES} at most")
    return Job(
        id=string(listed["id"]),
        priority=_number(listed.get("priority")),
        rules=tuple(map(string, rules or ())),
        # A list without `runnable_at` has `scheduled_at`, the time of the job's creation.
        runnable_at=read_moment(listed.get("runnable_at") or listed["scheduled_at"]),
        pipeline=_name(pipeline.get("slug")),
        build=_number(build.get("number")),
        branch=optional_string(build.get("branch")),
        step=_name(step.get("key")),
    )


def _name(value: object) -> str:
    """The value, which must be text; empty for null. A long text is cut: only people read it."""
    return cut(optional_string(value), _LONGEST_NAME)


def _number(value: object) -> int:
    """The value, which must be a whole number; 0 for null."""
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{type(value).__name__} in place of a number")
    if abs(value) >= _LARGEST:
        raise OverflowError("a number of more than 64 bits")
    return value


def _state(entry: tuple[str, object]) -> tuple[str, str]:
    job, state = entry
    if not isinstance(state, str):
        raise TypeError(f"job {job}: {type(state).__name__} in place of a state")
    return job, state


def _token(issued: Mapping[str, Any]) -> tuple[str, str]:
    """Job id and token of one entry. No error repeats the token."""
    token = string(issued["job_acquisition_token"])
    hide(token)
    return string(issued["job_uuid"]), token


def _variable(name: str, value: object) -> str:
    """The value of an environment variable; Buildkite sends text."""
    if not isinstance(value, str | int | float):
        raise TypeError(f"{name}: {type(value).__name__} in place of a text")
    return str(value)


def _about_job(job: str) -> Fields:
    return fields(jobs=[job])

"""The contract's client of an emulator, and a clock for tests to advance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import requests

from buildkite_emulator import Buildkite, BuildRequest, JobView, Timings
from mayfly_cli.check_buildkite.suite.client import ONE_JOB, STACK, Client, Session

__all__ = ["ONE_JOB", "STACK", "Clock", "Contract", "Run", "Session", "contract"]


class Clock:
    """A clock that advances only at a test's request."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@dataclass
class Contract(Client):
    """An emulator and its client."""

    buildkite: Buildkite
    clock: Clock
    http: requests.Session = field(default_factory=requests.Session)

    @property
    def url(self) -> str:
        return self.buildkite.url

    @property
    def agent_token(self) -> str:
        return self.buildkite.agent_token

    @property
    def api_token(self) -> str:
        return self.buildkite.api_token

    @property
    def organization(self) -> str:
        return self.buildkite.settings.organization

    @property
    def cluster_id(self) -> str:
        return self.buildkite.settings.cluster_id

    def jobs(self, steps: str = ONE_JOB, request: BuildRequest | None = None) -> list[JobView]:
        self.buildkite.add_pipeline("demo", steps, "https://git.example.org/demo.git")
        return list(self.buildkite.create_build("demo", request).jobs)


class Run:
    """A build in which each job is named by its command, one letter."""

    def __init__(self, bk: Contract, steps: str) -> None:
        self.bk = bk
        bk.buildkite.add_pipeline("demo", steps, "https://git.example.org/demo.git")
        self.id = bk.buildkite.create_build("demo").id

    def job_id(self, command: str) -> str:
        jobs = self.bk.buildkite.build(self.id).jobs
        return [job for job in jobs if job.command == command][-1].id

    def end(self, command: str, how: str) -> None:
        job_id = self.job_id(command)
        if how == "cancel":
            self.bk.buildkite.cancel_job(job_id)
        else:
            self.bk.running(job_id).finish(how)

    def states(self) -> dict[str, str]:
        jobs = self.bk.buildkite.build(self.id).jobs
        return {job.command: job.outcome or str(job.state) for job in jobs}

    @property
    def state(self) -> str:
        return self.bk.buildkite.build(self.id).state


@contextmanager
def contract(
    *queues: str, timings: Timings | None = None, stack: bool = True
) -> Iterator[Contract]:
    """An emulator and its client, until the end of the context."""
    clock = Clock()
    buildkite = Buildkite(clock, queues=queues or ("default", "deploy"), timings=timings)
    buildkite.start()
    made = Contract(buildkite, clock)
    try:
        if stack:
            assert made.register_stack().status_code == 201
            clock.advance(seconds=1)
        yield made
    finally:
        made.http.close()
        buildkite.close()

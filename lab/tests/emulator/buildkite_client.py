"""A plain HTTP client for the emulator's contract, and the clock that its tests turn."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from buildkite_emulator import Buildkite, BuildRequest, JobView, Timings

STACK = "mayfly-test"
ELSEWHERE = "MAYFLY_CONTRACT_AGENT_ENDPOINT"
"""Where it is set, tests marked `remote` are of the Buildkite there, and not of the emulator."""
ONE_JOB = "steps: [{command: make, key: one}]"


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@dataclass
class Session:
    """A registered agent, and the job that it took."""

    contract: Contract
    token: str
    job_id: str = ""
    job_token: str = ""

    def call(self, method: str, path: str, body: object = None, **more: Any) -> requests.Response:
        return self.contract.call(method, path, body, token=self.token, **more)

    def acquire(self, job_id: str) -> requests.Response:
        headers = {"X-Buildkite-Lock-Acquire-Job": "1"}
        answer = self.call("PUT", f"/v3/jobs/{job_id}/acquire", headers=headers)
        if answer.ok:
            self.job_id, self.job_token = job_id, answer.json()["token"]
        return answer

    def job(self, method: str, path: str = "", body: object = None) -> requests.Response:
        target = f"/v3/jobs/{self.job_id}{path}"
        return self.contract.call(method, target, body, token=self.job_token)

    def start(self) -> requests.Response:
        return self.job("PUT", "/start", {"started_at": "2026-11-21T09:00:00Z"})

    def chunk(self, sequence: int, content: bytes) -> requests.Response:
        path = f"/v3/jobs/{self.job_id}/chunks?sequence={sequence}&offset=0&size={len(content)}"
        headers = {
            "Authorization": f"Token {self.job_token}",
            "Content-Encoding": "gzip",
            "Content-Type": "text/plain",
        }
        url = self.contract.url + path
        return self.contract.http.post(url, data=gzip.compress(content), headers=headers)

    def finish(self, exit_status: str, **more: str) -> requests.Response:
        return self.job("PUT", "/finish", {"exit_status": exit_status, **more})


@dataclass
class Contract:
    """An emulator, a client, and short forms for what every test says."""

    buildkite: Buildkite
    clock: Clock
    http: requests.Session = field(default_factory=requests.Session)

    # What a Buildkite elsewhere has as well; `buildkite_remote` puts that one's in their place.

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

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        scheme: str = "Token",
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        every = dict(headers or {})
        if token is not None:
            every["Authorization"] = f"{scheme} {token}"
        url = self.url + path
        return self.http.request(method, url, json=body, headers=every, timeout=30)

    def stack(
        self, method: str, path: str, body: object = None, key: str = STACK
    ) -> requests.Response:
        target = f"/v3/stacks/{key}{path}"
        return self.call(method, target, body, token=self.agent_token)

    def rest(self, method: str, path: str, body: object = None) -> requests.Response:
        target = f"/v2/organizations/{self.organization}{path}"
        return self.call(method, target, body, token=self.api_token, scheme="Bearer")

    def register_stack(self, key: str = STACK, **changes: object) -> requests.Response:
        body = {"key": key, "type": "custom", "queue_key": "default", "metadata": {}, **changes}
        return self.call("POST", "/v3/stacks/register", body, token=self.agent_token)

    def jobs(self, steps: str = ONE_JOB, request: BuildRequest | None = None) -> list[JobView]:
        self.buildkite.add_pipeline("demo", steps, "https://git.example.org/demo.git")
        return list(self.buildkite.create_build("demo", request).jobs)

    def one_job(self, steps: str = ONE_JOB) -> str:
        return self.jobs(steps)[0].id

    def reserve(self, *ids: str, key: str = STACK, **more: object) -> requests.Response:
        body = {"job_uuids": list(ids), **more}
        return self.stack("PUT", "/scheduled-jobs/batch-reserve", body, key)

    def listed(self, queue: str = "default", query: str = "") -> list[str]:
        answer = self.stack("GET", f"/scheduled-jobs?queue_key={queue}{query}")
        return [job["id"] for job in answer.json()["jobs"]]

    def state(self, job_id: str) -> str:
        answer = self.stack("POST", "/jobs/get-states", {"job_uuids": [job_id]})
        state: str = answer.json()["states"][job_id]
        return state

    def registration(
        self, token: str | None = None, tags: tuple[str, ...] = (), version: str = "3.83.1"
    ) -> requests.Response:
        body = {
            "name": "agent-1",
            "hostname": "h",
            "os": "linux",
            "arch": "amd64",
            "script_eval_enabled": True,
            "ignore_in_dispatches": True,
            "version": version,
            "build": "x",
            "meta_data": list(tags),
            "pid": 1,
            "machine_id": "m",
            "features": ["acquire-job"],
        }
        given = self.agent_token if token is None else token
        return self.call("POST", "/v3/register", body, token=given)

    def agent(
        self, token: str | None = None, tags: tuple[str, ...] = (), version: str = "3.83.1"
    ) -> Session:
        answer = self.registration(token, tags, version)
        assert answer.status_code == 200, answer.text
        session = Session(self, answer.json()["access_token"])
        assert session.call("POST", "/v3/connect").ok
        return session

    def running(self, job_id: str, version: str = "3.83.1") -> Session:
        session = self.agent(version=version)
        assert session.acquire(job_id).ok
        assert session.start().ok
        return session


class Run:
    """A build whose jobs are told by the letter that is their command."""

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
    """An emulator with its client; the Buildkite that the environment names, where it does."""
    if os.environ.get(ELSEWHERE):
        from emulator.buildkite_remote import elsewhere  # it imports this module

        with elsewhere(register=stack) as remote:
            yield remote
        return
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

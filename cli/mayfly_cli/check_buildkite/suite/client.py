"""A plain HTTP client of Buildkite's APIs, with short forms of the calls that most tests make."""

from __future__ import annotations

import gzip
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import requests

STACK = "mayfly-test"
ONE_JOB = "steps: [{command: make, key: one}]"


class Job(Protocol):
    """The attributes of a job that the tests read."""

    @property
    def id(self) -> str: ...

    @property
    def build_id(self) -> str: ...

    @property
    def command(self) -> str: ...


@dataclass
class Session:
    """A registered agent, and the job that this agent has acquired; empty before."""

    contract: Client
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


def with_authorization(
    headers: Mapping[str, str] | None, token: str | None, scheme: str
) -> dict[str, str]:
    """The headers of a call; without a token, no Authorization is added."""
    authorization = {"Authorization": f"{scheme} {token}"} if token is not None else {}
    return {**(headers or {}), **authorization}


class Client(ABC):
    """A Buildkite: addresses, tokens, and a way to create jobs."""

    http: requests.Session

    @property
    @abstractmethod
    def url(self) -> str:
        """The address of the agent API, without `/v3`."""

    @property
    @abstractmethod
    def agent_token(self) -> str: ...

    @property
    @abstractmethod
    def api_token(self) -> str: ...

    @property
    @abstractmethod
    def organization(self) -> str: ...

    @property
    @abstractmethod
    def cluster_id(self) -> str: ...

    @abstractmethod
    def jobs(self, steps: str = ONE_JOB) -> Sequence[Job]:
        """The jobs of a new build of these steps."""

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
        every = with_authorization(headers, token, scheme)
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

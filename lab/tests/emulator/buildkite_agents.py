"""Agents as processes, so that one table of tests runs with a real agent and with the stand-in."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from buildkite_emulator import Buildkite, JobView, Timings
from mayfly_lab.agents import archive

PATIENCE_SECONDS = 60
REAL = shutil.which("buildkite-agent")


class MovableClock:
    """The real time plus an offset that a test may increase."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Agent:
    """A started agent in its own session."""

    process: subprocess.Popen[bytes]
    output: Path

    def exit_status(self) -> int:
        """Wait for the agent's end. Returns its exit status."""
        return self.process.wait(PATIENCE_SECONDS)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the agent only, not to its job."""
        self.process.send_signal(number)


@dataclass
class Room:
    """An emulator, a repository, and a directory for agents."""

    buildkite: Buildkite
    clock: MovableClock
    program: Path
    place: Path

    @property
    def hooks(self) -> Path:
        """The agent's hooks directory."""
        return self.place / "hooks"

    def hook(self, name: str, text: str) -> None:
        """Write a hook for the agent."""
        self.hooks.mkdir(exist_ok=True)
        path = self.hooks / name
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)

    def job(self, command: str, attributes: str = "") -> JobView:
        """Create a build of one job. Returns the job."""
        # Buildkite must not interpolate the variables of the job's shell.
        lines = "".join(f"      {line}\n" for line in command.replace("$", "$$").splitlines())
        steps = f"steps:\n  - command: |\n{lines}    {attributes}\n"
        url = self.buildkite.repository_url("demo")
        self.buildkite.add_pipeline("demo", steps, url)
        return self.buildkite.create_build("demo").jobs[0]

    def acquisition_token(self, job_id: str) -> str:
        """Reserve the job as a stack. Returns a job acquisition token for it."""
        headers = {"Authorization": f"Token {self.buildkite.agent_token}"}
        stacks = f"{self.buildkite.agent_endpoint}/stacks"
        registration = {"key": "s", "type": "custom", "queue_key": "default", "metadata": {}}
        ids = {"job_uuids": [job_id]}
        with requests.Session() as http:
            http.headers.update(headers)
            http.post(f"{stacks}/register", json=registration, timeout=30)
            http.put(f"{stacks}/s/scheduled-jobs/batch-reserve", json=ids, timeout=30)
            issued = http.post(f"{stacks}/s/job-acquisition-tokens", json=ids, timeout=30).json()
        token: str = issued["job_acquisition_tokens"][0]["job_acquisition_token"]
        return token

    def start(self, job_id: str, tags: str = "queue=default", **variables: str) -> Agent:
        """Start an agent for a job."""
        output = self.place / f"agent-{time.monotonic_ns()}.log"
        env = {
            "HOME": str(self.place),
            "PATH": os.environ["PATH"],
            "BUILDKITE_AGENT_TOKEN": self.buildkite.agent_token,
            "BUILDKITE_AGENT_ENDPOINT": self.buildkite.agent_endpoint,
            "BUILDKITE_AGENT_NAME": "agent-1",
            "BUILDKITE_AGENT_TAGS": tags,
            "BUILDKITE_BUILD_PATH": str(self.place / "builds"),
            "BUILDKITE_HOOKS_PATH": str(self.hooks),
            "BUILDKITE_PLUGINS_PATH": str(self.place / "plugins"),
            "BUILDKITE_SOCKETS_PATH": str(self.place / "s"),
            **variables,
        }
        with output.open("wb") as file:
            process = subprocess.Popen(
                [str(self.program), "start", "--acquire-job", job_id],
                env=env,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        return Agent(process, output)

    def run(self, command: str, attributes: str = "", **variables: str) -> tuple[int, JobView]:
        """Run a job of one command. Returns the agent's exit status and the ended job."""
        job = self.job(command, attributes)
        status = self.start(job.id, **variables).exit_status()
        return status, self.buildkite.job(job.id)

    def wait_for(self, what: Callable[[], bool]) -> None:
        """Poll until `what` returns a true value, for at most PATIENCE_SECONDS."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not what():
            assert time.monotonic() < end, "the condition was not met in time"
            time.sleep(0.01)

    def wait_for_output(self, job_id: str, text: bytes) -> None:
        """Wait until the job's log contains this text."""
        self.wait_for(lambda: text in self.buildkite.log(job_id))


def program(kind: str, place: Path) -> Path:
    """The real agent from PATH, or the stand-in, packed as for machines."""
    if kind == "real":
        if REAL is None:
            pytest.skip("no buildkite-agent on PATH")
        return Path(REAL)
    packed = place / "stand-in" / "buildkite-agent"
    packed.parent.mkdir()
    packed.write_bytes(archive.stand_in())
    packed.chmod(0o755)
    return packed


@contextmanager
def room(kind: str, place: Path) -> Iterator[Room]:
    """An emulator and a room for one test; agents that outlive the test are ended by process id."""
    clock = MovableClock()
    timings = Timings(heartbeat_interval=1, lost_after=timedelta(minutes=30))
    buildkite = Buildkite(clock, queues=("default", "deploy"), timings=timings)
    buildkite.start()
    source = place / "source"
    source.mkdir()
    (source / "greeting.txt").write_text("hello from the repository\n")
    buildkite.add_repository("demo", source)
    made = _Watched(buildkite, clock, program(kind, place), place)
    try:
        yield made
    finally:
        for agent in made.started:
            if agent.process.poll() is None:
                agent.process.kill()
                agent.process.wait(PATIENCE_SECONDS)
        buildkite.close()


class _Watched(Room):
    def __init__(
        self, buildkite: Buildkite, clock: MovableClock, program: Path, place: Path
    ) -> None:
        super().__init__(buildkite, clock, program, place)
        self.started: list[Agent] = []

    def start(self, job_id: str, tags: str = "queue=default", **variables: str) -> Agent:
        agent = super().start(job_id, tags, **variables)
        self.started.append(agent)
        return agent

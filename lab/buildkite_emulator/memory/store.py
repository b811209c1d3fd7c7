"""All that the emulator knows, in memory. Whoever touches it holds `lock`."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

from buildkite_emulator.annotations.board import AnnotationBoard
from buildkite_emulator.artifacts.shelf import ArtifactShelf
from buildkite_emulator.artifacts.storage import ObjectStorage
from buildkite_emulator.cluster_secrets.vault import Vault
from buildkite_emulator.jobs.logs import JobLog
from buildkite_emulator.jobs.states import ENDED
from buildkite_emulator.oidc.issuer import Issuer

from .records import AcquisitionToken, Agent, Build, Job, Pipeline, Stack
from .settings import Settings
from .views import JobEvent, JobView, job_view


class Store:
    """The records, and the few indexes that the calls need."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lock = threading.RLock()
        self.pipelines: dict[str, Pipeline] = {}
        self.builds: dict[str, Build] = {}
        self.jobs: dict[str, Job] = {}
        self.agents: dict[str, Agent] = {}
        self.stacks: dict[str, Stack] = {}
        self.api_scopes: dict[str, frozenset[str]] = {}
        """Users' tokens that may not do everything, with what they may."""
        self.acquisition_tokens: dict[str, AcquisitionToken] = {}
        self.logs: defaultdict[str, JobLog] = defaultdict(JobLog)
        self.meta_data: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self.artifacts = ArtifactShelf()
        self.objects = ObjectStorage()
        self.annotations = AnnotationBoard()
        self.issuer = Issuer()
        self.secrets = Vault()
        self.step_notices: defaultdict[str, list[object]] = defaultdict(list)
        """What `step update notify` asked for, by step."""
        self.step_updates: set[str] = set()
        """The ids of updates that were done: agents repeat them after a lost answer."""
        self.forced_ends: dict[str, datetime] = {}
        """When a job that was cancelled with force is over, whatever its agent does."""
        self._jobs_of_build: defaultdict[str, list[str]] = defaultdict(list)
        self._open_jobs: dict[str, None] = {}
        self._agents_by_token: dict[str, str] = {}
        self._jobs_by_token: dict[str, str] = {}
        self._events: list[JobEvent] = []

    def put_job(self, job: Job, now: datetime) -> Job:
        """Keep a new or changed job; a change of state becomes an event. Returns the job."""
        before = self.jobs.get(job.id)
        if before is None:
            self._jobs_of_build[job.build_id].append(job.id)
        elif before.token and before.token != job.token:
            del self._jobs_by_token[before.token]
        if job.token:
            self._jobs_by_token[job.token] = job.id
        self.jobs[job.id] = job
        if job.state in ENDED:
            self._open_jobs.pop(job.id, None)
        else:
            self._open_jobs[job.id] = None
        if before is None or before.state is not job.state:
            state = before.state if before else None
            self._events.append(JobEvent(now, state, self.view(job)))
        return job

    def detach_job(self, job: Job) -> None:
        """Leave a job out of its build from now on: its step was replaced before it began."""
        self._jobs_of_build[job.build_id].remove(job.id)

    def put_agent(self, agent: Agent) -> Agent:
        """Keep a new or changed agent. Returns it."""
        self.agents[agent.id] = agent
        self._agents_by_token[agent.token] = agent.id
        return agent

    def has_events(self) -> bool:
        """Whether there are any since `take_events` was last called."""
        return bool(self._events)

    def take_events(self) -> list[JobEvent]:
        """The events since the last call."""
        events, self._events = self._events, []
        return events

    def open_jobs(self) -> list[Job]:
        """Jobs to which something can still happen by itself, oldest first."""
        return [self.jobs[job_id] for job_id in self._open_jobs]

    def jobs_of(self, build: Build) -> Iterator[Job]:
        """The build's jobs in the order in which they were made, retries too."""
        return (self.jobs[job_id] for job_id in self._jobs_of_build[build.id])

    def job_by_token(self, token: str) -> Job | None:
        """The running job whose token this is; None once the job is over."""
        job_id = self._jobs_by_token.get(token)
        return None if job_id is None else self.jobs[job_id]

    def agent_by_token(self, token: str) -> Agent | None:
        """The agent whose session this is, whatever its state."""
        agent_id = self._agents_by_token.get(token)
        return None if agent_id is None else self.agents[agent_id]

    def agent_of(self, job: Job) -> Agent | None:
        """The agent that has or had the job."""
        return None if job.agent_id is None else self.agents[job.agent_id]

    def view(self, job: Job) -> JobView:
        """The job as the lab may see it."""
        return job_view(job, self.builds[job.build_id], self.agent_of(job))

    def build_by_number(self, pipeline: str, number: int) -> Build | None:
        """A build by the number that people use."""
        builds = (b for b in self.builds.values() if b.pipeline.slug == pipeline)
        return next((build for build in builds if build.number == number), None)

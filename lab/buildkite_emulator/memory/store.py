"""All data of the emulator, in memory. Every access holds `lock`."""

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

from .agent_tokens import AgentToken
from .records import AcquisitionToken, Agent, Build, Job, Pipeline, Stack
from .settings import Settings
from .views import JobEvent, JobView, job_view


class Store:
    """The records, and the indexes for the calls."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lock = threading.RLock()
        self.pipelines: dict[str, Pipeline] = {}
        self.builds: dict[str, Build] = {}
        self.jobs: dict[str, Job] = {}
        self.agents: dict[str, Agent] = {}
        self.stacks: dict[str, Stack] = {}
        self.agent_tokens = {value: AgentToken() for value in settings.agent_tokens}
        """The cluster's agent tokens by value, with their limits."""
        self.api_scopes: dict[str, frozenset[str]] = {}
        """The scopes of users' tokens that do not have all."""
        self.acquisition_tokens: dict[str, AcquisitionToken] = {}
        self.logs: defaultdict[str, JobLog] = defaultdict(JobLog)
        self.meta_data: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self.artifacts = ArtifactShelf()
        self.objects = ObjectStorage()
        self.annotations = AnnotationBoard()
        self.issuer = Issuer()
        self.secrets = Vault()
        self.step_notices: defaultdict[str, list[object]] = defaultdict(list)
        """The notifications set by `step update notify`, by step id."""
        self.step_updates: set[str] = set()
        """Ids of completed step updates: agents repeat them after a lost answer."""
        self.forced_ends: dict[str, datetime] = {}
        """End of each job's grace period after a forced cancel."""
        self._jobs_of_build: defaultdict[str, list[str]] = defaultdict(list)
        self._open_jobs: dict[str, None] = {}
        self._agents_by_token: dict[str, str] = {}
        self._jobs_by_token: dict[str, str] = {}
        self._events: list[JobEvent] = []

    def put_job(self, job: Job, now: datetime) -> Job:
        """Store a new or changed job. Returns the job; a change of state adds an event."""
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
        """Remove a job from its build, for a step that was replaced before it began."""
        self._jobs_of_build[job.build_id].remove(job.id)

    def put_agent(self, agent: Agent) -> Agent:
        """Store a new or changed agent. Returns the agent."""
        self.agents[agent.id] = agent
        self._agents_by_token[agent.token] = agent.id
        return agent

    def has_events(self) -> bool:
        """True if events were added since the last `take_events`."""
        return bool(self._events)

    def take_events(self) -> list[JobEvent]:
        """The events since the last call, in order."""
        events, self._events = self._events, []
        return events

    def open_jobs(self) -> list[Job]:
        """Jobs that can still change by themselves, oldest first."""
        return [self.jobs[job_id] for job_id in self._open_jobs]

    def jobs_of(self, build: Build) -> Iterator[Job]:
        """The build's jobs in creation order, retries included."""
        return (self.jobs[job_id] for job_id in self._jobs_of_build[build.id])

    def job_by_token(self, token: str) -> Job | None:
        """The running job with this token; None after the job's end."""
        job_id = self._jobs_by_token.get(token)
        return None if job_id is None else self.jobs[job_id]

    def agent_by_token(self, token: str) -> Agent | None:
        """The agent with this session token, in any state; None for an unknown token."""
        agent_id = self._agents_by_token.get(token)
        return None if agent_id is None else self.agents[agent_id]

    def agent_of(self, job: Job) -> Agent | None:
        """The job's present or last agent; None without one."""
        return None if job.agent_id is None else self.agents[job.agent_id]

    def view(self, job: Job) -> JobView:
        """The job's read-only view."""
        return job_view(job, self.builds[job.build_id], self.agent_of(job))

    def build_by_number(self, pipeline: str, number: int) -> Build | None:
        """The pipeline's build with this number; None without one."""
        builds = (b for b in self.builds.values() if b.pipeline.slug == pipeline)
        return next((build for build in builds if build.number == number), None)

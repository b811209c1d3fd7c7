"""The emulator's Python interface: start and stop, set-up, queries and control."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Unpack

from . import builds, git
from .builds import BuildRequest
from .contents import BuildContents
from .memory.agent_tokens import limited
from .memory.records import Build, BuildNotice, Job, Pipeline, PipelineSettings
from .memory.settings import Queue, Settings, Timings
from .memory.store import Store
from .memory.tokens import TokenKind, mint, new_id
from .memory.views import BuildView, JobEvent, JobView, StackView
from .serving.application import Application, Clock
from .serving.distance import with_latency
from .serving.faults import Faults
from .serving.http import as_application
from .serving.server import HttpServer

_TICK_SECONDS = 0.2
"""Interval of the emulator's own clock reads; each call reads the clock too."""


class Buildkite(BuildContents):
    """An organisation at Buildkite, with one cluster, on loopback.

    The clock is read once for each call. All methods may be called from any thread.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        queues: Iterable[str] = ("default",),
        timings: Timings | None = None,
        faults: Faults | None = None,
        organization: str = "example",
    ) -> None:
        self.settings = Settings(
            organization=organization,
            queues=tuple(Queue(key) for key in queues),
            timings=timings or Timings(),
        )
        self.faults = faults or Faults()
        self._closing = ExitStack()
        self._git_root = Path(self._closing.enter_context(tempfile.TemporaryDirectory()))
        files = git.GitFiles(self._git_root)
        super().__init__(Application(Store(self.settings), self.faults, clock, files))
        self._stop = threading.Event()
        self._url: str | None = None

    # Set by `start`.
    _server: HttpServer

    @property
    def url(self) -> str:
        """The emulator's URL without a path; `/v3`, `/v2` and `/git` are below it.

        Raises:
            RuntimeError: the emulator was not started.
        """
        if self._url is None:
            raise RuntimeError("the emulator was not started")
        return self._url

    @property
    def agent_endpoint(self) -> str:
        """The endpoint for agents and stacks."""
        return f"{self.url}/v3"

    @property
    def agent_token(self) -> str:
        """The cluster's agent token."""
        return self.settings.agent_tokens[0]

    @property
    def api_token(self) -> str:
        """A user's REST API token with every scope."""
        return self.settings.api_tokens[0]

    def limit_agent_token(
        self,
        *,
        permissions: Iterable[str] | None = None,
        queues: Iterable[str] | None = None,
        addresses: Iterable[str] | None = None,
        expires: datetime | None = None,
    ) -> None:
        """Give the cluster's agent token these limits in place of all former ones.

        None limits nothing; `queues` are keys, `addresses` CIDR blocks.
        """

        def keep(store: Store, _: datetime) -> None:
            store.agent_tokens[self.agent_token] = limited(
                store.agent_tokens[self.agent_token],
                permissions=permissions,
                queues=queues,
                addresses=addresses,
                expires=expires,
            )

        self._application.transact(keep)

    def issue_api_token(self, *scopes: str) -> str:
        """A new REST API token with these scopes only, such as `read_builds`."""
        minted = mint(TokenKind.API)

        def keep(store: Store, _: datetime) -> None:
            store.api_scopes[minted] = frozenset(scopes)

        self._application.transact(keep)
        return minted

    def start(self, port: int = 0, latency: float = 0.0) -> str:
        """Listen on loopback. Returns the URL.

        `latency` is the round trip to the APIs in seconds; git calls have none.

        Raises:
            OSError: the port is taken.
        """
        reached = with_latency(as_application(self._application), latency, near=git.PREFIX)
        self._server = HttpServer(reached, port=port)
        self._server.start()
        self._url = url = self._server.url
        self._application.transact(lambda store, _: store.issuer.set_url(url))
        threading.Thread(target=self._keep_time, name="buildkite-clock", daemon=True).start()
        return self._url

    def adopt(self, listening: socket.socket) -> None:
        """Serve this listening socket too, until it is closed."""
        self._server.adopt(listening)

    def close(self) -> None:
        """Stop listening, drop connections, and remove the repositories."""
        self._stop.set()
        if self._url is not None:
            self._server.stop()
        self._closing.close()

    def subscribe(self, listener: Callable[[JobEvent], None]) -> None:
        """Call the listener for every created job and every change of a job's state, in order.

        Calls happen outside the emulator's lock and never concurrently; the listener may call the
        emulator.
        """
        self._application.subscribe(listener)

    def add_repository(
        self, name: str, source: Path, branches: Sequence[str] = ()
    ) -> git.Repository:
        """Serve a directory as a git repository under `repository_url(name)`.

        The repository has the branches of the directory's own repository, or `main`, and
        `branches`.

        Raises:
            subprocess.CalledProcessError: git failed.
        """
        return git.make_bare(source, self._git_root / f"{name}.git", branches=branches)

    def repository_url(self, name: str) -> str:
        """The clone URL of an added repository."""
        return f"{self.url}{git.PREFIX}{name}.git"

    def add_pipeline(
        self,
        slug: str,
        configuration: str,
        repository: str,
        **settings: Unpack[PipelineSettings],
    ) -> None:
        """Create or replace the pipeline with this slug. A build reads the YAML at its creation."""
        pipeline = Pipeline(new_id(), slug, slug, configuration, repository, **settings)

        def keep(store: Store, _: datetime) -> None:
            store.pipelines[slug] = pipeline

        self._application.transact(keep)

    def create_build(self, pipeline: str, request: BuildRequest | None = None) -> BuildView:
        """Create a build. Returns its view.

        Raises:
            KeyError: no pipeline has this slug.
            PipelineError: the pipeline's configuration is invalid.
        """

        def create(store: Store, now: datetime) -> BuildView:
            chosen = store.pipelines[pipeline]
            build = builds.create(store, chosen, request or BuildRequest(), now)
            return _build_view(store, build)

        return self._application.transact(create)

    def cancel_build(self, build_id: str) -> None:
        """Cancel a build with all its jobs.

        Raises:
            RefusedError: the build is over.
        """
        self._application.transact(
            lambda store, now: builds.cancel(store, store.builds[build_id], now)
        )

    def cancel_job(self, job_id: str) -> None:
        """Cancel a job: at once before an agent takes it; after that by asking the agent to stop.

        Raises:
            RefusedError: the job is over.
        """
        self._application.transact(
            lambda store, now: builds.cancel_job(store, store.jobs[job_id], now)
        )

    def retry_job(self, job_id: str) -> JobView:
        """Retry a job by hand. Returns the new job.

        Raises:
            RefusedError: the job cannot be retried.
        """
        return self._application.transact(
            lambda store, now: store.view(builds.retry_by_hand(store, store.jobs[job_id], now))
        )

    def build(self, build_id: str) -> BuildView:
        """The build's current view.

        Raises:
            KeyError: no build has this id.
        """
        return self._application.transact(
            lambda store, _: _build_view(store, store.builds[build_id])
        )

    def notices(self) -> Mapping[str, tuple[BuildNotice, ...]]:
        """What the emulator does not carry out of builds, and what needs a person, by build id."""
        return self._application.transact(
            lambda store, _: {build.id: build.notices for build in store.builds.values()}
        )

    def job(self, job_id: str) -> JobView:
        """The job's current view.

        Raises:
            KeyError: no job has this id.
        """
        return self._application.transact(lambda store, _: store.view(store.jobs[job_id]))

    def jobs(self) -> tuple[JobView, ...]:
        """The current views of all jobs, in creation order."""
        return self._application.transact(
            lambda store, _: tuple(map(store.view, store.jobs.values()))
        )

    def log(self, job_id: str) -> bytes:
        """The job's log so far, with time codes and escapes."""
        return self._application.transact(lambda store, _: store.logs[job_id].content())

    def command_output_at(self, job_id: str) -> datetime | None:
        """Time of the command's first output line, by the agent's clock; None before that line."""

        def read(store: Store, _: datetime) -> datetime | None:
            return store.logs[job_id].command_output_at(store.jobs[job_id].step.command)

        return self._application.transact(read)

    def command_began_at(self, job_id: str) -> datetime | None:
        """Start of the job's command phase, by the agent's clock; None before it."""
        return self._application.transact(lambda store, _: store.logs[job_id].command_began_at())

    def calls(self) -> Counter[str]:
        """Number of calls for each endpoint name so far; git calls are omitted."""
        return self._application.calls()

    def stacks(self) -> tuple[StackView, ...]:
        """The registered stacks."""

        def views(store: Store, _: datetime) -> tuple[StackView, ...]:
            return tuple(
                StackView(s.key, s.type, s.queue_key, s.metadata, s.last_connected)
                for s in store.stacks.values()
            )

        return self._application.transact(views)

    def issued_tokens(self) -> tuple[str, ...]:
        """All acquisition tokens ever issued, to prove that a run has written none of them down."""
        return self._application.transact(lambda store, _: tuple(store.acquisition_tokens))

    def _keep_time(self) -> None:
        while not self._stop.wait(_TICK_SECONDS):
            self._application.transact(lambda _store, _now: None)


def _build_view(store: Store, build: Build) -> BuildView:
    shown: tuple[Job, ...] = tuple(store.jobs_of(build))
    return BuildView(
        id=build.id,
        number=build.number,
        pipeline=build.pipeline.slug,
        state=builds.state(store, build),
        jobs=tuple(map(store.view, shown)),
        notices=build.notices,
    )

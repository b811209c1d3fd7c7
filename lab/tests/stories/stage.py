"""A lab as the stage of stories: actions of people, and the visible results."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from buildkite_emulator import BuildRequest, JobState, JobView
from mayfly.adapters.dynamodb.fleet import DynamoFleet
from mayfly.adapters.dynamodb.transactions import Tables
from mayfly.config.queue import QueueConfig
from mayfly.dispatch.rhythm import READ_QUEUES
from mayfly.errors import Conflict
from mayfly.records.changes import Save
from mayfly.records.ledger import Ledger
from mayfly.records.model import Claim, Instance, QueueRecord
from mayfly.records.states import InstanceState
from mayfly.records.why import Code
from mayfly_lab.aws.config import Delays
from mayfly_lab.aws.functions.functions import ThrottledError
from mayfly_lab.lab import ROOT, STACK, Lab, LabChoices
from mayfly_lab.report.checks import Written, check_all, mailbox_writes
from mayfly_lab.report.collect import collect
from mayfly_lab.report.evidence import Evidence
from mayfly_lab.report.timeline import job_lines
from stories.logs import Logs

PATIENCE = 90.0
"""Seconds until a story gives up: many times the duration on two idle cores."""
QUICK = Delays(
    pending=0.2,
    stopping=0.2,
    shutting_down=0.1,
    association=0.1,
    imds_swap=0.2,
    imds_linger=0.5,
    describe=0.1,
    events=0.02,
    stream=0.05,
    queue=0.02,
)
BOOT = 0.2
_LOOK = 0.05
REPOSITORY = "app"

Found = TypeVar("Found")
Row = TypeVar("Row", Instance, Ledger)


@dataclass(slots=True)
class Stage(Logs):
    """One lab, seen from outside. Jobs and instances are named by their ids."""

    began: float = field(default_factory=time.time)
    patience: float = PATIENCE
    """Seconds until a wait of this stage gives up."""
    _builds: int = 0

    # Actions of a developer, and the job's page.

    def push(self, queue: str, command: str = "true", **step: Any) -> str:
        """Push to a new pipeline of one step. Returns the job's id."""
        self._builds += 1
        return self.build(f"{queue}-{self._builds}", queue, command, **step)

    def build(
        self, pipeline: str, queue: str, command: str = "true", branch: str = "main", **step: Any
    ) -> str:
        """Push a branch to a pipeline of one step for a queue. Returns the job's id."""
        agents = {"queue": queue, **step.pop("agents", {})}
        steps = {"steps": [{"command": command, "label": pipeline, "agents": agents, **step}]}
        repository = self.lab.buildkite.repository_url(REPOSITORY)
        # Buildkite must not interpolate the variables of the job's shell.
        configuration = json.dumps(steps).replace("$", "$$")
        self.lab.buildkite.add_pipeline(pipeline, configuration, repository)
        build = self.lab.buildkite.create_build(pipeline, BuildRequest(branch=branch))
        return build.jobs[0].id

    def job(self, job: str) -> JobView:
        """The job's view at Buildkite."""
        return self.lab.buildkite.job(job)

    def log_of(self, job: str) -> str:
        """The job's log."""
        return self.lab.buildkite.log(job).decode(errors="replace")

    def ended(self, job: str) -> JobView:
        """Wait for the job's end."""
        self.until(f"job {job} ends", lambda: self.job(job).outcome is not None)
        return self.job(job)

    def running(self, job: str) -> str:
        """Wait until the job's command has written output. Returns the id of its instance."""
        self.until(
            f"job {job} runs",
            lambda: (
                self.job(job).state is JobState.RUNNING
                and self.lab.buildkite.command_output_at(job) is not None
            ),
        )
        return "i-" + (self.job(job).agent_name or "").rpartition("i-")[2]

    # Records and log of an operator.

    def claim(self, job: str) -> Claim | None:
        """Mayfly's record of a job; None for a job that Mayfly has not claimed."""
        return self.lab.records.claims().get(job)

    def finished(self, job: str) -> Claim:
        """Wait until Mayfly has nothing left to do for the job. Returns its record."""
        claim = self.until(
            f"the claim of job {job} is closed",
            lambda: (found := self.claim(job)) and (found if not found.open else None),
        )
        assert claim is not None
        return claim

    def reasons(self, queue: str) -> set[Code]:
        """What the functions say that holds the queue back, at present."""
        said = [each for each in self._fleet.standings() if each.queue == queue]
        return {why.code for each in said for why in each.reasons}

    def path(self, job: str) -> str:
        """`hot` or `cold`, as in the report, for a job that ran."""
        return next(line.path for line in job_lines(self.evidence()) if line.id == job)

    def instances(self, queue: str) -> list[Instance]:
        """All records of a queue's instances, in launch order."""
        mine = (i for i in self.lab.records.instances().values() if i.queue == queue)
        return sorted(mine, key=lambda i: (i.created, i.key))

    def instance(self, instance_id: str) -> Instance:
        """Mayfly's record of an instance."""
        every = self.lab.records.instances().values()
        return next(i for i in every if i.instance_id == instance_id)

    def record(self, instance: Instance) -> Instance:
        """The current record, also for a slot that never became an instance."""
        return self.lab.records.instances()[instance.key]

    def launched(self, queue: str) -> list[str]:
        """Ids of all instances that the queue ever had, in launch order."""
        return [i.instance_id for i in self.instances(queue) if i.instance_id]

    def ready(self, queue: str, number: int = 1) -> list[str]:
        """Wait until `number` instances of the queue are ready. Returns their ids."""

        def found() -> list[str]:
            return [
                i.instance_id or "" for i in self.instances(queue) if i.state is InstanceState.READY
            ]

        self.until(f"{number} instances of {queue} are ready", lambda: len(found()) >= number)
        return found()

    def swapping(self, queue: str) -> tuple[str, str]:
        """Push a job that needs a new instance, and wait until the instance's profile is replaced.

        A fault must keep the host from its proof. Returns the ids of job and instance.
        """
        before = len(self.launched(queue))
        job = self.push(queue)
        new = self.until("an instance is launched", lambda: self.launched(queue)[before:])[0]
        self.until(
            "the profile is replaced", lambda: self.instance(new).state is InstanceState.SWAPPING
        )
        return job, new

    def gone(self, instance_id: str) -> Instance:
        """Wait until the instance is terminated and its record closed. Returns the record."""
        self.until(f"{instance_id} is gone", lambda: not self.instance(instance_id).open)
        return self.instance(instance_id)

    def served(self, job: str) -> Instance:
        """The record of the instance that the job was last bound to."""
        claim = self.claim(job)
        assert claim is not None
        assert claim.slot is not None
        return self.lab.records.instances()[claim.slot]

    def assigned(self, job: str) -> str:
        """Wait until the job's assignment is written. Returns the id of its instance."""
        return self.until(f"job {job} is assigned", lambda: self._assigned(job))

    def assignments(self, job: str) -> list[Written]:
        """All written assignments of a job."""
        written = mailbox_writes(list(self.lab.aws.journal))
        return [w for w in written if w.state.get("assignment", {}).get("job") == job]

    def queue(self, queue: str) -> QueueRecord:
        """Mayfly's record of a queue."""
        return self.lab.records.queues()[queue]

    def in_force(self, queue: str) -> QueueConfig:
        """The configuration in use by the functions; `dispatch` reads it once a second."""
        record = self.queue(queue)
        time.sleep(READ_QUEUES.total_seconds())
        return QueueConfig.from_json(record.config)

    def published(self, queue: str) -> Any:
        """The values that the queue's stack has published."""
        name = f"/mayfly-infra/{STACK}/queues/{queue}"
        value = self.lab.aws.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
        return json.loads(value)

    def publish(self, queue: str, **changes: Any) -> None:
        """Publish values again, as a deployment of the queue's stack does."""
        value = json.dumps({**self.published(queue), **changes})
        name = f"/mayfly-infra/{STACK}/queues/{queue}"
        self.lab.aws.client("ssm").put_parameter(Name=name, Value=value, Overwrite=True)

    # Waits, clock and end of the stage.

    def until(
        self, what: str, done: Callable[[], Found | None], seconds: float | None = None
    ) -> Found:
        """Wait until `done` returns a true value. Returns that value."""
        seconds = self.patience if seconds is None else seconds
        end = time.monotonic() + seconds
        while not (found := done()):
            assert time.monotonic() < end, f"after {seconds:g} s not yet: {what}\n{self.picture()}"
            time.sleep(_LOOK)
        return found

    def age(self, instance_id: str, minutes: float) -> None:
        """Move the time at which the instance entered its state back by `minutes`."""
        self._rewrite(
            lambda: self.instance(instance_id),
            lambda old: replace(old, since=old.since - timedelta(minutes=minutes)),
        )

    def forget_refusals(self, queue: str) -> None:
        """Let a queue forget at once what it remembers of refusals and idle ends."""
        over = datetime.now(UTC)
        for waits in [i for i in self.instances(queue) if i.start_after is not None]:
            self._rewrite(
                partial(self.record, waits),
                lambda old: replace(old, start_after=over),
            )
        self._rewrite(
            lambda: self.lab.records.ledger()[queue],
            lambda old: replace(
                old,
                spot_dry_until=dict.fromkeys(old.spot_dry_until, over),
                dry_pools=dict.fromkeys(old.dry_pools, over),
                idle_ends={},
            ),
        )

    def tick(self, function: str) -> Mapping[str, Any]:
        """Run a tick of a function now, as its schedule would. Returns its answer."""
        event = json.loads((ROOT / "events" / "schedule.json").read_text(encoding="utf-8"))
        outcome = self.lab.aws.functions.invoke(f"{STACK}-{function}", event)
        assert outcome.ok, outcome.error
        answer: Mapping[str, Any] = outcome.result
        return answer

    def empty(self) -> None:
        """Set every pool to zero, and wait until nothing runs and no job waits."""
        for queue in self.lab.choices.queues:
            self.lab.put_parameter(queue, "pool/hot", "0")
            self.lab.put_parameter(queue, "pool/stopped", "0")
        self.until("no queue has a pool", lambda: not any(map(self._pool, self.lab.choices.queues)))
        # A slow tick that began before may launch one more instance from its old view.
        self.lab.aws.functions.kill_all(f"{STACK}-provision")
        self.until("every job has ended", lambda: all(j.outcome for j in self.lab.buildkite.jobs()))
        self.until("every instance is gone", self._emptied)

    def broken_promises(self) -> list[str]:
        """Mayfly's promises that this stage has seen broken."""
        evidence = self.evidence()
        broken = [f"{c.name}: {line}" for c in check_all(evidence) for line in c.broken]
        return broken + [f"the lab: {error!r}" for error in self.lab.aws.failures]

    def evidence(self) -> Evidence:
        """The evidence so far."""
        parameters = self.lab.choices.parameters.items()
        written = {q: values.get("limits/max-instances", "50") for q, values in parameters}
        return collect(self.lab, self.began, {q: int(value) for q, value in written.items()})

    def picture(self) -> str:
        """The state of everything, to diagnose a story that does not go on."""
        lines = [
            f"job {j.label} {j.id}: {j.state} {j.detail or ''}" for j in self.lab.buildkite.jobs()
        ]
        lines += [
            f"claim {claim.job}: {claim.state}, attempt {claim.attempt}: {claim.reason}"
            for claim in self.lab.records.claims().values()
        ]
        for instance in self.lab.records.instances().values():
            steps = ", ".join(f"{s.at:%M:%S} {s.state}" for s in instance.history)
            lines.append(f"{instance.instance_id} of {instance.queue}: {steps}; {instance.reason}")
        for function in ("dispatch", "provision", "sandbox", "reap"):
            wrong = [x for x in self.log_lines(function) if x.get("level") in {"WARNING", "ERROR"}]
            lines.extend(f"{function}: {x.get('message')}" for x in wrong[-10:])
        return "\n".join(lines)

    @property
    def _fleet(self) -> DynamoFleet:
        client = self.lab.aws.client("dynamodb")
        return DynamoFleet(client, Tables(f"{STACK}-fleet", f"{STACK}-mailbox"))

    def _rewrite(self, read: Callable[[], Row], changed: Callable[[Row], Row]) -> None:
        """Write a record as `changed` makes it of what `read` finds."""
        while True:
            try:
                self._fleet.write([Save(changed(read()))])
            except Conflict:
                continue  # conflict: a function has just written the record
            return

    def _assigned(self, job: str) -> str:
        return next((w.row.partition(":")[2] for w in self.assignments(job)), "")

    def _pool(self, queue: str) -> int:
        config, now = self.in_force(queue), datetime.now(UTC)
        return config.hot.value(now) + config.stopped.value(now)

    def _emptied(self) -> bool:
        records = self.lab.records.instances().values()
        idle = [i.instance_id for i in records if i.state is InstanceState.READY and i.instance_id]
        for instance_id in idle:
            # Surplus instances are kept for five minutes.
            self.age(instance_id, 6)
        for function in ("provision", "reap") if idle else ():
            # A busy machine may have as many invocations as Lambda allows: the next look ticks.
            with suppress(ThrottledError):
                self.tick(function)
        return not any(instance.open for instance in records) and not any(
            claim.open for claim in self.lab.records.claims().values()
        )


@contextmanager
def a_stage(choices: LabChoices) -> Iterator[Stage]:
    """A lab with a repository to push to."""
    with Lab(choices) as lab:
        stage = Stage(lab)
        furnish(stage)
        yield stage


def furnish(stage: Stage) -> None:
    """Add the repository, and wait until every queue is known."""
    lab = stage.lab
    source = lab.home / "source"
    source.mkdir()
    (source / "README").write_text("A repository to push to.\n")
    lab.buildkite.add_repository(REPOSITORY, source, branches=["release/1", "feature"])
    known = lab.records.queues
    stage.until("every queue is known", lambda: known().keys() >= set(lab.choices.queues))

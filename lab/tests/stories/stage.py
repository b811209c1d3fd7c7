"""A lab as the stage of stories: what people do, and what they then see."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar

from buildkite_emulator import BuildRequest, JobState, JobView
from mayfly.adapters.dynamodb.fleet import DynamoFleet
from mayfly.adapters.dynamodb.transactions import Tables
from mayfly.config.queue import QueueConfig
from mayfly.dispatch.rhythm import READ_QUEUES
from mayfly.errors import Conflict
from mayfly.records.changes import Save
from mayfly.records.model import Claim, Instance, QueueRecord
from mayfly.records.states import InstanceState
from mayfly_lab.aws.config import Delays
from mayfly_lab.lab import ROOT, STACK, Lab, LabChoices
from mayfly_lab.report.checks import Written, check_all, mailbox_writes
from mayfly_lab.report.collect import collect
from mayfly_lab.report.evidence import Evidence
from mayfly_lab.report.timeline import job_lines
from stories.logs import Logs

PATIENCE = 90.0
"""Seconds after which a story gives up: many times what it needs on two idle cores."""
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
_REPOSITORY = "app"

Found = TypeVar("Found")


@dataclass(slots=True)
class Stage(Logs):
    """One lab, seen from outside. Jobs and instances are spoken of by their ids."""

    began: float = field(default_factory=time.time)
    _builds: int = 0

    # What a developer does, and sees on the job's page.

    def push(self, queue: str, command: str = "true", **step: Any) -> str:
        """Push to a pipeline of one step, which nobody else has; the job's id."""
        self._builds += 1
        return self.build(f"{queue}-{self._builds}", queue, command, **step)

    def build(
        self, pipeline: str, queue: str, command: str = "true", branch: str = "main", **step: Any
    ) -> str:
        """Push a branch to a pipeline of one step for a queue; the job's id."""
        agents = {"queue": queue, **step.pop("agents", {})}
        steps = {"steps": [{"command": command, "label": pipeline, "agents": agents, **step}]}
        repository = self.lab.buildkite.repository_url(_REPOSITORY)
        # What the job's shell is to read is not for Buildkite to fill in.
        configuration = json.dumps(steps).replace("$", "$$")
        self.lab.buildkite.add_pipeline(pipeline, configuration, repository)
        build = self.lab.buildkite.create_build(pipeline, BuildRequest(branch=branch))
        return build.jobs[0].id

    def job(self, job: str) -> JobView:
        """The job as Buildkite shows it."""
        return self.lab.buildkite.job(job)

    def log_of(self, job: str) -> str:
        """The job's log."""
        return self.lab.buildkite.log(job).decode(errors="replace")

    def ended(self, job: str) -> JobView:
        """Wait for the job's end."""
        self.until(f"job {job} ends", lambda: self.job(job).outcome is not None)
        return self.job(job)

    def running(self, job: str) -> str:
        """Wait until the job's command has written something; the id of its instance."""
        self.until(
            f"job {job} runs",
            lambda: (
                self.job(job).state is JobState.RUNNING
                and self.lab.buildkite.command_output_at(job) is not None
            ),
        )
        return "i-" + (self.job(job).agent_name or "").rpartition("i-")[2]

    # What an operator sees.

    def claim(self, job: str) -> Claim | None:
        """Mayfly's record of a job; None while it left the job alone."""
        return self.lab.records.claims().get(job)

    def finished(self, job: str) -> Claim:
        """Wait until nothing of the job is Mayfly's to do any more; the record."""
        claim = self.until(
            f"the claim of job {job} is closed",
            lambda: (found := self.claim(job)) and (found if not found.open else None),
        )
        assert claim is not None
        return claim

    def path(self, job: str) -> str:
        """`hot` or `cold`, as the report says of a job that ran."""
        return next(line.path for line in job_lines(self.evidence()) if line.id == job)

    def instances(self, queue: str) -> list[Instance]:
        """All records of a queue's instances, in the order of their launch."""
        mine = (i for i in self.lab.records.instances().values() if i.queue == queue)
        return sorted(mine, key=lambda i: (i.created, i.key))

    def instance(self, instance_id: str) -> Instance:
        """Mayfly's record of an instance."""
        every = self.lab.records.instances().values()
        return next(i for i in every if i.instance_id == instance_id)

    def record(self, instance: Instance) -> Instance:
        """The record as it is now, also of a slot that never became an instance."""
        return self.lab.records.instances()[instance.key]

    def launched(self, queue: str) -> list[str]:
        """Ids of all instances that the queue ever had, in the order of their launch."""
        return [i.instance_id for i in self.instances(queue) if i.instance_id]

    def ready(self, queue: str, number: int = 1) -> list[str]:
        """Wait until so many instances of the queue are ready; their ids."""

        def found() -> list[str]:
            return [
                i.instance_id or "" for i in self.instances(queue) if i.state is InstanceState.READY
            ]

        self.until(f"{number} instances of {queue} are ready", lambda: len(found()) >= number)
        return found()

    def gone(self, instance_id: str) -> Instance:
        """Wait until the instance is terminated and its record closed; the record."""
        self.until(f"{instance_id} is gone", lambda: not self.instance(instance_id).open)
        return self.instance(instance_id)

    def served(self, job: str) -> Instance:
        """The record of the instance that a job was bound to last."""
        claim = self.claim(job)
        assert claim is not None
        assert claim.slot is not None
        return self.lab.records.instances()[claim.slot]

    def assigned(self, job: str) -> str:
        """Wait until the job's assignment is written; the id of the instance that it is for."""
        return self.until(f"job {job} is assigned", lambda: self._assigned(job))

    def assignments(self, job: str) -> list[Written]:
        """Every assignment of a job that was written."""
        written = mailbox_writes(list(self.lab.aws.journal))
        return [w for w in written if w.state.get("assignment", {}).get("job") == job]

    def queue(self, queue: str) -> QueueRecord:
        """Mayfly's record of a queue."""
        return self.lab.records.queues()[queue]

    def in_force(self, queue: str) -> QueueConfig:
        """The configuration by which the functions act; `dispatch` reads it once a second."""
        record = self.queue(queue)
        time.sleep(READ_QUEUES.total_seconds())
        return QueueConfig.from_json(record.config)

    def published(self, queue: str) -> Any:
        """What the queue's stack has published of itself."""
        name = f"/mayfly-infra/{STACK}/queues/{queue}"
        value = self.lab.aws.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
        return json.loads(value)

    def publish(self, queue: str, **changes: Any) -> None:
        """Publish it anew, as a deployment of the queue's stack does."""
        value = json.dumps({**self.published(queue), **changes})
        name = f"/mayfly-infra/{STACK}/queues/{queue}"
        self.lab.aws.client("ssm").put_parameter(Name=name, Value=value, Overwrite=True)

    # What befalls the stage, and how it is left.

    def until(
        self, what: str, done: Callable[[], Found | None], seconds: float = PATIENCE
    ) -> Found:
        """Wait until `done` gives something true, and give it."""
        end = time.monotonic() + seconds
        while not (found := done()):
            assert time.monotonic() < end, f"after {seconds:g} s not yet: {what}\n{self.picture()}"
            time.sleep(_LOOK)
        return found

    def age(self, instance_id: str, minutes: float) -> None:
        """Let the record say that the instance entered its state so much earlier."""
        client = self.lab.aws.client("dynamodb")
        fleet = DynamoFleet(client, Tables(f"{STACK}-fleet", f"{STACK}-mailbox"))
        while True:
            old = self.instance(instance_id)
            try:
                fleet.write([Save(replace(old, since=old.since - timedelta(minutes=minutes)))])
            except Conflict:
                continue  # a function has just written it
            return

    def tick(self, function: str) -> Mapping[str, Any]:
        """Have a function tick now, as its schedule would; its answer."""
        event = json.loads((ROOT / "events" / "schedule.json").read_text(encoding="utf-8"))
        outcome = self.lab.aws.functions.invoke(f"{STACK}-{function}", event)
        assert outcome.ok, outcome.error
        answer: Mapping[str, Any] = outcome.result
        return answer

    def empty(self) -> None:
        """Give up every pool, and wait until nothing runs and nobody waits."""
        for queue in self.lab.choices.queues:
            self.lab.put_parameter(queue, "pool/hot", "0")
        self.until("no queue has a pool", lambda: not any(map(self._pool, self.lab.choices.queues)))
        # A tick that began before may be slow, and launch one more by what it had read.
        self.lab.aws.functions.kill_all(f"{STACK}-provision")
        self.until("every job has ended", lambda: all(j.outcome for j in self.lab.buildkite.jobs()))
        self.until("every instance is gone", self._emptied)

    def broken_promises(self) -> list[str]:
        """What Mayfly promises and did not keep in all that this stage has seen."""
        evidence = self.evidence()
        broken = [f"{c.name}: {line}" for c in check_all(evidence) for line in c.broken]
        return broken + [f"the lab: {error!r}" for error in self.lab.aws.failures]

    def evidence(self) -> Evidence:
        """Everything that is known so far."""
        parameters = self.lab.choices.parameters.items()
        written = {q: values.get("limits/max-instances", "50") for q, values in parameters}
        return collect(self.lab, self.began, {q: int(value) for q, value in written.items()})

    def picture(self) -> str:
        """Where everything stands, for whoever must find out why a story came to a stand."""
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

    def _assigned(self, job: str) -> str:
        return next((w.row.partition(":")[2] for w in self.assignments(job)), "")

    def _pool(self, queue: str) -> int:
        return self.in_force(queue).hot

    def _emptied(self) -> bool:
        records = self.lab.records.instances().values()
        idle = [i.instance_id for i in records if i.state is InstanceState.READY and i.instance_id]
        for instance_id in idle:
            # What no target needs any more is kept for five minutes.
            self.age(instance_id, 6)
        if idle:
            self.tick("provision")
            self.tick("reap")
        return not any(instance.open for instance in records) and not any(
            claim.open for claim in self.lab.records.claims().values()
        )


@contextmanager
def a_stage(choices: LabChoices) -> Iterator[Stage]:
    """A lab with a repository to push to."""
    with Lab(choices) as lab:
        source = lab.home / "source"
        source.mkdir()
        (source / "README").write_text("A repository to push to.\n")
        branches = ["release/1", "feature"]
        lab.buildkite.add_repository(_REPOSITORY, source, branches=branches)
        stage = Stage(lab)
        known = lab.records.queues
        stage.until("every queue is known", lambda: known().keys() >= set(choices.queues))
        yield stage

"""Collects the evidence of a lab's run, for timelines and checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mayfly_lab.aws.ec2.moments import Aspect
from mayfly_lab.lab import STACK, Lab
from mayfly_lab.report.evidence import Evidence
from mayfly_lab.report.logs import tail


def collect(lab: Lab, started: float, limits: Mapping[str, int]) -> Evidence:
    """Collect the evidence at the end of a run, while the lab still runs.

    `started` is in seconds since the epoch, `limits` are max-instances by queue.
    """
    lab.aws.watch.update(now=True)
    jobs = lab.buildkite.jobs()
    claims = lab.records.claims()
    instances = {i.instance_id: i for i in lab.records.instances().values() if i.instance_id}
    output = {job.id: at for job in jobs if (at := lab.buildkite.command_output_at(job.id))}
    command = {job.id: at for job in jobs if (at := lab.buildkite.command_began_at(job.id))}
    return Evidence(
        started=started,
        jobs=jobs,
        claims=claims,
        instances=instances,
        ledger=lab.records.ledger(),
        moments=lab.aws.moments.all(),
        journal=list(lab.aws.journal),
        output_at={job: at.timestamp() for job, at in output.items()},
        command_at={job: at.timestamp() for job, at in command.items()},
        texts=dict(_texts(lab)),
        secrets=_secrets(lab),
        limits=limits,
        alarms=tuple(lab.aws.watch.changes),
        agents={job.id: _agent(job.agent_version) for job in jobs if job.agent_version},
        tails={job.id: tail(lab.buildkite.log(job.id)) for job in jobs},
    )


def _agent(version: str) -> str:
    return "stand-in" if "standin" in version else f"buildkite-agent {version.partition('+')[0]}"


def _secrets(lab: Lab) -> dict[str, str]:
    tokens = {"the cluster's agent token": lab.buildkite.agent_token}
    issued = {f"acquisition token {n}": t for n, t in enumerate(lab.buildkite.issued_tokens())}
    return tokens | issued


def _texts(lab: Lab) -> Iterator[tuple[str, str]]:
    """Name and text of every place where a secret could have been written."""
    for function in ("dispatch", "provision", "sandbox", "reap"):
        text = lab.aws.log_of(function).read_text(encoding="utf-8", errors="replace")
        yield f"the log of {function}", text
    yield "the fleet table", lab.records.text()
    yield "the journal", "\n".join(str(entry.resources) for entry in lab.aws.journal)
    for moment in lab.aws.moments.all():
        if moment.aspect is Aspect.STATE and moment.value == "pending":
            yield f"the console of {moment.instance_id}", lab.room.console(moment.instance_id)
    for job in lab.buildkite.jobs():
        yield f"the log of job {job.label}", lab.buildkite.log(job.id).decode(errors="replace")
    yield "the last words", "\n".join(_last_words(lab.aws.client("logs")))


def _last_words(logs: Any) -> Iterator[str]:
    group = f"/mayfly/{STACK}/last-words"
    for stream in logs.describe_log_streams(logGroupName=group)["logStreams"]:
        events = logs.get_log_events(
            logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
        )
        yield from (event["message"] for event in events["events"])

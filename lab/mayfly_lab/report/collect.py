"""Collects the evidence of a lab's run, for timelines and checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from buildkite_emulator import JobView
from mayfly_lab.aws.ec2.moments import Aspect
from mayfly_lab.aws.front.call import Kind
from mayfly_lab.aws.front.traffic import answers_to, requests_of
from mayfly_lab.lab import STACK, Lab
from mayfly_lab.report.evidence import Evidence
from mayfly_lab.report.logs import tail
from mayfly_lab.report.seeking import Secret

FUNCTIONS = ("dispatch", "provision", "sandbox", "reap")
PROCESS_LIST = "the process list"
_TOKEN_CARRIERS = frozenset({answers_to("dispatch", "ssm:GetParameter")})
_ACQUISITION_CARRIERS = frozenset({requests_of("dispatch", "dynamodb:TransactWriteItems")})
_SESSION_CARRIERS = frozenset({answers_to(Kind.SANDBOX, "sts:AssumeRole")})
"""Places that hand a secret to its receiver. A host gets its acquisition token by the mailbox."""


def collect(
    lab: Lab, started: float, limits: Mapping[str, int], canaries: Sequence[Secret] = ()
) -> Evidence:
    """Collect the evidence at the end of a run, while the lab still runs.

    `started` is in seconds since the epoch, `limits` are max-instances by queue, `canaries` are
    secrets that were laid down for jobs.
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
        secrets=(*_secrets(lab), *canaries),
        limits=limits,
        alarms=tuple(lab.aws.watch.changes),
        agents={job.id: _agent(job.agent_version) for job in jobs if job.agent_version},
        tails={job.id: tail(lab.buildkite.log(job.id)) for job in jobs},
    )


def _agent(version: str) -> str:
    return "stand-in" if "standin" in version else f"buildkite-agent {version.partition('+')[0]}"


def log_of(job: JobView) -> str:
    """Place of the log of a job. Tries of a step have one name, so the place has the id."""
    return f"the log of job {job.name} ({job.id})"


def _secrets(lab: Lab) -> Iterator[Secret]:
    yield Secret("the cluster's agent token", lab.buildkite.agent_token, _TOKEN_CARRIERS)
    for number, token in enumerate(lab.buildkite.issued_tokens()):
        yield Secret(f"acquisition token {number}", token, _ACQUISITION_CARRIERS)
    for holder in lab.aws.credentials.issued():
        if holder.principal.kind is Kind.ROLE:
            session, keys = holder.principal.userid, holder.keys
            yield Secret(f"the secret key of {session}", keys.secret_key, _SESSION_CARRIERS)
            yield Secret(f"the session token of {session}", keys.token, _SESSION_CARRIERS)


def _texts(lab: Lab) -> Iterator[tuple[str, str]]:
    """Name and text of every place where a secret could have been written."""
    for function in FUNCTIONS:
        text = lab.aws.log_of(function).read_text(encoding="utf-8", errors="replace")
        yield f"the log of {function}", text
    yield "the fleet table", lab.records.text()
    journal = (f"{entry.resources} {entry.error}" for entry in lab.aws.journal)
    yield "the journal", "\n".join(journal)
    for instance in list(lab.aws.ec2.instances.values()):
        data = instance.user_data.decode(errors="replace")
        yield f"the user data of {instance.instance_id}", data
    for moment in lab.aws.moments.all():
        if moment.aspect is Aspect.STATE and moment.value == "pending":
            yield f"the console of {moment.instance_id}", lab.room.console(moment.instance_id)
    for job in lab.buildkite.jobs():
        yield log_of(job), lab.buildkite.log(job.id).decode(errors="replace")
        yield f"the page of job {job.name} ({job.id})", f"{job.detail}\n{job.notices}"
    yield "the last words", "\n".join(_last_words(lab.aws.client("logs")))
    if lab.aws.traffic is not None:
        yield from lab.aws.traffic.texts().items()
    if lab.processes is not None:
        yield PROCESS_LIST, lab.processes.text()


def _last_words(logs: Any) -> Iterator[str]:
    group = f"/mayfly/{STACK}/last-words"
    for stream in logs.describe_log_streams(logGroupName=group)["logStreams"]:
        events = logs.get_log_events(
            logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
        )
        yield from (event["message"] for event in events["events"])

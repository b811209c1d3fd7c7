"""What the page shows: one value for all of the lab, without any secret."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from buildkite_emulator import JobState, JobView
from mayfly.records.model import Instance
from mayfly.records.states import Supply
from mayfly_lab.aws.ec2.moments import Aspect
from mayfly_lab.commands.rest import Builds
from mayfly_lab.lab import STACK, Lab
from mayfly_lab.report.show import instance_id, plain
from mayfly_lab.report.timeline import kind_of_profile

SHOWN = 60
"""Builds, jobs and instances on the page, of each at most so many; older ones are left out."""
_WAITS = frozenset({JobState.SCHEDULED, JobState.RESERVED})


def snapshot(lab: Lab) -> dict[str, Any]:
    """The lab now, as JSON content."""
    jobs = lab.buildkite.jobs()
    instances = list(lab.records.instances().values())
    return {
        "queues": [_queue(lab, key, jobs, instances) for key in lab.choices.queues],
        "builds": _builds(lab, jobs),
        "jobs": [_job(job) for job in reversed(jobs[-SHOWN:])],
        "instances": _instances(lab, instances, {job.id: plain(job.name) for job in jobs}),
    }


def _queue(
    lab: Lab, key: str, jobs: Sequence[JobView], instances: Sequence[Instance]
) -> dict[str, Any]:
    mine = [each for each in instances if each.queue == key and each.open]
    supply = Counter(each.state.traits.supply for each in mine)
    return {
        "key": key,
        "pool": pool(lab, key),
        "hot": supply[Supply.READY],
        "coming": supply[Supply.COMING],
        "busy": supply[Supply.NONE],
        "waiting": sum(job.queue == key and job.state in _WAITS for job in jobs),
    }


def pool(lab: Lab, queue: str) -> str:
    """The text of the parameter pool/hot; 0 where nobody has set it."""
    name = f"/mayfly/{STACK}/queues/{queue}/pool/hot"
    found = lab.aws.client("ssm").get_parameters(Names=[name])["Parameters"]
    return str(found[0]["Value"]) if found else "0"


def _builds(lab: Lab, jobs: Sequence[JobView]) -> list[dict[str, Any]]:
    found = []
    newest = list(dict.fromkeys(job.build_id for job in jobs))[-SHOWN:]
    for build_id in reversed(newest):
        build = lab.buildkite.build(build_id)
        blocked = build.state == "blocked"
        steps = Builds(lab.buildkite, build.pipeline).blocked(build.number) if blocked else []
        found.append(
            {
                "id": build.id,
                "pipeline": build.pipeline,
                "number": build.number,
                "state": build.state,
                "blocked": [{"id": step.id, "label": plain(step.label)} for step in steps],
            }
        )
    return found


def _job(job: JobView) -> dict[str, Any]:
    return {
        "id": job.id,
        "label": plain(job.name),
        "build": f"{job.pipeline} #{job.build_number}",
        "queue": job.queue,
        "state": str(job.state),
        "outcome": job.outcome,
        "exit": job.exit_status,
        "detail": job.detail or "",
        "instance": instance_id(job.agent_name),
        "notes": [notice.detail for notice in job.notices],
    }


def _instances(
    lab: Lab, instances: Sequence[Instance], names: Mapping[str, str]
) -> list[dict[str, Any]]:
    served: dict[str, str] = {}
    now = datetime.now(UTC).timestamp()
    for moment in lab.aws.moments.all():
        if moment.aspect is Aspect.IMDS and moment.at <= now:
            served[moment.instance_id] = moment.value
    there = [each for each in instances if each.instance_id]
    there.sort(key=lambda each: (each.open, each.created), reverse=True)
    return [
        {
            "id": each.instance_id,
            "queue": each.queue,
            "state": str(each.state),
            "profile": kind_of_profile(served.get(each.instance_id or "", ""), each)
            if each.open
            else "",
            "job": names.get(each.job or "", ""),
            "reason": each.reason,
        }
        for each in there[:SHOWN]
    ]

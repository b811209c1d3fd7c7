"""Cancelling of jobs and builds."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from buildkite_emulator.jobs import jobs
from buildkite_emulator.jobs.states import ENDED, JobState
from buildkite_emulator.memory.records import Build, Job
from buildkite_emulator.memory.store import Store
from buildkite_emulator.serving.refusals import unprocessable

from .conclusion import is_open
from .concurrency import fill_places
from .progress import conclude


def cancel_job(store: Store, job: Job, now: datetime) -> Job:
    """Cancel one job. Returns the job, which is over only if no agent has it.

    Raises:
        RefusedError: 422 for a job that is over.
    """
    canceled = jobs.cancel(job, now)
    if canceled.state in ENDED:
        conclude(store, canceled, now)
    else:
        store.put_job(canceled, now)
    return canceled


def cancel(store: Store, build: Build, now: datetime) -> Build:
    """Cancel a build with all its jobs; none of them is retried afterwards. Returns the build.

    Raises:
        RefusedError: 422 for a build that is over or already cancelled.
    """
    if build.canceled or not is_open(store, build):
        raise unprocessable("Build can't be canceled because it's already finished.")
    build = replace(build, canceled=True)
    store.builds[build.id] = build
    for job in list(store.jobs_of(build)):
        if job.state not in ENDED and job.state is not JobState.TIMING_OUT:
            store.put_job(jobs.cancel(job, now), now)
    fill_places(store, now)
    return build

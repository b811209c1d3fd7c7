"""The endpoints of builds, jobs and agents."""

from __future__ import annotations

from buildkite_emulator.serving.routing import Route

from . import agents, builds, jobs

_REST = "/v2/organizations/:organization"
_BUILDS = f"{_REST}/pipelines/:pipeline/builds"
_BUILD = f"{_BUILDS}/:number"


def _of_jobs(path: str) -> tuple[Route, ...]:
    job = f"{path}/:id"
    return (
        Route("GET", job, "rest.show-job", jobs.show),
        Route("GET", f"{job}/env", "rest.show-env", jobs.show_env),
        Route("GET", f"{job}/env.txt", "rest.show-env", jobs.show_env),
        Route("GET", f"{job}/log", "rest.show-log", jobs.show_log),
        Route("GET", f"{job}/log.txt", "rest.show-log", jobs.show_log),
        Route("PUT", f"{job}/cancel", "rest.cancel-job", jobs.cancel),
        Route("PUT", f"{job}/reprioritize", "rest.reprioritize-job", jobs.reprioritize),
        Route("PUT", f"{job}/retry", "rest.retry-job", jobs.retry),
        Route("PUT", f"{job}/unblock", "rest.unblock-job", jobs.unblock),
    )


RUNS = (
    Route("GET", f"{_REST}/builds", "rest.list-all-builds", builds.list_of_organization),
    Route("POST", _BUILDS, "rest.create-build", builds.create),
    Route("GET", _BUILDS, "rest.list-builds", builds.list_of_pipeline),
    Route("GET", _BUILD, "rest.show-build", builds.show),
    Route("PUT", f"{_BUILD}/cancel", "rest.cancel-build", builds.cancel),
    Route("PUT", f"{_BUILD}/rebuild", "rest.rebuild", builds.rebuild),
    Route("PUT", f"{_BUILD}/retry_failed_jobs", "rest.retry-failed", builds.retry_failed_jobs),
    Route("GET", f"{_BUILD}/jobs", "rest.list-jobs", jobs.list_of_build),
    *_of_jobs(f"{_REST}/jobs"),
    *_of_jobs(f"{_BUILD}/jobs"),
    Route("GET", f"{_REST}/agents", "rest.list-agents", agents.list_connected),
    Route("GET", f"{_REST}/agents/:id", "rest.show-agent", agents.show),
)

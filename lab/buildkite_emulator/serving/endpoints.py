"""The table of all endpoints, with their names for fault switches."""

from __future__ import annotations

from buildkite_emulator.agents import agent_api, control_api
from buildkite_emulator.annotations import agent_api as annotation_api
from buildkite_emulator.annotations import rest as rest_annotations
from buildkite_emulator.artifacts import agent_api as artifact_api
from buildkite_emulator.artifacts import rest as rest_artifacts
from buildkite_emulator.artifacts.storage import PREFIX as _STORAGE
from buildkite_emulator.builds import agent_api as uploads_api
from buildkite_emulator.cluster_secrets import agent_api as secrets_api
from buildkite_emulator.jobs import agent_api as job_api
from buildkite_emulator.meta_data import agent_api as data_api
from buildkite_emulator.oidc import agent_api as oidc_api
from buildkite_emulator.rest.routes import RUNS
from buildkite_emulator.stacks import api as stacks_api
from buildkite_emulator.stacks import jobs as stacks_jobs
from buildkite_emulator.stacks.api import of_stack
from buildkite_emulator.steps import agent_api as steps_api

from .routing import Route

_STACK = "/v3/stacks/:key"
_JOB = "/v3/jobs/:id"
_REST = "/v2/organizations/:organization"
_BUILDS = f"{_REST}/pipelines/:pipeline/builds"
_LIST = of_stack("list-scheduled-jobs", stacks_jobs.list_scheduled)
_RESERVE = of_stack("batch-reserve", stacks_jobs.batch_reserve)
_TOKENS = of_stack("default", stacks_jobs.issue_acquisition_tokens)
_STATES = of_stack("batch-load-job-states", stacks_jobs.get_states)
_SHOW = of_stack("show-job", stacks_jobs.show_job)
_FINISH = of_stack("finish-job", stacks_jobs.finish)
_NOTIFY = of_stack("stack-notification", stacks_jobs.create_notifications)
_DEREGISTER = of_stack("default", stacks_api.deregister)

STACKS = (
    Route("POST", "/v3/stacks/register", "stacks.register", stacks_api.register),
    Route("GET", "/v3/token", "stacks.token", stacks_api.show_token),
    Route("POST", f"{_STACK}/deregister", "stacks.deregister", _DEREGISTER),
    Route("GET", f"{_STACK}/scheduled-jobs", "stacks.list-scheduled-jobs", _LIST),
    Route("PUT", f"{_STACK}/scheduled-jobs/batch-reserve", "stacks.batch-reserve", _RESERVE),
    Route("POST", f"{_STACK}/job-acquisition-tokens", "stacks.job-acquisition-tokens", _TOKENS),
    Route("POST", f"{_STACK}/jobs/get-states", "stacks.get-states", _STATES),
    Route("GET", f"{_STACK}/jobs/:id", "stacks.show-job", _SHOW),
    Route("POST", f"{_STACK}/jobs/:id/finish", "stacks.finish-job", _FINISH),
    Route("POST", f"{_STACK}/notifications", "stacks.notifications", _NOTIFY),
)

AGENT = (
    Route("POST", "/v3/register", "agent.register", agent_api.register),
    Route("POST", "/v3/connect", "agent.connect", agent_api.connect),
    Route("POST", "/v3/heartbeat", "agent.heartbeat", agent_api.heartbeat),
    Route("GET", "/v3/ping", "agent.ping", agent_api.ping),
    Route("POST", "/v3/disconnect", "agent.disconnect", agent_api.disconnect),
    Route("PUT", f"{_JOB}/acquire", "agent.acquire", job_api.acquire),
    Route("PUT", f"{_JOB}/accept", "agent.accept", job_api.accept),
    Route("PUT", f"{_JOB}/start", "agent.start", job_api.start),
    Route("GET", _JOB, "agent.job-state", job_api.show_state),
    Route("POST", f"{_JOB}/chunks", "agent.chunks", job_api.add_chunk),
    Route("POST", f"{_JOB}/header_times", "agent.header-times", job_api.add_header_times),
    Route("PUT", f"{_JOB}/finish", "agent.finish", job_api.finish),
    Route("POST", f"{_JOB}/pipelines", "agent.pipeline-upload", uploads_api.create),
    Route("GET", f"{_JOB}/pipelines/:uuid", "agent.pipeline-upload-state", uploads_api.show),
    Route("POST", f"{_JOB}/data/set", "agent.data-set", data_api.set_value),
    Route("POST", f"{_JOB}/data/set-batch", "agent.data-set-batch", data_api.set_batch),
    Route("POST", f"{_JOB}/data/get", "agent.data-get", data_api.get_value),
    Route("POST", f"{_JOB}/data/exists", "agent.data-exists", data_api.exists),
    Route("POST", f"{_JOB}/data/keys", "agent.data-keys", data_api.keys),
    Route("POST", "/v3/builds/:id/data/get", "agent.data-get", data_api.get_value),
    Route("POST", "/v3/builds/:id/data/exists", "agent.data-exists", data_api.exists),
    Route("POST", "/v3/builds/:id/data/keys", "agent.data-keys", data_api.keys),
    Route("POST", "/v3/stop", "agent.stop", control_api.stop_own),
    Route("POST", "/v3/pause", "agent.pause", control_api.pause_own),
    Route("POST", "/v3/resume", "agent.resume", control_api.resume_own),
    Route("POST", "/v3/steps/:step/export", "agent.step-get", steps_api.get),
    Route("POST", "/v3/steps/:step/cancel", "agent.step-cancel", steps_api.cancel),
    Route("PUT", "/v3/steps/:step", "agent.step-update", steps_api.update),
    Route("POST", "/v3/builds/:id/cancel", "agent.build-cancel", steps_api.cancel_build),
    Route("POST", f"{_JOB}/oidc/tokens", "agent.oidc-token", oidc_api.request_token),
    Route("GET", "/.well-known/openid-configuration", "oidc.discovery", oidc_api.configuration),
    Route("GET", "/.well-known/jwks", "oidc.keys", oidc_api.keys),
    Route("GET", f"{_JOB}/secrets", "agent.secret-get", secrets_api.get),
    Route("POST", f"{_JOB}/annotations", "agent.annotate", annotation_api.create),
    Route(
        "DELETE", f"{_JOB}/annotations/*context", "agent.annotation-remove", annotation_api.remove
    ),
    Route("POST", f"{_JOB}/artifacts", "agent.artifacts-create", artifact_api.create),
    Route("PUT", f"{_JOB}/artifacts", "agent.artifacts-update", artifact_api.update),
    Route("GET", "/v3/builds/:id/artifacts/search", "agent.artifacts-search", artifact_api.find),
    Route("POST", _STORAGE, "storage.upload", artifact_api.upload),
    Route("PUT", f"{_STORAGE}/*key", "storage.upload-part", artifact_api.upload_part),
    Route("GET", f"{_STORAGE}/*key", "storage.download", artifact_api.download),
)

# Agents also try gRPC at /agentedge.v1.AgentEdgeService/StreamPings. The table omits this path: the
# 404 makes agents poll for good (buildkite/agent agent/agent_worker_streaming.go).

_BUILD = f"{_BUILDS}/:number"
_OF_BUILD = (
    Route("GET", f"{_BUILD}/artifacts", "rest.list-artifacts", rest_artifacts.list_of_build),
    Route("GET", f"{_BUILD}/annotations", "rest.list-annotations", rest_annotations.list_of_build),
    Route("POST", f"{_BUILD}/annotations", "rest.annotate", rest_annotations.create_on_build),
    Route(
        "DELETE",
        f"{_BUILD}/annotations/:annotation",
        "rest.delete-annotation",
        rest_annotations.delete_on_build,
    ),
)


def _of_job(job: str) -> tuple[Route, ...]:
    artifact, annotations = f"{job}/artifacts/:artifact", f"{job}/annotations"
    delete = rest_annotations.delete_on_job
    return (
        Route("GET", f"{job}/artifacts", "rest.list-artifacts", rest_artifacts.list_of_job),
        Route("GET", artifact, "rest.show-artifact", rest_artifacts.show),
        Route("DELETE", artifact, "rest.delete-artifact", rest_artifacts.delete),
        Route("GET", f"{artifact}/download", "rest.download-artifact", rest_artifacts.download),
        Route("GET", annotations, "rest.list-annotations", rest_annotations.list_of_job),
        Route("POST", annotations, "rest.annotate", rest_annotations.create_on_job),
        Route("DELETE", f"{annotations}/:annotation", "rest.delete-annotation", delete),
    )


REST = (
    *RUNS,
    *_OF_BUILD,
    Route("PUT", f"{_REST}/agents/:id/stop", "rest.stop-agent", control_api.stop),
    Route("PUT", f"{_REST}/agents/:id/pause", "rest.pause-agent", control_api.pause),
    Route("PUT", f"{_REST}/agents/:id/resume", "rest.resume-agent", control_api.resume),
    *_of_job(f"{_REST}/jobs/:id"),
    *_of_job(f"{_BUILD}/jobs/:id"),
)

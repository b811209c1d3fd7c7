"""Agent API: `buildkite-agent secret get` (buildkite/agent api/secrets.go and secrets_test.go).

No source names the answer to a job that the policy excludes; 403 is assumed.
"""

from __future__ import annotations

from collections.abc import Mapping

from buildkite_emulator.memory.records import Job
from buildkite_emulator.serving import auth
from buildkite_emulator.serving.http import Response, json_response
from buildkite_emulator.serving.refusals import RefusedError, not_found, unprocessable
from buildkite_emulator.serving.routing import Call


def get(call: Call) -> Response:
    """`GET jobs/:id/secrets?key=`: the secret's value, for the job's own token only."""
    job = auth.own_job(call)
    key = call.request.query.get("key")
    if not key:
        raise unprocessable("key is required")
    secret = call.store.secrets.get(key)
    if secret is None:
        raise not_found("secret")
    if not secret.policy.allows(_claims(call, job)):
        raise RefusedError(403, "This job is not allowed to access the secret")
    return json_response({"key": secret.key, "value": secret.value, "uuid": secret.id})


def _claims(call: Call, job: Job) -> Mapping[str, str]:
    # build_creator_team is omitted: the emulator has no teams.
    build = call.store.builds[job.build_id]
    queues = call.store.settings.queues
    return {
        "pipeline_id": build.pipeline.id,
        "pipeline_slug": build.pipeline.slug,
        "build_source": build.source,
        "build_branch": build.branch,
        "build_creator": build.creator.email,
        "cluster_queue_key": job.step.queue,
        "cluster_queue_id": next(q.id for q in queues if q.key == job.step.queue),
    }

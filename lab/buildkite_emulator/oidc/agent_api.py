"""Agent API: `buildkite-agent oidc request-token`, and the public endpoints to verify a token.

Source: buildkite/agent api/oidc.go; buildkite/docs agent/cli/reference/oidc.md; the longest
lifetime from platform/limits.md.
"""

from __future__ import annotations

from buildkite_emulator.serving import auth
from buildkite_emulator.serving.fields import Fields
from buildkite_emulator.serving.http import Response, json_response
from buildkite_emulator.serving.refusals import unprocessable
from buildkite_emulator.serving.routing import Call

from .claims import Holder, TokenRequest, claims

DEFAULT_SECONDS = 300
MAX_SECONDS = 2 * 60 * 60
MAX_CLAIMS = 100


def request_token(call: Call) -> Response:
    """`POST jobs/:id/oidc/tokens`: a token for the job of the job token; 404 for another job."""
    job = auth.own_job(call)
    agent = call.store.agent_of(job)
    if agent is None:
        raise unprocessable(f"Job {job.id} has no agent")
    fields = Fields.of(call.request)
    request = TokenRequest(
        audience=fields.text("audience", default=""),
        lifetime_seconds=_lifetime(fields),
        optional=_names(fields, "claims"),
        session_tags=_names(fields, "aws_session_tags"),
        subject=fields.text("subject_claim", default=""),
    )
    holder = Holder(call.store.settings, call.store.builds[job.build_id], job, agent)
    issuer = call.store.issuer
    return json_response({"token": issuer.sign(claims(request, holder, issuer.url, call.now))})


def configuration(call: Call) -> Response:
    """`GET /.well-known/openid-configuration`: the discovery document, without authorization."""
    return json_response(call.store.issuer.configuration())


def keys(call: Call) -> Response:
    """`GET /.well-known/jwks`: the public keys, without authorization."""
    return json_response(call.store.issuer.keys())


def _lifetime(fields: Fields) -> int:
    # An agent without a configured lifetime sends 0 or omits the field.
    return fields.integer("lifetime", default=0, low=0, high=MAX_SECONDS) or DEFAULT_SECONDS


def _names(fields: Fields, field: str) -> list[str]:
    return fields.texts(field, max_entries=MAX_CLAIMS) if fields.has(field) else []

"""Authorization of REST calls, and the records that their paths name."""

from __future__ import annotations

from buildkite_emulator.builds import blocks
from buildkite_emulator.memory.records import Agent, Build, Job, Pipeline
from buildkite_emulator.pipelines.steps import BlockStep
from buildkite_emulator.serving import auth
from buildkite_emulator.serving.refusals import not_found
from buildkite_emulator.serving.routing import Call


def enter(call: Call, scope: str) -> None:
    """Check that the token has the scope and that the path names this organisation.

    Raises:
        RefusedError: 401 for an unknown token, 403 without the scope, 404 for another organisation.
    """
    auth.user(call, scope)
    if call.parameters["organization"] != call.store.settings.organization:
        raise not_found("organization")


def pipeline(call: Call, scope: str) -> Pipeline:
    """The pipeline of the path.

    Raises:
        RefusedError: as `enter`; 404 for an unknown pipeline.
    """
    enter(call, scope)
    found = call.store.pipelines.get(call.parameters["pipeline"])
    if found is None:
        raise not_found("pipeline")
    return found


def build(call: Call, scope: str) -> Build:
    """The build of the path, by pipeline and number.

    Raises:
        RefusedError: as `enter`; 404 for an unknown build.
    """
    enter(call, scope)
    found = _build(call)
    if found is None:
        raise not_found("build")
    return found


def job(call: Call, scope: str) -> Job:
    """The command job of the path.

    Raises:
        RefusedError: as `enter`; 404 for an unknown job, or a job of another build than the path's.
    """
    enter(call, scope)
    found = call.store.jobs.get(call.parameters["id"])
    if found is None or not _is_of_path(call, found.build_id):
        raise not_found("job")
    return found


def block(call: Call, scope: str) -> tuple[Build, BlockStep] | None:
    """The block or input step of the path, with its build; None for another id.

    Raises:
        RefusedError: as `enter`.
    """
    enter(call, scope)
    found = blocks.find(call.store, call.parameters["id"])
    return found if found and _is_of_path(call, found[0].id) else None


def agent(call: Call, scope: str) -> Agent:
    """The agent of the path.

    Raises:
        RefusedError: as `enter`; 404 for an unknown agent.
    """
    enter(call, scope)
    found = call.store.agents.get(call.parameters["id"])
    if found is None:
        raise not_found("agent")
    return found


def organization_url(call: Call) -> str:
    """The organisation's REST URL, as this client reaches it."""
    host = call.request.headers.get("host", "localhost")
    return f"http://{host}/v2/organizations/{call.store.settings.organization}"


def _build(call: Call) -> Build | None:
    number, slug = call.parameters["number"], call.parameters["pipeline"]
    return call.store.build_by_number(slug, int(number)) if number.isdigit() else None


def _is_of_path(call: Call, build_id: str) -> bool:
    if "number" not in call.parameters:
        return True
    named = _build(call)
    return named is not None and named.id == build_id

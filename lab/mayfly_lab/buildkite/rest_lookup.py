"""What a REST call's path names, for a user whose token is good."""

from __future__ import annotations

from . import auth
from .records import Build, Job
from .refusals import not_found
from .routing import Call


def build(call: Call) -> Build:
    """The build of the path, by pipeline and number.

    Raises:
        RefusedError: 401, 404.
    """
    _enter(call)
    number, slug = call.parameters["number"], call.parameters["pipeline"]
    found = call.store.build_by_number(slug, int(number)) if number.isdigit() else None
    if found is None:
        raise not_found("build")
    return found


def job(call: Call) -> Job:
    """The job of the path: `:job`, of the build that it names if it names one.

    Raises:
        RefusedError: 401, 404.
    """
    _enter(call)
    found = call.store.jobs.get(call.parameters["job"])
    if found is None or ("number" in call.parameters and build(call).id != found.build_id):
        raise not_found("job")
    return found


def organization_url(call: Call) -> str:
    """Where the organisation is in the REST API, as this client reaches it."""
    host = call.request.headers.get("host", "localhost")
    return f"http://{host}/v2/organizations/{call.store.settings.organization}"


def _enter(call: Call) -> None:
    auth.user(call)
    if call.parameters["organization"] != call.store.settings.organization:
        raise not_found("organization")

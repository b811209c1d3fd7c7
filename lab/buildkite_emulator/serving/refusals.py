"""Refusals of API calls: one error that carries the whole answer."""

from __future__ import annotations

from collections.abc import Mapping


class RefusedError(Exception):
    """A refused call; the HTTP layer sends the error as `{"message": ...}`."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        fields: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message
        self.headers = dict(headers or {})
        self.fields = dict(fields or {})
        """Fields of the body besides `message`."""


def bad_request(message: str) -> RefusedError:
    """400: a parameter has the wrong type."""
    return RefusedError(400, message)


def unauthorized() -> RefusedError:
    """401: the token is missing, unknown, expired, or of the wrong kind for the call.

    The wording is from agents' logs (forum.buildkite.community, thread 4574).
    """
    return RefusedError(401, "Invalid access token")


def not_found(what: str) -> RefusedError:
    """404: the stack, job, queue or build does not exist, or the token may not see it."""
    return RefusedError(404, f"No {what} found")


def unprocessable(message: str) -> RefusedError:
    """422: the request is well-formed, but its values are refused."""
    return RefusedError(422, message)

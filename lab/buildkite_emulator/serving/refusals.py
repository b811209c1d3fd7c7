"""How an API call is turned down: one error that carries the whole answer."""

from __future__ import annotations

from collections.abc import Mapping


class RefusedError(Exception):
    """An answer other than success; the HTTP layer sends it as `{"message": ...}`."""

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
        """What the body has besides `message`."""


def bad_request(message: str) -> RefusedError:
    """A parameter of the wrong kind."""
    return RefusedError(400, message)


def unauthorized() -> RefusedError:
    """A token that is missing, unknown, expired, or not of the kind that the call takes.

    The wording is the one that agents log (forum.buildkite.community, thread 4574).
    """
    return RefusedError(401, "Invalid access token")


def not_found(what: str) -> RefusedError:
    """No such stack, job, queue, build, or none that this token may see."""
    return RefusedError(404, f"No {what} found")


def unprocessable(message: str) -> RefusedError:
    """A well-formed request that cannot be obeyed."""
    return RefusedError(422, message)

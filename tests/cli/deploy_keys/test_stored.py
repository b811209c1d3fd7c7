"""One contract for the fake and for Parameter Store; then what Parameter Store alone can do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from mayfly_cli.deploy_keys.key_pair import generate, public_of
from mayfly_cli.deploy_keys.steps import Stored, UnclearError
from mayfly_cli.deploy_keys.stored import ParameterKey
from mayfly_cli.ends import UsageError
from mayfly_cli.queue_secrets.store import SecretStore
from tests.cli.deploy_keys.conftest import PATH, Secrets
from tests.cli.deploy_keys.fakes import FakeStored

FOLDER = f"{PATH}/github.com_acme_app.git"
KEY, PUBLIC = f"{FOLDER}/ssh/key", f"{FOLDER}/ssh/key.pub"
FIRST, SECOND = generate(), generate()


def place(secrets: Secrets) -> ParameterKey:
    return ParameterKey(SecretStore(secrets.client, ""), FOLDER, "ci")


@pytest.fixture(params=["fake", "parameter store"])
def stored(request: pytest.FixtureRequest, secrets: Secrets) -> Stored:
    return FakeStored() if request.param == "fake" else place(secrets)


def test_a_place_without_a_key_is_empty_and_can_be_deleted(stored: Stored) -> None:
    assert stored.present() is None
    stored.delete()


def test_a_written_key_is_present_with_its_public_half(stored: Stored) -> None:
    made = stored.write(FIRST, "title", None)
    assert (made.version, made.public) == (1, FIRST.public)
    assert stored.present() == made


def test_a_key_is_written_over_the_known_one_alone(stored: Stored) -> None:
    first = stored.write(FIRST, "title", None)
    with pytest.raises(UsageError, match="somebody else"):
        stored.write(SECOND, "title", None)
    assert stored.present() == first
    second = stored.write(SECOND, "title", first)
    assert (second.version, second.public) == (2, SECOND.public)
    with pytest.raises(UsageError, match="somebody else"):
        stored.write(FIRST, "title", first)


def test_a_deleted_key_is_gone(stored: Stored) -> None:
    stored.write(FIRST, "title", None)
    stored.delete()
    assert stored.present() is None


# ------------------------------------------------------------------ Parameter Store alone


def test_a_public_half_of_an_earlier_key_does_not_count(secrets: Secrets) -> None:
    at = place(secrets)
    at.write(FIRST, "title", None)
    secrets.put(KEY, SECOND.private_text, "SecureString")
    present = at.present()
    assert present is not None
    assert (present.version, present.public) == (2, SECOND.public)


def test_the_key_is_unknown_without_public_half_and_right_to_decrypt(secrets: Secrets) -> None:
    secrets.put(KEY, FIRST.private_text, "SecureString")
    with struck(secrets, "GetParameters", refused):
        present = place(secrets).present()
    assert present is not None
    assert (present.version, present.public) == (1, None)


def test_a_write_whose_answer_is_lost_is_found(secrets: Secrets) -> None:
    at = place(secrets)
    with struck(secrets, "PutParameter", lost_after(secrets, KEY)):
        made = at.write(FIRST, "title", None)
    assert (made.version, made.public) == (1, FIRST.public)


def test_a_write_that_nobody_can_look_for_is_unclear(secrets: Secrets) -> None:
    at = place(secrets)
    with (
        struck(secrets, "PutParameter", lost_after(secrets, KEY)),
        struck(secrets, "GetParameters", refused),
        pytest.raises(UnclearError, match="is not known"),
    ):
        at.write(FIRST, "title", None)


def test_a_write_without_an_answer_that_did_nothing_is_said_so(secrets: Secrets) -> None:
    with (
        struck(secrets, "PutParameter", lost),
        pytest.raises(UsageError, match="cannot be asked") as failed,
    ):
        place(secrets).write(FIRST, "title", None)
    assert "PRIVATE" not in str(failed.value)


def test_a_write_that_was_repeated_finds_its_own_key(secrets: Secrets) -> None:
    """botocore sends a call again after a lost answer, and then SSM says that the key exists."""
    at = place(secrets)
    text: list[str] = []

    def twice(params: Any, **_: Any) -> None:
        text.append(params["Value"])
        if len(text) == 1:
            secrets.put(KEY, params["Value"], "SecureString")

    events = secrets.client.meta.events
    events.register("before-parameter-build.ssm.PutParameter", twice, unique_id="twice")
    try:
        made = at.write(FIRST, "title", None)
    finally:
        events.unregister("before-parameter-build.ssm.PutParameter", twice, unique_id="twice")
    assert made.version == 1
    assert public_of(str(secrets.value(KEY))) == FIRST.public


def test_a_public_half_that_cannot_be_written_is_said(secrets: Secrets) -> None:
    secrets.put(PUBLIC, "x", "SecureString")

    def only_public(model: Any, params: Any, **_: Any) -> Any:
        return refused(model) if b"key.pub" in params["body"] else None

    with (
        struck(secrets, "PutParameter", only_public),
        pytest.raises(UnclearError, match=r"jobs use it, but .*key.pub is not"),
    ):
        place(secrets).write(FIRST, "title", None)


Handler = Callable[..., Any]


class struck:  # noqa: N801 - read as a word of a sentence
    """The client with a handler before the calls of one operation."""

    def __init__(self, secrets: Secrets, operation: str, handler: Handler) -> None:
        self._events = secrets.client.meta.events
        self._on = f"before-call.ssm.{operation}"
        self._handler = handler

    def __enter__(self) -> None:
        self._events.register_first(self._on, self._handler, unique_id=self._on)

    def __exit__(self, *_: object) -> None:
        self._events.unregister(self._on, self._handler, unique_id=self._on)


def refused(model: Any, **_: Any) -> Any:
    text = f"User: eve is not authorized to perform: ssm:{model.name} on resource: x because"
    error = {"Code": "AccessDeniedException", "Message": text}
    answer = type("Answer", (), {"status_code": 400})
    return answer, {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 400}}


def lost(**_: Any) -> Any:
    raise EndpointConnectionError(endpoint_url="https://ssm")


def lost_after(secrets: Secrets, name: str) -> Handler:
    """The call takes effect, and its answer is lost."""
    done: list[bool] = []

    def handler(params: Any, **_: Any) -> Any:
        import json

        body = json.loads(params["body"])
        if body["Name"] != name or done:
            return None
        done.append(True)
        secrets.put(name, body["Value"], "SecureString")
        raise EndpointConnectionError(endpoint_url="https://ssm")

    return handler

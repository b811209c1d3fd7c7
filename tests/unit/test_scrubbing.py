"""The scrubber removes every kind of secret from texts, nested values and log records."""

from __future__ import annotations

import io
import logging

import pytest

from mayfly import scrubbing
from mayfly.scrubbing import REDACTED, Scrubber, hide, scrub, scrub_deep
from tests.unit.secret_kinds import SECRETS, fail_twice


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide an old agent token by its value: a token without prefix looks like a commit."""
    monkeypatch.setattr(scrubbing, "_known", {})
    hide(SECRETS["old agent token"])


secret = pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())


@secret
@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "token {}.",
        "https://x:{}@example.org/",
        '{{"token": "{}"}}',
        "TOKEN={}\n",
        "[{}]",
        "({}, 1)",
        "a\t{}",
    ],
)
def test_every_kind_of_secret_is_scrubbed_from_a_text(secret: str, around: str) -> None:
    scrubbed = scrub(around.format(secret))
    assert secret not in scrubbed
    assert REDACTED in scrubbed
    for part in secret.split("."):
        assert part not in scrubbed


@secret
def test_the_scrubber_as_filter_of_a_plain_handler_hides_secrets(secret: str) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(Scrubber())
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "m %s", (secret,), None)
    try:
        fail_twice(secret)
    except KeyError as error:
        record.exc_info = (type(error), error, error.__traceback__)
    handler.handle(record)
    assert secret not in stream.getvalue()
    assert "ValueError" in stream.getvalue()


@secret
def test_an_exception_shows_no_secret_of_its_causes_arguments_and_notes(secret: str) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(Scrubber())
    try:
        try:
            fail_twice(secret)
        except KeyError as error:
            error.add_note(f"a note with {secret}")
            raise ExceptionGroup(secret, [error, OSError(2, secret, secret)]) from RuntimeError(
                {"nested": [secret.encode()]}, secret
            )
    except ExceptionGroup as group:
        kept = group
    raised = (type(kept), kept, kept.__traceback__)
    handler.handle(logging.LogRecord("x", logging.ERROR, "f", 1, kept, (), raised))
    handler.handle(logging.LogRecord("x", logging.ERROR, "f", 1, "%r %s", (kept, kept), None))
    assert secret not in stream.getvalue()
    assert "FileNotFoundError: [Errno 2] " in stream.getvalue()
    assert "a note with" in stream.getvalue()


@secret
def test_an_exception_that_another_handler_has_formatted_shows_no_secret(secret: str) -> None:
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "m", (), None)
    record.exc_text = f"ValueError: {secret}"
    Scrubber().filter(record)
    assert secret not in record.exc_text


@secret
def test_bytes_lose_their_secrets_as_texts_do(secret: str) -> None:
    given = {
        "a": [secret.encode(), bytearray(secret, "utf-8")],
        "b": {"c": (b"\xff" + secret.encode(),)},
    }
    assert secret not in str(scrub_deep(given))
    assert scrub_deep({"a": b"plain"}) == {"a": "plain"}
    assert scrub_deep({"session_token": b"short"}) == {"session_token": REDACTED}


def test_secrets_of_a_few_characters_are_not_hidden() -> None:
    hide("a")
    hide("")
    assert scrub("a cat") == "a cat"


def test_nested_values_keep_their_form() -> None:
    token = SECRETS["bkct"]
    given = {"a": [1, None, True, 2.5, token], "b": ({"c": token},)}
    assert scrub_deep(given) == {"a": [1, None, True, 2.5, REDACTED], "b": [{"c": REDACTED}]}


@pytest.mark.parametrize("name", ["SecretAccessKey", "session_token", "X-Amz-Security-Token"])
def test_the_value_under_a_key_that_names_a_secret_is_hidden(name: str) -> None:
    assert scrub_deep({"a": [{name: "short"}]}) == {"a": [{name: REDACTED}]}
    assert scrub_deep({name: {"a": 1}, "tokens": "three"}) == {name: {"a": 1}, "tokens": "three"}

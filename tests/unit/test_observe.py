"""Nothing that is secret may be written where people can read it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from mayfly import observe, scrubbing
from mayfly.metrics import Metric
from mayfly.scrubbing import REDACTED, Scrubber, hide, scrub, scrub_deep
from mayfly.settings import Settings

SETTINGS = Settings(
    stack="ci",
    fleet_table="ci-fleet",
    region="eu-central-1",
    service="dispatch",
    metrics_namespace="Mayfly",
    log_level="INFO",
)
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiI2YTFlIn0.c2lnbmF0dXJlLW9mLWl0"
BODY = "Zq3-x_9Kd0.LmN4pQrStUvWxYz01234"
PREFIXES = "bkct bkcqt bkar bkaa bkaj bkjat bkua bkur bktx bkpt bkrt bktr bkat bkpat bkps"
SECRETS = {
    **{prefix: f"{prefix}_{BODY}" for prefix in PREFIXES.split()},
    "prefixed jwt": f"bkjat_{JWT}",
    "jwt": JWT,
    "aws secret key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "aws session token": "IQoJb3JpZ2luX2VjE" + "Ab9/+" * 60 + "==",
    "old agent token": "0123456789abcdef0123456789abcdef01234567",
}


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent token from before prefixes looks like a commit: only its value tells it."""
    monkeypatch.setattr(scrubbing, "_known", [])
    hide(SECRETS["old agent token"])


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the function's log says."""
    observe.configure(SETTINGS)
    log = logging.getLogger("mayfly")
    (handler,) = log.handlers
    assert isinstance(handler, logging.StreamHandler)
    stream = io.StringIO()
    handler.setStream(stream)
    yield stream
    log.handlers.clear()
    log.propagate = True


secret = pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())


def fail_twice(secret: str) -> None:
    try:
        int(secret)
    except ValueError as cause:
        raise KeyError(f"because of {secret}") from cause


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
def test_every_kind_of_secret_is_taken_out_of_a_text(secret: str, around: str) -> None:
    scrubbed = scrub(around.format(secret))
    assert secret not in scrubbed
    assert REDACTED in scrubbed
    for part in secret.split("."):
        assert part not in scrubbed


@secret
def test_a_secret_is_taken_out_of_every_part_of_a_log_line(
    secret: str, written: io.StringIO
) -> None:
    log = logging.getLogger("mayfly.adapters.anything")
    log.info("message %s", secret)
    log.info(f"formatted {secret}")
    log.warning("arguments %s %d %s", secret, 3, {"nested": [secret]})
    log.info("extra", extra={"given": {"list": [secret, 7], secret: (secret,)}, "plain": secret})
    log.info({"a map": secret})
    try:
        fail_twice(secret)
    except KeyError:
        log.exception("failed with %s", secret, stack_info=True)
    text = written.getvalue()
    lines = [json.loads(line) for line in text.splitlines()]
    assert len(lines) == 6
    assert secret not in text
    assert lines[0]["message"] == f"message {REDACTED}"
    assert lines[2]["message"].startswith(f"arguments {REDACTED} 3")
    assert lines[3]["given"]["list"] == [REDACTED, 7]
    assert lines[5]["exception_name"] == "KeyError"
    assert "ValueError" in lines[5]["exception"]


@secret
def test_a_plain_formatter_prints_no_secret_either(secret: str) -> None:
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


@pytest.mark.parametrize(
    "text",
    [
        "commit 4bf1f2dd4ac6a5f6d0a4d1d5f1c9f1c0a9b8c7d6",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "launch 0123456789abcdef0123456789abcdef of i-0123456789abcdef0",
        "arn:aws:iam::123456789012:instance-profile/mayfly/ci/sandbox/deploy/ci-SandboxProfile-1A2B",
        "6a1e1b1e-0000-4000-8000-0123456789ab is scheduled",
        "layers/mayfly/mayfly/adapters/stacks_calls",
        "AROASANDBOXAAAAAAAAAA:i-0123456789abcdef0",
        "bk_ is no token",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert scrub(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "aws_secret_access_key = short",
        '"SecretAccessKey": "short"',
        "'SessionToken': 'short'",
        "X-Amz-Security-Token=short&x=1",
        "Authorization: Token short",
        "{'Authorization': 'Bearer short'}",
    ],
)
def test_what_is_called_a_secret_is_one(text: str) -> None:
    assert "short" not in scrub(text)


def test_a_few_characters_are_not_worth_hiding() -> None:
    hide("a")
    hide("")
    assert scrub("a cat") == "a cat"


def test_nested_values_keep_their_form() -> None:
    token = SECRETS["bkct"]
    given = {"a": [1, None, True, 2.5, token], "b": ({"c": token},)}
    assert scrub_deep(given) == {"a": [1, None, True, 2.5, REDACTED], "b": [{"c": REDACTED}]}


def test_a_line_with_wrong_arguments_does_not_take_the_function_down(
    written: io.StringIO,
) -> None:
    logging.getLogger("mayfly").info("%d jobs", "many")
    assert "%d jobs" in json.loads(written.getvalue())["message"]


def test_a_log_line_names_function_and_stack(written: io.StringIO) -> None:
    logging.getLogger("mayfly.ticks").info("ticked", extra={"done": {"Bind": 2}})
    line = json.loads(written.getvalue())
    assert (line["level"], line["service"], line["stack"]) == ("INFO", "dispatch", "ci")
    assert line["done"] == {"Bind": 2}


def test_metrics_go_out_with_the_invocation(
    written: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    with observe.invocation():
        observe.count(Metric.BAD_CONFIGURATION, 2)
        observe.count(Metric.BAD_CONFIGURATION)
    line = json.loads(capsys.readouterr().out)
    assert sum(line["BadConfiguration"]) == 3
    (told,) = line["_aws"]["CloudWatchMetrics"]
    assert told["Namespace"] == "Mayfly"
    assert told["Metrics"] == [{"Name": "BadConfiguration", "Unit": "Count"}]
    assert {name for names in told["Dimensions"] for name in names} == {"service", "stack"}
    assert (line["service"], line["stack"]) == ("dispatch", "ci")


def test_an_invocation_without_metrics_prints_none(
    written: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    with observe.invocation():
        pass
    assert capsys.readouterr().out == ""


@secret
def test_what_escapes_a_function_has_no_secret(secret: str, written: io.StringIO) -> None:
    with pytest.raises(observe.FunctionFailed) as caught, observe.invocation():
        raise ValueError(f"bad {secret}")
    assert secret not in str(caught.value)
    assert "ValueError: bad" in str(caught.value)
    # The runtime prints what is chained to an exception as well.
    assert caught.value.__suppress_context__
    assert secret not in written.getvalue()
    assert "the function failed" in written.getvalue()

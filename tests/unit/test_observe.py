"""The output of a function: log lines with names and without secrets, and metrics."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mayfly import invoke, observe, scrubbing, wiring
from mayfly.metrics import Metric
from mayfly.scrubbing import REDACTED, hide
from tests.unit.function_log import SETTINGS, FunctionLog, Invoked, function_log
from tests.unit.secret_kinds import SECRETS, fail_twice

log = logging.getLogger("mayfly")
secret = pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
FIRST, SECOND = Invoked("first"), Invoked("second")


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide an old agent token by its value: a token without prefix looks like a commit."""
    monkeypatch.setattr(scrubbing, "_known", {})
    hide(SECRETS["old agent token"])


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[FunctionLog]:
    """The log of the function."""
    with function_log(monkeypatch) as written:
        yield written


@observe.invocation
def log_what_is_said(event: Mapping[str, Any], context: observe.Context) -> dict[str, Any]:
    """A handler that logs the value of `say` in its event."""
    log.info("said", extra={"what": event["say"]})
    return {}


# -- no secret -------------------------------------------------------------------------------------


@secret
def test_a_secret_is_scrubbed_from_every_part_of_a_log_line(
    secret: str, written: FunctionLog
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
    observe.logger().append_keys(appended={"deep": [secret]}, **{secret: 1}, plain_key=secret)
    log.info("with keys")
    observe.logger().thread_safe_append_keys(mine=secret)
    log.info("with keys of a thread")
    observe.logger().remove_keys(["appended", secret, "plain_key"])
    observe.logger().thread_safe_clear_keys()
    observe.logger().info("by the logger of Powertools %s", secret, also=secret)
    logging.getLogger("botocore.endpoint").warning("a library: %s", secret)
    warnings.warn(f"beware of {secret}", stacklevel=1)
    lines = written.lines
    assert len(lines) == 11
    assert secret not in written.text
    assert lines[0]["message"] == f"message {REDACTED}"
    assert lines[2]["message"].startswith(f"arguments {REDACTED} 3")
    assert lines[3]["given"]["list"] == [REDACTED, 7]
    assert lines[5]["exception_name"] == "KeyError"
    assert "ValueError" in lines[5]["exception"]

    assert lines[6]["appended"] == {"deep": [REDACTED]}
    assert lines[6]["plain_key"] == lines[7]["mine"] == lines[8]["also"] == REDACTED
    assert lines[9]["message"] == f"a library: {REDACTED}"
    assert lines[10]["message"].partition("UserWarning: ")[2].startswith(f"beware of {REDACTED}")


@secret
def test_an_error_that_leaves_a_function_has_no_secret(secret: str, written: FunctionLog) -> None:
    @observe.invocation
    def fail(event: Mapping[str, Any], context: observe.Context) -> dict[str, Any]:
        raise ValueError(f"bad {secret}")

    with pytest.raises(observe.FunctionFailed) as caught:
        fail({}, FIRST)
    assert secret not in str(caught.value)
    assert "ValueError: bad" in str(caught.value)
    # Lambda's runtime also prints exceptions that are chained to the raised one.
    assert caught.value.__suppress_context__
    assert secret not in written.text
    (line,) = written.lines
    assert (line["message"], line["function_request_id"]) == ("the function failed", "first")


def test_the_value_under_a_key_that_names_a_secret_is_hidden_in_a_log_line(
    written: FunctionLog,
) -> None:
    observe.logger().append_keys(session_token="short")
    log.info("extra", extra={"SecretAccessKey": "short", "headers": {"Authorization": "short"}})
    assert "short" not in written.text
    assert written.lines[0]["headers"] == {"Authorization": REDACTED}


# -- names in lines --------------------------------------------------------------------------------


def test_a_log_line_with_wrong_arguments_is_printed_without_an_error(
    written: FunctionLog,
) -> None:
    log.info("%d jobs", "many")
    assert "%d jobs" in written.lines[0]["message"]


def test_half_of_a_surrogate_pair_costs_no_log_line(
    written: FunctionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without pytest's own handler: a report of a worker takes no half of a pair either.
    monkeypatch.setattr(logging.root, "handlers", logging.root.handlers[:1])
    log.info("half \ud800 of %s", "\udfff", extra={"job": "\ud800"})
    (line,) = written.text.splitlines()
    assert line.encode()
    assert "half" in json.loads(line)["message"]


def test_a_log_line_names_function_and_stack(written: FunctionLog) -> None:
    logging.getLogger("mayfly.ticks").info("ticked", extra={"done": {"Bind": 2}})
    (line,) = written.lines
    assert (line["level"], line["service"], line["stack"]) == ("INFO", "dispatch", "ci")
    assert line["done"] == {"Bind": 2}
    assert line["name"] == "mayfly.ticks"


def test_log_lines_name_their_request_and_whether_it_is_a_cold_start(
    written: FunctionLog,
) -> None:
    log_what_is_said({"say": 1}, FIRST)
    log_what_is_said({"say": 2}, SECOND)
    named = [(x["what"], x["function_request_id"], x["cold_start"]) for x in written.lines]
    assert named == [(1, "first", True), (2, "second", False)]
    assert {line["function_name"] for line in written.lines} == {"ci-dispatch"}
    assert {line["function_arn"] for line in written.lines} == {FIRST.invoked_function_arn}


def test_the_log_line_of_a_thread_names_the_request(written: FunctionLog) -> None:
    @observe.invocation
    def log_in_a_thread(event: Mapping[str, Any], context: observe.Context) -> dict[str, Any]:
        with ThreadPoolExecutor() as pool:
            pool.submit(log.info, "from a thread").result()
        return {}

    log_in_a_thread({}, FIRST)
    assert written.lines[0]["function_request_id"] == "first"


SPEAKER = """
import sys
from tests.unit.function_log import SETTINGS, Invoked
from mayfly import observe

@observe.invocation
def handler(event, context):
    for number in range(3):
        sys.stdin.readline()
        observe.log.info("line %d", number, extra={"job": f"job-{number}"})
        sys.stdout.flush()
    return {}

observe.configure(SETTINGS)
handler({}, Invoked(sys.argv[1]))
"""


def test_log_lines_of_overlapping_invocations_can_be_told_apart() -> None:
    """Two processes, one an invocation as in Lambda, print their lines in turns."""
    command = [sys.executable, "-c", SPEAKER]
    pipe = subprocess.PIPE
    with (
        subprocess.Popen([*command, "first"], stdin=pipe, stdout=pipe, text=True) as first,
        subprocess.Popen([*command, "second"], stdin=pipe, stdout=pipe, text=True) as second,
    ):
        printed = []
        for speaker in (first, second, second, first, first, second):
            assert speaker.stdin
            assert speaker.stdout
            speaker.stdin.write("go on\n")
            speaker.stdin.flush()
            printed.append(json.loads(speaker.stdout.readline()))
        assert (first.wait(), second.wait()) == (0, 0)
    followed = {
        request: [line["job"] for line in printed if line["function_request_id"] == request]
        for request in ("first", "second")
    }
    assert followed == {key: ["job-0", "job-1", "job-2"] for key in ("first", "second")}
    assert all(line["cold_start"] for line in printed)


def test_libraries_log_only_warnings_in_the_form_of_the_function(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with function_log(monkeypatch, SETTINGS.model_copy(update={"log_level": "DEBUG"})) as written:
        logging.getLogger("botocore.endpoint").debug("a request with its body")
        logging.getLogger("botocore.credentials").info("found credentials")
        logging.getLogger("urllib3.connectionpool").warning("pool is full")
        log.debug("ours")
    assert [(x["name"], x["message"]) for x in written.lines] == [
        ("urllib3.connectionpool", "pool is full"),
        ("mayfly", "ours"),
    ]
    assert {line["stack"] for line in written.lines} == {"ci"}


def test_missing_settings_are_logged_in_a_line_of_the_request(
    written: FunctionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.environ", {})
    wiring.settings.cache_clear()
    with pytest.raises(observe.FunctionFailed, match="MAYFLY_STACK is missing"):
        invoke.reap({}, FIRST)
    (line,) = written.lines
    assert line["function_request_id"] == "first"
    assert "MAYFLY_MAILBOX_TABLE is missing" in line["exception"]


# -- metrics ---------------------------------------------------------------------------------------


def test_metrics_are_sent_once_an_invocation(
    written: FunctionLog, capsys: pytest.CaptureFixture[str]
) -> None:
    @observe.invocation
    def count_problems(event: Mapping[str, Any], context: observe.Context) -> dict[str, Any]:
        observe.count(Metric.BAD_CONFIGURATION, 2)
        observe.count(Metric.BAD_CONFIGURATION)
        return {}

    count_problems({}, FIRST)
    line = json.loads(capsys.readouterr().out)
    assert sum(line["BadConfiguration"]) == 3
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Mayfly"
    assert directive["Metrics"] == [{"Name": "BadConfiguration", "Unit": "Count"}]
    assert {name for names in directive["Dimensions"] for name in names} == {"service", "stack"}
    assert (line["service"], line["stack"]) == ("dispatch", "ci")
    assert (line["function_request_id"], line["function_name"]) == ("first", "ci-dispatch")


def test_metrics_of_a_failed_function_are_sent(
    written: FunctionLog, capsys: pytest.CaptureFixture[str]
) -> None:
    @observe.invocation
    def fail(event: Mapping[str, Any], context: observe.Context) -> dict[str, Any]:
        observe.count(Metric.UNREADABLE_REPORT)
        raise ValueError

    with pytest.raises(observe.FunctionFailed):
        fail({}, FIRST)
    assert json.loads(capsys.readouterr().out)["UnreadableReport"] == [1]


def test_an_invocation_without_metrics_prints_none(
    written: FunctionLog, capsys: pytest.CaptureFixture[str]
) -> None:
    log_what_is_said({"say": 1}, FIRST)
    assert capsys.readouterr().out == ""

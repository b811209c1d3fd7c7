"""The Stacks adapter: what it sends, and its reading of answers that no emulator gives."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pytest

from mayfly.adapters.buildkite.stacks import PAGES, stack_key
from mayfly.errors import (
    Conflict,
    MayflyError,
    Misconfigured,
    NotFound,
    TokenRefused,
    Transient,
)
from mayfly.scrubbing import REDACTED, scrub
from tests.unit.stacks_server import NOTHING, TOKEN, Answer, Bench, a_bench, a_page

OWNER = "stack/mayfly/1"


@pytest.fixture
def bench() -> Iterator[Bench]:
    with a_bench() as bench:
        yield bench


# -- what is sent ------------------------------------------------------------------------------


def test_the_stack_key_names_account_region_and_stack() -> None:
    key = stack_key("123456789012", "eu-central-1", "mayfly")
    assert key == "mayfly-123456789012-eu-central-1-mayfly"


def test_a_long_stack_key_is_cut_to_80_bytes_and_stays_unique() -> None:
    stacks = [f"{'a-stack-with-a-very-long-name' * 4}-{number}" for number in range(3)]
    keys = {stack_key("123456789012", "eu-central-1", stack) for stack in stacks}
    assert len(keys) == 3
    for key in keys:
        assert len(key) == 80
        assert key.startswith("mayfly-123456789012-eu-central-1-a-stack")


def test_a_stack_is_registered_as_custom_with_its_owner(bench: Bench) -> None:
    bench.answers(Answer(201, {"key": "mayfly-test", "metadata": {"mayfly-owner": OWNER}}))
    bench.stacks.register("deploy", OWNER)
    (asked,) = bench.server.asked
    assert (asked.method, asked.path) == ("POST", "/v3/stacks/register")
    assert asked.body == {
        "key": "mayfly-test",
        "type": "custom",
        "queue_key": "deploy",
        "metadata": {"mayfly-owner": OWNER},
    }
    assert asked.authorization == f"Token {TOKEN}"


@pytest.mark.parametrize("metadata", [{"mayfly-owner": "somebody else"}, {"version": "1"}, {}])
def test_a_stack_of_another_owner_is_a_misconfiguration(
    bench: Bench, metadata: Mapping[str, str]
) -> None:
    bench.answers(Answer(200, {"key": "mayfly-test", "metadata": metadata}))
    with pytest.raises(Misconfigured, match="mayfly-test belongs to"):
        bench.stacks.register("deploy", OWNER)


def test_the_stack_limit_of_an_organisation_is_a_misconfiguration(bench: Bench) -> None:
    bench.answers(Answer(403, {"message": "stack limit reached"}))
    with pytest.raises(Misconfigured, match="stack limit reached"):
        bench.stacks.register("deploy", OWNER)


def test_seconds_and_exit_status_are_always_sent(bench: Bench) -> None:
    bench.answers(NOTHING, Answer(201, {"job_acquisition_tokens": []}), Answer(200, {}))
    bench.stacks.reserve(["job-1"], 300)
    bench.stacks.tokens(["job-1"], 240)
    bench.stacks.finish("job-1", "no such queue")
    assert bench.bodies == [
        {"job_uuids": ["job-1"], "reservation_expiry_seconds": 300},
        {"job_uuids": ["job-1"], "token_lifetime_seconds": 240},
        {"exit_status": -1, "detail": "no such queue"},
    ]


def test_only_jobs_that_buildkite_names_as_reserved_are_reserved(bench: Bench) -> None:
    answer = {"reserved": ["job-2", "job-of-nobody"], "not_reserved": ["job-1"]}
    bench.answers(Answer(200, answer))
    assert bench.stacks.reserve(["job-1", "job-2"], 300) == {"job-2"}


def test_a_minted_token_of_any_shape_is_hidden_from_every_text(bench: Bench) -> None:
    token = "minted without a known shape"
    issued = {"job_uuid": "job-1", "job_acquisition_token": token}
    bench.answers(Answer(201, {"job_acquisition_tokens": [issued]}))
    assert scrub(token) == token
    assert bench.stacks.tokens(["job-1"], 240) == {"job-1": token}
    assert scrub(f"agent says: {token}!") == f"agent says: {REDACTED}!"


def test_a_long_reason_is_cut_to_4096_bytes_between_characters(bench: Bench) -> None:
    bench.answers(Answer(200, {}))
    bench.stacks.finish("job-1", "x" + "é" * 4096)
    detail = bench.bodies[0]["detail"]
    assert detail == "x" + "é" * 2047
    assert len(detail.encode()) == 4095


def test_a_reason_is_scrubbed(bench: Bench) -> None:
    bench.answers(Answer(200, {}))
    bench.stacks.finish("job-1", f"the host said {TOKEN}")
    assert bench.bodies[0]["detail"] == "the host said [redacted]"


def test_a_job_id_cannot_change_the_path(bench: Bench) -> None:
    bench.answers(Answer(200, {"env": {}}))
    bench.stacks.environment("../../stacks/register?x=1")
    assert bench.server.asked[0].path == (
        "/v3/stacks/mayfly-test/jobs/..%2F..%2Fstacks%2Fregister%3Fx%3D1"
    )


def test_calls_share_one_connection(bench: Bench) -> None:
    bench.answers(*[a_page()] * 5)
    for _ in range(5):
        bench.stacks.jobs("deploy")
    assert bench.server.connections == 1


# -- what is read ------------------------------------------------------------------------------


def test_every_page_is_read_and_a_repeated_job_is_listed_once(bench: Bench) -> None:
    # Buildkite's list is no snapshot: a job may be on two pages.
    bench.answers(a_page("a", "b", cursor="1"), a_page("b", "c", cursor="2"), a_page("d"))
    assert [job.id for job in bench.stacks.jobs("deploy").jobs] == ["a", "b", "c", "d"]
    queries = [asked.query for asked in bench.server.asked]
    assert queries[0] == {"queue_key": ["deploy"], "limit": ["1000"]}
    assert [query.get("after") for query in queries] == [None, ["1"], ["2"]]


def test_at_most_the_stated_number_of_pages_is_read(bench: Bench) -> None:
    bench.answers(*[a_page(f"job-{n}", cursor=str(n)) for n in range(PAGES + 1)])
    assert len(bench.stacks.jobs("deploy").jobs) == PAGES
    assert len(bench.server.asked) == PAGES


def test_nulls_of_a_listed_job_are_read_as_zero_or_empty(bench: Bench) -> None:
    bench.answers(a_page("a"))
    (job,) = bench.stacks.jobs("deploy").jobs
    assert (job.priority, job.branch, job.step, job.build) == (0, "", "", 7)
    assert job.runnable_at.isoformat() == "2026-11-20T09:30:00+00:00"


BAD_JOBS: list[object] = [
    None,
    {"id": "bad", "agent_query_rules": None},
    {"id": "bad", "agent_query_rules": [], "scheduled_at": None},
    {"id": "bad", "agent_query_rules": "queue=deploy", "scheduled_at": "2026-11-20T09:30:00Z"},
    {"id": "bad", "agent_query_rules": ["x" * 10_001], "scheduled_at": "2026-11-20T09:30:00Z"},
    {"id": "bad", "agent_query_rules": [None], "scheduled_at": "2026-11-20T09:30:00Z"},
    {"id": "bad", "scheduled_at": "2026-11-20T09:30:00Z"},
    {"id": "bad", "agent_query_rules": ["queue=\ud800"], "scheduled_at": "2026-11-20T09:30:00Z"},
    {
        "id": "bad",
        "agent_query_rules": [],
        "scheduled_at": "2026-11-20T09:30:00Z",
        "priority": 1 << 64,
    },
]
"""The last two are values that no table can hold: half of a surrogate pair, and 65 bits."""


@pytest.mark.parametrize("bad", BAD_JOBS)
def test_a_job_that_cannot_be_read_is_named_and_the_others_are_listed(
    bench: Bench, bad: object, caplog: pytest.LogCaptureFixture
) -> None:
    page = a_page("a", "c")
    assert isinstance(page.body, dict)
    page.body["jobs"].insert(1, bad)
    bench.answers(page, page)
    for _ in range(2):
        assert [job.id for job in bench.stacks.jobs("deploy").jobs] == ["a", "c"]
    (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
    name = "bad" if isinstance(bad, dict) else "number 2"
    assert f"queue deploy, listed job {name} cannot be read" in line.message
    assert getattr(line, "job", None) == ("bad" if isinstance(bad, dict) else None)


def test_a_job_that_stays_unreadable_is_named_once_a_minute(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    page = a_page("a")
    assert isinstance(page.body, dict)
    page.body["jobs"].append(None)
    bench.answers(*[page] * 6)
    for seconds in (0.25, 20, 20, 20, 0.25, 0.25):
        bench.stacks.jobs("deploy")
        bench.clock.now += seconds
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 2


def test_a_job_with_nulls_beside_rules_and_times_is_listed(bench: Bench) -> None:
    page = a_page("a")
    assert isinstance(page.body, dict)
    page.body["jobs"][0].update(pipeline=None, build=None, step=None, agent_query_rules=None)
    bench.answers(page)
    (job,) = bench.stacks.jobs("deploy").jobs
    assert (job.pipeline, job.build, job.branch, job.step, job.rules) == ("", 0, "", "", ())


@pytest.mark.parametrize(
    ("listed", "since"),
    [({}, 30), ({"runnable_at": None}, 30), ({"runnable_at": "2026-11-20T09:45:00.000Z"}, 45)],
    ids=["no runnable_at", "runnable_at is null", "runnable_at is listed"],
)
def test_the_runnable_time_of_a_job_is_its_scheduled_time_unless_listed(
    bench: Bench, listed: dict[str, object], since: int
) -> None:
    page = a_page("a")
    assert isinstance(page.body, dict)
    page.body["jobs"][0].update(listed)
    bench.answers(page)
    (job,) = bench.stacks.jobs("deploy").jobs
    assert job.runnable_at == datetime(2026, 11, 20, 9, since, tzinfo=UTC)


@pytest.mark.parametrize(
    ("queue", "paused"),
    [
        ({"id": "q", "dispatch_paused": True}, True),
        ({"id": "q", "paused": True}, True),
        ({"id": "q", "paused": True, "dispatch_paused": False}, True),
        ({"id": "q", "dispatch_paused": False}, False),
        ({"id": "q"}, False),
    ],
)
def test_either_pause_attribute_pauses_the_queue(
    bench: Bench, queue: Mapping[str, object], paused: bool
) -> None:
    bench.answers(a_page("a", queue=queue))
    assert bench.stacks.jobs("deploy").paused is paused


def test_reserved_jobs_that_were_not_asked_for_are_ignored(bench: Bench) -> None:
    bench.answers(Answer(200, {"reserved": ["a", "stranger"], "not_reserved": ["b"]}))
    assert bench.stacks.reserve(["a", "b"], 300) == {"a"}


def test_a_large_environment_is_read_completely(bench: Bench) -> None:
    env = {"BUILDKITE_MESSAGE": "x" * 300_000, "EMPTY": "", "NULL": None, "NUMBER": 3}
    bench.answers(Answer(200, {"id": "a", "env": env, "command": None}))
    read = bench.stacks.environment("a")
    assert read == {"BUILDKITE_MESSAGE": "x" * 300_000, "EMPTY": "", "NUMBER": "3"}


def test_notes_are_sent_together_without_secrets(bench: Bench) -> None:
    bench.answers(Answer(200, {"errors": []}))
    assert bench.stacks.notify({"a": f"set-up said {TOKEN}", "b": "limit reached"}) == {}
    (asked,) = bench.server.asked
    assert (asked.method, asked.path) == ("POST", "/v3/stacks/mayfly-test/notifications")
    first, second = asked.body["notifications"]
    assert (first["job_uuid"], second) == ("a", {"job_uuid": "b", "detail": "limit reached"})
    assert TOKEN not in first["detail"]


def test_refused_notes_are_named_by_their_positions(bench: Bench) -> None:
    bench.answers(
        Answer(200, {"errors": [{"error": "too many", "indexes": [0, 2]}, {"error": "late"}]}),
        Answer(200, {"errors": [{"error": "too many", "indexes": [0, 2, 9, -1, None]}, None]}),
        Answer(200, {"errors": None}),
        Answer(200, {}),
    )
    notes = {"a": "x", "b": "x", "c": "x"}
    for _ in range(2):
        assert bench.stacks.notify(notes) == {"a": "too many", "c": "too many"}
    assert bench.stacks.notify(notes) == bench.stacks.notify(notes) == {}


# -- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Misconfigured),
        (401, TokenRefused),
        (403, Misconfigured),
        (404, NotFound),
        (408, Transient),
        (409, Conflict),
        (422, Misconfigured),
        (429, Transient),
        (500, Transient),
        (502, Transient),
        (503, Transient),
        (302, Misconfigured),
    ],
)
def test_each_status_raises_the_error_of_the_callers_duty(
    bench: Bench, status: int, error: type[MayflyError]
) -> None:
    bench.answers(Answer(status, {"message": "because"}))
    with pytest.raises(error, match=f"{status} because"):
        bench.stacks.states(["a"])


def test_an_error_of_a_call_about_one_queue_names_the_queue(bench: Bench) -> None:
    bench.answers(Answer(503, {"message": "down"}), Answer(422, {"message": "no"}))
    with pytest.raises(
        Transient, match="batch-reserve of queue deploy: Buildkite answers 503 down"
    ):
        bench.stacks.reserve(["a"], 300, "deploy")
    with pytest.raises(Misconfigured, match=r"^batch-reserve: Buildkite answers 422 no"):
        bench.stacks.reserve(["a", "b"], 300, "")


def test_a_refused_call_about_several_queues_holds_up_no_call_about_one_of_them(
    bench: Bench,
) -> None:
    bench.answers(Answer(422, {"message": "no"}), Answer(200, {"reserved": ["a"]}))
    with pytest.raises(Misconfigured):
        bench.stacks.reserve(["a", "b"], 300, "")
    assert bench.stacks.reserve(["a"], 300, "deploy") == {"a"}


def test_an_error_status_without_json_body_raises_by_its_status(bench: Bench) -> None:
    bench.answers(Answer(502, b"<html>Bad gateway</html>"))
    with pytest.raises(Transient, match="502"):
        bench.stacks.states(["a"])


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"states": null}'])
def test_an_unreadable_answer_is_transient(bench: Bench, body: bytes) -> None:
    bench.answers(Answer(200, body))
    with pytest.raises(Transient, match="unreadable"):
        bench.stacks.states(["a"])


def test_a_server_that_does_not_answer_is_transient(bench: Bench) -> None:
    bench.server.http.shutdown()
    bench.server.http.server_close()
    with pytest.raises(Transient, match="no answer"):
        bench.stacks.states(["a"])


def test_a_refused_agent_token_is_reported_to_its_secret(bench: Bench) -> None:
    bench.answers(Answer(401, {"message": "Invalid access token"}))
    with pytest.raises(Misconfigured, match="Buildkite refuses the agent token"):
        bench.stacks.jobs("deploy")
    assert bench.token.refusals == 1


@pytest.mark.parametrize("status", [409, 422])
def test_failing_a_finished_job_is_a_conflict(bench: Bench, status: int) -> None:
    bench.answers(Answer(status, {"message": "already finished"}))
    with pytest.raises(Conflict, match="already finished"):
        bench.stacks.finish("a", "why")


def test_the_adapter_does_not_repeat_a_call(bench: Bench) -> None:
    bench.answers(Answer(503, {}), Answer(200, {"states": {}}))
    with pytest.raises(Transient):
        bench.stacks.states(["a"])
    assert len(bench.server.asked) == 1


# -- secrets -----------------------------------------------------------------------------------


def test_no_token_is_in_a_log_or_an_error(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    issued = {"job_uuid": "a", "job_acquisition_token": "bkjat_secret-of-job-a-0123456789"}
    bench.answers(
        Answer(201, {"job_acquisition_tokens": [issued], "not_issued": ["b"]}),
        Answer(500, {"message": "oops"}),
        Answer(201, {"job_acquisition_tokens": [{"job_acquisition_token": issued}]}),
    )
    assert bench.stacks.tokens(["a", "b"], 60) == {"a": issued["job_acquisition_token"]}
    with pytest.raises(Transient) as caught:
        bench.stacks.tokens(["a"], 60)
    assert bench.stacks.tokens(["a"], 60) == {}
    assert "token of job number 1 cannot be read" in caplog.text
    for text in (caplog.text, str(caught.value)):
        assert "bkjat_" not in text
        assert TOKEN not in text

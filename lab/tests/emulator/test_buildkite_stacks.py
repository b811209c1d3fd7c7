"""The promises of the Stacks API.

Source of each expectation, unless the test says otherwise: buildkite/docs
pages/apis/agent_api/stacks.md.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from emulator.buildkite_client import STACK, Contract, contract


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract() as made:
        yield made


def message(answer: requests.Response) -> str:
    text: str = answer.json()["message"]
    return text


def test_registering_creates_a_new_key_and_takes_over_a_known_one() -> None:
    """Source of the takeover: buildkite/agent-stack-k8s pull request 961."""
    with contract(stack=False) as bk:
        first = bk.register_stack(metadata={"owner": "a"})
        again = bk.register_stack(queue_key="deploy", metadata={"owner": "b"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert again.json()["cluster_queue_key"] == "deploy"
    assert again.json()["metadata"] == {"owner": "b"}
    assert again.json()["state"] == "connected"


def test_registering_for_the_default_queue_returns_its_key(bk: Contract) -> None:
    assert bk.register_stack(queue_key="__default__").json()["cluster_queue_key"] == "default"


def test_the_longest_stack_key_and_metadata_are_accepted(bk: Contract) -> None:
    metadata = {f"{i:064}": "v" * 256 for i in range(100)}
    assert bk.register_stack("k" * 80, metadata=metadata).status_code == 201


def test_an_organisation_has_thirty_stacks_and_deregistering_frees_a_place(bk: Contract) -> None:
    """The number: buildkite/docs platform/limits.md."""
    for number in range(29):
        assert bk.register_stack(f"s-{number}").status_code == 201
    assert bk.register_stack("one-too-many").status_code == 403
    assert bk.register_stack("s-0").status_code == 200
    assert bk.stack("POST", "/deregister", key="s-0").status_code == 204
    assert bk.register_stack("one-too-many").status_code == 201


@pytest.mark.parametrize("token", [None, "", "bkct_wrong", "session"])
def test_the_stacks_api_accepts_only_agent_tokens(bk: Contract, token: str | None) -> None:
    given = bk.agent().token if token == "session" else token
    path = f"/v3/stacks/{STACK}/scheduled-jobs?queue_key=default"
    answer = bk.call("GET", path, token=given)
    assert answer.status_code == 401
    assert message(answer)


def test_the_entry_of_a_scheduled_job_has_all_documented_fields(bk: Contract) -> None:
    steps = "steps: [{command: x, key: k, priority: 3, agents: {queue: deploy, os: linux}}]"
    [job] = bk.jobs(steps)
    answer = bk.stack("GET", "/scheduled-jobs?queue_key=deploy")
    assert answer.status_code == 200
    [listed] = answer.json()["jobs"]
    assert {**listed, "pipeline": None, "build": None} == {
        "id": job.id,
        "priority": 3,
        "agent_query_rules": ["queue=deploy", "os=linux"],
        "scheduled_at": "2026-11-21T09:00:01.000Z",
        "pipeline": None,
        "build": None,
        "step": {"key": "k"},
    }
    assert listed["pipeline"]["slug"] == "demo"
    assert listed["pipeline"]["uuid"]
    assert (listed["build"]["number"], listed["build"]["branch"]) == (1, "main")
    assert listed["build"]["uuid"] == job.build_id
    assert answer.json()["page_info"]["has_next_page"] is False
    assert answer.json()["cluster_queue"]["dispatch_paused"] is False


def test_jobs_are_listed_by_their_creation_and_not_by_the_end_of_their_dependencies(
    bk: Contract,
) -> None:
    """buildkite/docs pages/pipelines/configure/defining_steps.md, "Job timestamps"."""
    first, held = bk.jobs("steps: [{command: a, key: a}, {command: b, depends_on: a}]")
    bk.clock.advance(minutes=1)
    [late] = bk.jobs("steps: [{command: c}]")
    bk.running(first.id).finish("0")
    assert bk.listed() == [held.id, late.id]
    answer = bk.stack("GET", "/scheduled-jobs?queue_key=default")
    assert [job["scheduled_at"] for job in answer.json()["jobs"]] == [
        "2026-11-21T09:00:01.000Z",
        "2026-11-21T09:01:01.000Z",
    ]
    shown = bk.rest("GET", "/pipelines/demo/builds/1").json()["jobs"][1]
    assert (shown["scheduled_at"], shown["runnable_at"]) == (
        "2026-11-21T09:00:01.000Z",
        "2026-11-21T09:01:01.000Z",
    )


def test_a_job_without_a_queue_is_listed_in_the_default_queue_without_a_queue_rule(
    bk: Contract,
) -> None:
    """buildkite/agent-stack-k8s pull request 604: Buildkite adds no queue rule."""
    job_id = bk.one_job()
    [listed] = bk.stack("GET", "/scheduled-jobs?queue_key=default").json()["jobs"]
    assert (listed["id"], listed["agent_query_rules"]) == (job_id, [])
    assert bk.listed("deploy") == []


def test_jobs_are_listed_oldest_first_regardless_of_priority(bk: Contract) -> None:
    low = bk.one_job("steps: [{command: x, priority: -1}]")
    bk.clock.advance(seconds=1)
    high = bk.one_job("steps: [{command: x, priority: 9}]")
    assert bk.listed() == [low, high]


def test_pages_of_scheduled_jobs_have_no_gap_and_no_repeat(bk: Contract) -> None:
    steps = "steps: [{command: x, parallelism: 7}]"
    expected = [job.id for job in bk.jobs(steps)]
    found: list[str] = []
    after = ""
    for _ in range(3):
        answer = bk.stack("GET", f"/scheduled-jobs?queue_key=default&limit=3{after}").json()
        found += [job["id"] for job in answer["jobs"]]
        after = f"&after={answer['page_info']['end_cursor']}"
    assert found == expected
    assert answer["page_info"]["has_next_page"] is False


def test_a_cursor_stays_valid_after_its_job_left_the_list(bk: Contract) -> None:
    ids = [job.id for job in bk.jobs("steps: [{command: x, parallelism: 3}]")]
    first = bk.stack("GET", "/scheduled-jobs?queue_key=default&limit=1").json()
    bk.reserve(ids[0])
    assert bk.listed(query=f"&after={first['page_info']['end_cursor']}") == ids[1:]


def test_a_paused_queue_lists_its_jobs_with_the_pause_flag(bk: Contract) -> None:
    """An assumption: no source says that the list of a paused queue is empty."""
    job_id = bk.one_job()
    bk.buildkite.faults.paused_queues.add("default")
    answer = bk.stack("GET", "/scheduled-jobs?queue_key=default").json()
    assert answer["cluster_queue"]["dispatch_paused"] is True
    assert [job["id"] for job in answer["jobs"]] == [job_id]


def test_a_reserved_job_leaves_the_list_until_its_reservation_ends(bk: Contract) -> None:
    job_id = bk.one_job()
    answer = bk.reserve(job_id, reservation_expiry_seconds=60)
    assert answer.status_code == 200
    assert answer.json() == {"reserved": [job_id], "not_reserved": []}
    assert (bk.listed(), bk.state(job_id)) == ([], "reserved")
    bk.clock.advance(seconds=59)
    assert bk.state(job_id) == "reserved"
    bk.clock.advance(seconds=1)
    assert (bk.listed(), bk.state(job_id)) == ([job_id], "scheduled")


def test_a_reservation_lasts_900_seconds_by_default_and_reserving_again_extends_it(
    bk: Contract,
) -> None:
    job_id = bk.one_job()
    bk.reserve(job_id)
    bk.clock.advance(seconds=899)
    assert bk.reserve(job_id).json()["reserved"] == [job_id]
    bk.clock.advance(seconds=899)
    assert bk.state(job_id) == "reserved"
    bk.clock.advance(seconds=1)
    assert bk.state(job_id) == "scheduled"


def test_jobs_that_cannot_be_reserved_are_returned_as_not_reserved(bk: Contract) -> None:
    waiting, running, good = bk.jobs(
        "steps: [{command: w, depends_on: good}, {command: r}, {command: g, key: good}]"
    )
    bk.running(running.id)
    answer = bk.reserve(waiting.id, running.id, good.id, "no-such-job").json()
    assert answer["reserved"] == [good.id]
    assert answer["not_reserved"] == [waiting.id, running.id, "no-such-job"]

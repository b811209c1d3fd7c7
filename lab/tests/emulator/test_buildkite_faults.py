"""The emulator's fault switches, events and connections."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import requests

from buildkite_emulator import Buildkite, JobEvent
from buildkite_emulator.serving.faults import Switch
from emulator.buildkite_client import STACK, Contract, contract
from local.waiting import eventually
from mayfly_lab.contracts import Listener
from mayfly_lab.faults import SWITCHES, Faults, Part


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract() as made:
        yield made


LIST = "/scheduled-jobs?queue_key=default"


def test_an_injected_answer_replaces_the_given_number_of_calls(bk: Contract) -> None:
    job_id = bk.one_job()
    faults = bk.buildkite.faults
    faults.answer("stacks.batch-reserve", 503, headers={"Retry-After": "3"}, times=2)
    for _ in range(2):
        answer = bk.reserve(job_id)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "3")
        assert bk.state(job_id) == "scheduled"
    assert bk.reserve(job_id).status_code == 200


def test_a_fault_pattern_covers_several_endpoints_until_clear(bk: Contract) -> None:
    bk.buildkite.faults.answer("stacks.*", 429)
    assert bk.stack("GET", LIST).status_code == 429
    assert bk.register_stack().status_code == 429
    assert bk.registration().status_code == 200
    bk.buildkite.faults.clear()
    assert bk.stack("GET", LIST).status_code == 200


def test_a_fault_for_an_unknown_endpoint_is_an_error(bk: Contract) -> None:
    for switch in (
        bk.buildkite.faults.lose_answer,
        lambda name: bk.buildkite.faults.answer(name, 500),
    ):
        with pytest.raises(ValueError, match="has no endpoint"):
            switch("stacks.reserve")


def test_a_call_with_a_lost_answer_is_executed(bk: Contract) -> None:
    job_id = bk.one_job()
    bk.buildkite.faults.lose_answer("stacks.batch-reserve")
    with pytest.raises(requests.ConnectionError):
        bk.reserve(job_id)
    assert bk.state(job_id) == "reserved"
    assert bk.reserve(job_id).status_code == 200


def test_a_slow_call_is_executed_after_its_client_gave_up(bk: Contract) -> None:
    job_id = bk.one_job()
    switches = Faults()
    switches.parse("buildkite-slow=stacks.batch-reserve,value=400ms")
    bk.buildkite.faults.switches = switches
    url = f"{bk.url}/v3/stacks/{STACK}/scheduled-jobs/batch-reserve"
    headers = {"Authorization": f"Token {bk.agent_token}"}
    with pytest.raises(requests.ReadTimeout):
        requests.put(url, json={"job_uuids": [job_id]}, headers=headers, timeout=0.1)
    assert bk.state(job_id) == "scheduled"
    eventually(lambda: str(bk.buildkite.job(job_id).state) == "reserved")


def test_the_emulator_obeys_every_buildkite_fault_of_the_lab() -> None:
    ours = {Part.BUILDKITE, Part.QUEUE}
    assert set(Switch) == {name for name, switch in SWITCHES.items() if switch.part in ours}


def test_an_outage_drops_every_call(bk: Contract) -> None:
    bk.buildkite.faults.outage = True
    with pytest.raises(requests.ConnectionError):
        bk.stack("GET", LIST)
    bk.buildkite.faults.outage = False
    assert bk.stack("GET", LIST).status_code == 200


def test_a_revoked_token_is_401_and_a_removed_queue_is_404(bk: Contract) -> None:
    faults = bk.buildkite.faults
    faults.unknown_queues.add("default")
    assert bk.stack("GET", LIST).status_code == 404
    assert bk.register_stack().status_code == 404
    assert bk.registration().status_code == 422
    faults.clear()
    faults.refused_tokens.add(bk.buildkite.agent_token)
    assert bk.stack("GET", LIST).status_code == 401


def test_every_change_of_a_job_is_one_event_in_order(bk: Contract) -> None:
    seen: list[JobEvent] = []
    bk.buildkite.subscribe(seen.append)
    job_id = bk.one_job("steps: [{command: x, retry: {automatic: {exit_status: 1}}}]")
    bk.reserve(job_id)
    bk.running(job_id).finish("1")
    changes = [(str(e.before) if e.before else None, str(e.job.state)) for e in seen]
    assert changes == [
        (None, "waiting"),
        ("waiting", "scheduled"),
        ("scheduled", "reserved"),
        ("reserved", "accepted"),
        ("accepted", "running"),
        ("running", "finished"),
        (None, "scheduled"),
    ]
    assert {event.at for event in seen} == {bk.clock.now}


def test_a_listener_may_call_the_emulator(bk: Contract) -> None:
    states: list[str] = []
    bk.buildkite.subscribe(lambda event: states.append(bk.state(event.job.id)))
    bk.one_job()
    assert states == ["scheduled", "scheduled"]


def test_an_adopted_socket_is_served_until_it_is_closed(bk: Contract) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    served: Listener = bk.buildkite
    served.adopt(listening)
    headers = {"Authorization": f"Token {bk.buildkite.agent_token}"}
    url = f"http://127.0.0.1:{port}/v3/token"
    assert requests.get(url, headers=headers, timeout=30).status_code == 200
    listening.close()
    with pytest.raises(requests.ConnectionError):
        requests.get(url, headers=headers, timeout=30)


def test_an_answer_is_one_write(bk: Contract) -> None:
    """Seen with buildkite-agent 3.83.1: two writes cost 43 ms for each call."""
    host, port = bk.buildkite.url.removeprefix("http://").split(":")
    head = f"GET /v3/token HTTP/1.1\r\nHost: x\r\nAuthorization: Token {bk.buildkite.agent_token}"
    with socket.create_connection((host, int(port))) as client:
        for _ in range(3):  # on one connection, as agents do
            client.sendall(head.encode() + b"\r\n\r\n")
            answer = client.recv(65536)
            top, _, body = answer.partition(b"\r\n\r\n")
            assert b"200 OK" in top
            assert f"content-length: {len(body)}".encode() in top.lower()
            assert body.endswith(b"}")


def test_close_ends_the_server_and_frees_the_port() -> None:
    buildkite = Buildkite(lambda: datetime.now(UTC))
    url = buildkite.start()
    kept = requests.Session()
    assert kept.get(f"{url}/v3/nothing", timeout=30).status_code == 404
    buildkite.close()
    with pytest.raises(requests.ConnectionError):
        kept.get(f"{url}/v3/nothing", timeout=30)
    again = Buildkite(lambda: datetime.now(UTC))
    assert again.start(int(url.rsplit(":", 1)[1])) == url
    again.close()


def test_many_clients_get_one_reservation_each() -> None:
    with contract() as bk:
        ids = [job.id for job in bk.jobs("steps: [{command: x, parallelism: 40}]")]
        sessions = [bk.agent() for _ in range(8)]
        taken: list[str] = []

        def take(number: int) -> None:
            taken.extend(i for i in ids if sessions[number].acquire(i).status_code == 200)

        threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(taken) == sorted(ids)


def test_latency_is_added_to_each_answer(bk: Contract) -> None:
    bk.buildkite.faults.latency = timedelta(milliseconds=40)
    assert bk.stack("GET", LIST).elapsed >= timedelta(milliseconds=40)

"""`first-job` through the REST API, with an agent played by the test."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from buildkite_emulator import Buildkite
from emulator.buildkite_client import Clock, Contract
from tests.cli.real_account import Run, bare_environment, one_line, run, start

QUEUE = "deploy"


@pytest.fixture
def buildkite() -> Iterator[Buildkite]:
    made = Buildkite(lambda: datetime.now(UTC), queues=("default", QUEUE))
    made.start()
    yield made
    made.close()


@pytest.fixture
def shell(buildkite: Buildkite, tmp_path: Path) -> dict[str, str]:
    return {**bare_environment(tmp_path), "BUILDKITE_API_TOKEN": buildkite.api_token}


def first_job(buildkite: Buildkite, shell: Mapping[str, str], *more: str) -> Run:
    endpoint = f"--api-endpoint={buildkite.url}/v2"
    return run("first-job", endpoint, f"--queue={QUEUE}", *more, environment=shell)


def an_agent(buildkite: Buildkite, exit_status: str) -> threading.Thread:
    """An agent that acquires the first scheduled job, writes to its log and finishes it."""

    def work() -> None:
        bk = Contract(buildkite, Clock())
        job = first(lambda: [each.id for each in buildkite.jobs()])
        session = bk.agent(tags=(f"queue={QUEUE}",))
        assert session.acquire(job).ok
        assert session.start().ok
        session.chunk(
            1, b"\x1b_bk;t=1\x07\x1b[32mhello\x1b[0m\r\nfrom bkct_0123456789abcdef0123\r\n"
        )
        session.finish(exit_status)
        bk.http.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def first(look: Callable[[], list[str]]) -> str:
    end = time.monotonic() + 60
    while not (found := look()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found[0]


@pytest.mark.parametrize(
    ("exit_status", "outcome", "status"), [("0", "passed", 0), ("7", "failed", 1)]
)
def test_the_build_has_the_outcome_of_the_script_and_its_log_is_shown(
    buildkite: Buildkite, shell: dict[str, str], exit_status: str, outcome: str, status: int
) -> None:
    agent = an_agent(buildkite, exit_status)
    ended = first_job(buildkite, shell)
    agent.join(10)
    assert (ended.status, ended.err) == (status, "")
    assert "created the pipeline mayfly-first-job" in ended.out
    assert "agent agent-1" in ended.out
    assert "    hello\n    from [redacted]\n" in ended.out
    assert f"exit status {exit_status}" in ended.out
    assert f"the build has {outcome}" in ended.out
    [job] = buildkite.jobs()
    assert job.queue == QUEUE


def test_the_pipeline_of_a_first_job_is_reused_or_removed(
    buildkite: Buildkite, shell: dict[str, str]
) -> None:
    an_agent(buildkite, "0")
    removed = first_job(buildkite, shell, "--remove")
    assert removed.out.splitlines()[-1] == "deleted the pipeline mayfly-first-job"


def test_a_first_job_without_an_agent_is_cancelled_with_advice_where_to_look(
    buildkite: Buildkite, shell: dict[str, str]
) -> None:
    ended = first_job(buildkite, shell, "--minutes=0.03")
    assert ended.status == 1
    told = "the build did not end within 0.03 minutes and is cancelled; see the logs of dispatch"
    assert told in ended.err
    assert [job.outcome for job in buildkite.jobs()] == ["canceled"]
    again = first_job(buildkite, shell, "--minutes=0.03")
    assert "using the pipeline mayfly-first-job" in again.out
    builds = len(buildkite.jobs())
    nowhere = first_job(buildkite, shell, "--queue=nowhere")
    assert (nowhere.status, len(buildkite.jobs())) == (2, builds)
    assert "has a queue nowhere" in nowhere.err


def test_ctrl_c_cancels_the_first_job_and_prints_one_line(
    buildkite: Buildkite, shell: dict[str, str]
) -> None:
    following = start(
        "first-job", f"--api-endpoint={buildkite.url}/v2", f"--queue={QUEUE}", environment=shell
    )
    assert following.stdout is not None
    for line in following.stdout:
        if "First job: scheduled" in line:
            break
    following.send_signal(signal.SIGINT)
    out, err = following.communicate(timeout=60)
    assert (following.returncode, err) == (130, "mayfly first-job: stopped\n")
    assert "the build is cancelled" in out
    assert [job.outcome for job in buildkite.jobs()] == ["canceled"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--pipeline=nowhere",), "there is no pipeline nowhere"),
        (("--queue=nowhere",), "no cluster of the organisation has a queue nowhere"),
        (("--queue=a b",), "letters, digits"),
        (("--nonsense",), "no such option: --nonsense"),
        (("--minutes=x",), "--minutes: 'x' is not a number"),
        (("--minutes=nan",), "more than 0"),
        (("--organization=nobody",), "404"),
        (("--api-endpoint=http://127.0.0.1:9/v2",), "127.0.0.1:9 cannot be reached"),
        (("--api-endpoint=http://example.org/v2",), "is not an https address"),
    ],
)
def test_first_job_refuses_invalid_arguments_in_one_line_and_creates_nothing(
    buildkite: Buildkite, shell: dict[str, str], more: tuple[str, ...], says: str
) -> None:
    ended = first_job(buildkite, shell, *more)
    assert (ended.status, ended.out) == (2, "")
    assert says in one_line(ended)
    assert buildkite.jobs() == ()


def test_first_job_does_not_start_without_a_valid_token(
    buildkite: Buildkite, shell: dict[str, str], tmp_path: Path
) -> None:
    missing = first_job(buildkite, bare_environment(tmp_path))
    assert missing.status == 2
    assert "set BUILDKITE_API_TOKEN" in missing.err
    refused = first_job(buildkite, {**shell, "BUILDKITE_API_TOKEN": "bkua_0123456789abcdef01234"})
    assert refused.status == 2
    assert "Buildkite refuses the token (401" in refused.err

"""`check-buildkite` against the emulator, over HTTP as against Buildkite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from buildkite_emulator import Buildkite
from tests.cli.real_account import Run, bare_environment, run

QUEUE = "checks"


@pytest.fixture
def buildkite() -> Iterator[Buildkite]:
    made = Buildkite(lambda: datetime.now(UTC), queues=("default", QUEUE))
    made.start()
    yield made
    made.close()


@pytest.fixture
def shell(buildkite: Buildkite, tmp_path: Path) -> dict[str, str]:
    return {
        **bare_environment(tmp_path),
        "BUILDKITE_AGENT_TOKEN": buildkite.agent_token,
        "BUILDKITE_API_TOKEN": buildkite.api_token,
    }


def check(buildkite: Buildkite, shell: Mapping[str, str], *more: str) -> Run:
    return run(
        "check-buildkite",
        f"--agent-endpoint={buildkite.agent_endpoint}",
        f"--api-endpoint={buildkite.url}/v2",
        f"--queue={QUEUE}",
        *more,
        environment=shell,
    )


def test_the_emulator_passes_the_check_of_buildkite_and_nothing_is_left(
    buildkite: Buildkite, shell: dict[str, str]
) -> None:
    ended = check(buildkite, shell, "--all")
    assert (ended.status, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert "held        a token runs its job and no other" in lines
    assert "not checked each endpoint has its own limit for each second" in lines
    held = sum(line.startswith("held ") for line in lines)
    assert held >= 25
    assert lines[-1].startswith(f"{held} held, 0 broken, ")
    assert buildkite.stacks() == ()
    assert all(job.outcome for job in buildkite.jobs())
    assert {job.queue for job in buildkite.jobs()} == {QUEUE}


def test_a_failed_expectation_is_reported_with_the_observed_answer(
    buildkite: Buildkite, shell: dict[str, str]
) -> None:
    buildkite.faults.answer("stacks.job-acquisition-tokens", 500)
    ended = check(buildkite, shell)
    assert ended.status == 1
    assert "broken      a token runs its job and no other" in ended.out
    assert "500" in ended.out
    assert "held        the token tells its cluster" in ended.out
    assert buildkite.stacks() == ()


@pytest.mark.parametrize(
    ("refused", "says"),
    [
        ("BUILDKITE_AGENT_TOKEN", "Buildkite refuses BUILDKITE_AGENT_TOKEN: 401"),
        ("BUILDKITE_API_TOKEN", "BUILDKITE_API_TOKEN is refused (401"),
    ],
)
def test_check_buildkite_names_a_refused_token_before_it_creates_anything(
    buildkite: Buildkite, shell: dict[str, str], refused: str, says: str
) -> None:
    ended = check(buildkite, {**shell, refused: "bkct_0123456789abcdef0123456789"})
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"mayfly check-buildkite: {says}")
    assert buildkite.jobs() == ()


def test_check_buildkite_names_a_missing_token(buildkite: Buildkite, tmp_path: Path) -> None:
    ended = check(buildkite, bare_environment(tmp_path))
    assert ended.status == 2
    assert "BUILDKITE_AGENT_TOKEN and BUILDKITE_API_TOKEN" in ended.err


def test_check_buildkite_refuses_a_queue_in_use(
    buildkite: Buildkite, shell: dict[str, str]
) -> None:
    steps = f"steps: [{{command: x, agents: {{queue: {QUEUE}}}}}]"
    buildkite.add_pipeline("theirs", steps, "https://git.example.org/theirs.git")
    buildkite.create_build("theirs")
    ended = check(buildkite, shell)
    assert ended.status == 2
    assert f"queue {QUEUE} has jobs" in ended.err
    assert [job.state for job in buildkite.jobs()] == ["scheduled"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("--queue=nowhere", "has no queue nowhere"),
        ("--agent-endpoint=http://127.0.0.1:9/v3", "127.0.0.1:9 cannot be reached"),
        ("--api-endpoint=http://127.0.0.1:9/v2", "127.0.0.1:9 cannot be reached"),
        ("--api-endpoint=http://[::1/v2", "is not an https address"),
    ],
)
def test_check_buildkite_gives_the_reason_in_one_line_if_it_cannot_start(
    buildkite: Buildkite, shell: dict[str, str], more: str, says: str
) -> None:
    ended = check(buildkite, shell, more)
    assert (ended.status, ended.out) == (2, "")
    assert says in ended.err
    assert buildkite.jobs() == ()

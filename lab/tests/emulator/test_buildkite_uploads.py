"""`pipeline upload`: steps that a job adds to its own build.

Source of each expectation, unless the test says otherwise: buildkite/docs
pages/agent/cli/reference/pipeline.md and pipelines/configure/dynamic_pipelines.md.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.buildkite_agents import REAL, room
from emulator.buildkite_client import Contract, Run, Session, contract


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract() as made:
        yield made


def uploader(
    bk: Contract, steps: str = "steps: [{command: up}, wait, {command: z}]"
) -> tuple[Run, Session]:
    run = Run(bk, steps)
    return run, bk.running(run.job_id("up"))


def upload(session: Session, steps: object, **more: Any) -> tuple[str, str | None]:
    """Upload the steps as an agent does. Returns the polled outcome and the reason."""
    pipeline = {"steps": steps} if isinstance(steps, list) else steps
    body = {"uuid": str(uuid.uuid4()), "pipeline": pipeline, **more}
    answer = session.job("POST", "/pipelines?async=true", body)
    assert answer.status_code == 202
    place = f"/v3/jobs/{session.job_id}/pipelines/{body['uuid']}"
    assert answer.headers["Location"].endswith(place)
    assert float(answer.headers["Retry-After"]) < 1
    told = session.job("GET", f"/pipelines/{body['uuid']}").json()
    return told["state"], told["message"]


def test_uploaded_steps_follow_the_uploading_step(bk: Contract) -> None:
    """Seen with buildkite-agent 3.83.1: 202 with a URL to poll; a later upload comes first."""
    run, session = uploader(bk)
    assert upload(session, [{"command": "a"}, "wait", {"command": "b"}]) == ("applied", None)
    assert upload(session, [{"command": "c"}]) == ("applied", None)
    jobs = bk.rest("GET", "/pipelines/demo/builds/1").json()["jobs"]
    order = [job.get("command", job["type"]) for job in jobs]
    assert order == ["up", "c", "a", "waiter", "b", "waiter", "z"]
    assert run.states() == {"up": "running", "c": "scheduled", "a": "scheduled"} | {
        "b": "waiting",
        "z": "waiting",
    }


def test_a_wait_waits_for_steps_uploaded_before_it(bk: Contract) -> None:
    """buildkite/docs step_types/wait_step.md, "Dynamically uploaded steps"."""
    run, session = uploader(bk)
    upload(session, [{"command": "a"}])
    session.finish("0")
    assert run.states()["z"] == "waiting"
    run.end("a", "0")
    assert run.states()["z"] == "scheduled"


def test_dependents_of_an_uploading_step_wait_for_its_uploads(bk: Contract) -> None:
    """buildkite/docs depends_on.md, "Explicit dependencies in uploaded steps"."""
    run, session = uploader(bk, "steps: [{command: up, key: up}, {command: z, depends_on: up}]")
    upload(session, [{"command": "a", "depends_on": "up"}, {"command": "b", "depends_on": None}])
    assert (run.states()["a"], run.states()["b"]) == ("waiting", "scheduled")
    session.finish("0")
    assert (run.states()["a"], run.states()["z"]) == ("scheduled", "waiting")
    run.end("a", "0")
    run.end("b", "0")
    assert run.states()["z"] == "scheduled"


def test_uploads_wait_for_their_uploader_if_steps_name_dependencies(bk: Contract) -> None:
    """buildkite/skills pull request 22 ("in DAG mode").

    In pipelines of waits only, uploads start at once: buildkite/dynamic-pipeline-example pull
    request 6.
    """
    run, session = uploader(bk, "steps: [{command: up, depends_on: ~}]")
    upload(session, [{"command": "a"}])
    assert run.states()["a"] == "waiting"
    session.finish("0")
    assert run.states()["a"] == "scheduled"


def test_an_upload_with_a_repeated_uuid_is_applied_once(bk: Contract) -> None:
    """Seen with buildkite-agent 3.83.1: after a lost answer it repeats the same uuid."""
    run, session = uploader(bk)
    same = str(uuid.uuid4())
    for _ in range(2):
        assert upload(session, [{"command": "a", "key": "k"}], uuid=same)[0] == "applied"
    assert sorted(run.states()) == ["a", "up", "z"]
    assert session.job("GET", f"/pipelines/{uuid.uuid4()}").status_code == 404


def test_a_replacing_upload_removes_steps_that_have_not_begun(bk: Contract) -> None:
    run, session = uploader(
        bk, "steps: [{command: up}, {command: r}, {command: s, key: s}, wait, {command: z}]"
    )
    other = bk.running(run.job_id("r"))
    reserved = run.job_id("s")
    bk.reserve(reserved)
    assert upload(session, [{"command": "a", "key": "s"}], replace=True) == ("applied", None)
    assert run.states() == {"up": "running", "a": "scheduled", "r": "running"}
    assert bk.state(reserved) == "canceled"
    for one in (session, other):
        one.finish("0")
    run.end("a", "0")
    assert run.state == "passed"


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        pytest.param(
            [{"command": "a", "key": "z"}],
            'The key "z" has already been used by another step in this build',
            id="a key of the build",
        ),
        pytest.param(
            [{"command": "a", "key": "k"}, {"group": "g", "key": "k", "steps": ["wait"]}],
            'The key "k" has already been used by another step in this build',
            id="a key twice",
        ),
        pytest.param(
            [{"name": "foo"}],
            'Step is missing a type `{"name":"foo"}`',
            id="buildkite/pipeline-schema issue 68",
        ),
        pytest.param(
            [{"command": "a", "agent": {}}],
            "`agent` is not a valid property on the `command` step, perhaps you meant `agents`?",
            id="sourcegraph/sourcegraph-public-snapshot pull request 52275",
        ),
        pytest.param(
            [{"wait": None, "concurrency": 1}],
            "`concurrency` is not a valid property on the `wait` step."
            " Please check the documentation to get a full list of supported properties.",
            id="saymedia/jobsworth pull request 7",
        ),
        pytest.param(
            [{"group": "g", "steps": []}],
            "There must be at least 1 step in a group",
            id="elastic/kibana pull request 268212",
        ),
        pytest.param(
            [{"command": "a", "parallelism": 501}],
            "The number of jobs in this upload exceeds your organization limit of 500.",
            id="ray-project/ray pull request 62736",
        ),
        pytest.param(
            [{"group": "g", "steps": [{"command": "a"}]}] * 251,
            "The number of jobs in this upload exceeds your organization limit of 500.",
            id="groups count: firecracker-microvm/firecracker pull request 5985",
        ),
        pytest.param([], "the pipeline has no steps", id="nothing; the words are the lab's"),
        pytest.param({"steps": 1}, "a pipeline is a mapping with a list of `steps`", id="no list"),
        pytest.param(
            [{"command": "a", "signature": {"value": "x"}}],
            "the emulator does not send signatures of steps to agents",
            id="a signature; the lab's own",
        ),
    ],
)
def test_an_invalid_upload_is_rejected_and_changes_nothing(
    bk: Contract, steps: object, reason: str
) -> None:
    run, session = uploader(bk, "steps: [{command: up}, {command: z, key: z}]")
    assert upload(session, steps) == ("rejected", reason)
    assert list(run.states()) == ["up", "z"]
    body = {
        "uuid": str(uuid.uuid4()),
        "pipeline": {"steps": steps} if isinstance(steps, list) else steps,
    }
    answer = session.job("POST", "/pipelines", body)
    assert (answer.status_code, answer.json()["message"]) == (422, reason)


@pytest.mark.parametrize(
    "body",
    [{"pipeline": {"steps": ["wait"]}}, {"uuid": "x", "pipeline": {"steps": ["wait"]}},
     {"uuid": str(uuid.uuid4())}],
)  # fmt: skip
def test_an_upload_needs_a_uuid_and_a_pipeline(bk: Contract, body: dict[str, Any]) -> None:
    """Seen with buildkite-agent 3.83.1: it does not retry after 422."""
    _, session = uploader(bk)
    assert session.job("POST", "/pipelines?async=true", body).status_code == 422


def test_a_canceled_build_rejects_uploads(bk: Contract) -> None:
    run, session = uploader(bk)
    bk.buildkite.cancel_build(run.id)
    words = "You can only change the pipeline of a running build"
    assert upload(session, [{"command": "a"}]) == ("rejected", words)
    session.finish("0")
    assert session.job("POST", "/pipelines", {}).status_code == 401


def test_the_environment_of_a_file_reaches_its_steps_and_later_uploads(bk: Contract) -> None:
    """buildkite/docs environment_variables.md: `env` of a file applies to each of its steps.

    It also applies to later uploads; a step's own variable wins.
    """
    run, session = uploader(bk, "{env: {A: saved, B: saved}, steps: [{command: up}, {command: z}]}")
    pipeline = {
        "env": {"B": "file", "C": "file"},
        "steps": [{"command": "a", "env": {"C": "step"}}],
    }
    upload(session, pipeline)
    upload(session, [{"command": "b"}])

    def env(command: str) -> list[str | None]:
        found = bk.stack("GET", f"/jobs/{run.job_id(command)}").json()["env"]
        return [found.get(name) for name in "ABC"]

    assert env("z") == ["saved", "saved", None]
    assert env("a") == ["saved", "file", "step"]
    assert env("b") == ["saved", "file", "file"]


def test_conditions_are_evaluated_at_the_upload(bk: Contract) -> None:
    """buildkite/docs conditionals.md."""
    run, session = uploader(bk)
    steps = [{"command": "a", "if": 'build.branch == "main"'}, {"command": "b", "branches": "x"}]
    assert upload(session, steps) == ("applied", None)
    assert (run.states()["a"], run.states()["b"]) == ("scheduled", "broken")
    state, reason = upload(session, [{"command": "c", "if": "build.nothing"}])
    assert (state, reason) == (
        "rejected",
        "`if` cannot be evaluated: unknown variable build.nothing at 1",
    )


def test_uploaded_jobs_follow_earlier_jobs_of_their_concurrency_group(
    bk: Contract,
) -> None:
    """controlling_concurrency.md: jobs are ordered by the time of their upload."""
    gate = {"concurrency": 1, "concurrency_group": "g"}
    run, session = uploader(bk)
    bk.clock.advance(seconds=1)
    other = Run(bk, "steps: [{command: o, concurrency: 1, concurrency_group: g}]")
    bk.clock.advance(seconds=1)
    upload(session, [{"command": "a", **gate}])
    assert (other.states()["o"], run.states()["a"]) == ("scheduled", "limited")


FILE = """
env:
  WHO: ${BUILDKITE_BUILD_NUMBER}
steps:
  - commands: [echo "$$GREETING $WHO", buildkite-agent meta-data set "said" "yes"]
    key: said
    label: ":speech_balloon: on $BUILDKITE_BRANCH"
    env: {GREETING: "hello, ${NOBODY:-stranger}"}
    artifact_paths: [a/*, b]
    plugins: ["docker#v1"]
    if: build.branch == "main"
  - wait: ~
    continue_on_failure: true
  - block: Go?
  - {command: "echo {{matrix}}", matrix: [1, two]}
"""


@pytest.mark.skipif(REAL is None, reason="no buildkite-agent on PATH")
def test_a_real_agent_uploads_a_pipeline_file(tmp_path: Path) -> None:
    """Seen with buildkite-agent 3.83.1.

    A second upload of the same keys is rejected; the reason is in the log, and the exit status is
    1.
    """
    with room("real", tmp_path) as lab:
        script = f"cat > p.yml <<'END'\n{FILE}END\nbuildkite-agent pipeline upload p.yml\n"
        status, job = lab.run(script + "buildkite-agent pipeline upload p.yml\n")
        log = lab.buildkite.log(job.id).decode()
        assert (status, job.exit_status) == (0, 1)
        assert (
            "Pipeline upload rejected: "
            'The key "said" has already been used by another step in this build' in log
        )
        _, said, one, two = lab.buildkite.build(job.build_id).jobs
        assert (said.label, said.step_key) == (":speech_balloon: on main", "said")
        assert said.command == 'echo "$GREETING 1"\nbuildkite-agent meta-data set "said" "yes"'
        assert [str(each.state) for each in (said, one, two)] == ["scheduled", *["blocked"] * 2]
        assert (one.command, two.command) == ("echo 1", "echo two")

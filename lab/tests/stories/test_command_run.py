"""A user's own pipeline in the whole lab, as shown by `mayfly-lab run`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stories.commands import Command, git, left_of, run

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with two branches and an uncommitted file."""
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=trunk")
    (folder / "hello.txt").write_text("committed\n")
    git(folder, "add", "hello.txt")
    git(folder, "commit", "--quiet", "--message=Say hello")
    git(folder, "branch", "release")
    (folder / "hello.txt").write_text("not committed\n")
    return folder


def pipeline(folder: Path, *steps: Any) -> str:
    (folder / "pipeline.yml").write_text(json.dumps({"steps": steps}))
    return "pipeline.yml"


def test_jobs_see_the_commit_the_branch_and_the_environment_of_their_build(
    tmp_path: Path, project: Path
) -> None:
    steps = [
        {
            "label": "Look",
            "command": "cat hello.txt; echo $BUILDKITE_BRANCH $$COLOUR; git log -1 --format=%s",
        },
        {"label": "Elsewhere", "command": "true", "agents": {"queue": "other"}},
    ]
    file = pipeline(project, *steps)
    report = tmp_path / "report.json"
    code, output = run(
        tmp_path,
        *("run", str(project / file), "--env", "COLOUR=blue", "--json", str(report)),
        *("--latency", "buildkite=10ms,aws=2ms"),
    )
    assert code == 0, output
    log = [line.partition("| ")[2] for line in output.splitlines() if line.startswith("        |")]
    assert {"committed", "trunk blue", "Say hello"} <= set(log)
    assert "warning: the repository has uncommitted work, which jobs do not see" in output
    assert "queues: default, other; latency: buildkite=10ms,aws=2ms" in output
    assert "the build passed; all checks held" in output
    told = json.loads(report.read_text())
    assert [(job["label"], job["queue"], job["outcome"]) for job in told["jobs"]] == [
        ("Look", "default", "passed"),
        ("Elsewhere", "other", "passed"),
    ]
    assert all(check["held"] for check in told["checks"])
    assert len(told["instances"]) == 2


def test_a_build_that_fails_is_exit_code_1_and_a_hot_machine_takes_its_job(
    tmp_path: Path, project: Path
) -> None:
    file = pipeline(project, {"label": "Break", "command": "echo almost; exit 3"})
    code, output = run(
        tmp_path,
        *("run", str(project / file), "--hot", "2", "--branch", "release", "--logs", "failed"),
        *("--parameter", "default/tags=size=big"),
    )
    assert code == 1
    assert "(release)" in output
    assert "Break: finished (failed)" in output
    assert "        | almost" in output
    assert " hot " in output
    assert "the build failed; all checks held" in output


def test_a_job_that_no_instance_can_run_is_named_at_the_timeout(
    tmp_path: Path, project: Path
) -> None:
    file = pipeline(project, {"label": "Odd", "command": "true", "agents": {"os": "plan9"}})
    fault = ("--fault", "throttle=ec2:CreateFleets", "--fault", "latency=ssm:*,value=1ms")
    code, output = run(tmp_path, "run", str(project / file), "--timeout", "14s", *fault)
    assert code == 1
    assert "warning: fault throttle=ec2:CreateFleets never struck: no target matched" in output
    assert "latency=ssm:* never struck" not in output
    assert (
        "Odd: not reserved (os=plan9) after 10 s: Not taken: queue default does not meet the rule"
        in output.replace("\n        ", " ")
    )
    assert "Odd: not reserved (os=plan9)\n" in output
    assert "the build did not end in time (--timeout)" in output


def test_a_run_without_events_names_functions_that_have_not_run(
    tmp_path: Path, project: Path
) -> None:
    file = pipeline(project, {"label": "Early", "command": "true"})
    fault = ("--fault", "event-lost=aws.events/*")
    code, output = run(tmp_path, "run", str(project / file), "--timeout", "14s", *fault)
    assert code == 1
    assert "Early: not reserved (no rules) after 10 s: dispatch has not run yet" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("unblock", [False, True], ids=["nobody there", "--unblock"])
def test_a_block_step_ends_the_run_without_the_unblock_option(
    tmp_path: Path, project: Path, unblock: bool
) -> None:
    steps = [{"block": "Release it?"}, {"label": "Release", "command": "echo released"}]
    file = pipeline(project, *steps)
    code, output = run(tmp_path, "run", str(project / file), *(["--unblock"] if unblock else []))
    assert "the build waits at block step 'Release it?'; unblock it:" in output
    assert "--request PUT" in output
    if unblock:
        assert code == 0, output
        assert "        | released" in output
    else:
        assert code == 1
        assert "the build is BLOCKED (--unblock lets it through)" in output


@pytest.mark.parametrize("answered", [False, True], ids=["no answer", "--answer"])
def test_a_required_field_needs_an_answer_and_ends_in_no_traceback(
    tmp_path: Path, project: Path, answered: bool
) -> None:
    field = {"text": "Name", "key": "release/name"}
    get = "buildkite-agent meta-data get release/name"
    file = pipeline(project, {"block": "Release?", "fields": [field]}, {"command": get})
    answer = ["--answer", "release/name=Ada"] if answered else []
    code, output = run(tmp_path, "run", str(project / file), "--unblock", *answer)
    assert "Traceback" not in output
    if answered:
        assert code == 0, output
        assert "        | Ada" in output
    else:
        assert code == 1
        assert "Release?: not unblocked: release/name is required (--answer KEY=VALUE)" in output


def test_a_pipeline_of_keys_that_only_buildkite_carries_out_runs_with_a_notice_for_each(
    tmp_path: Path, project: Path
) -> None:
    (project / "pipeline.yml").write_text(
        "notify:\n"
        "  - email: dev@example.org\n"
        "steps:\n"
        "  - trigger: deploy\n"
        "    key: deploy\n"
        "  - label: After\n"
        "    depends_on: deploy\n"
        "    cache: node_modules\n"
        "    checkout: {lfs: false}\n"
        "    command: >-\n"
        '      echo "paths=$$BUILDKITE_AGENT_CACHE_PATHS";\n'
        '      echo \'{"steps": [{"trigger": "again"}]}\' | buildkite-agent pipeline upload\n'
    )
    code, output = run(tmp_path, "run", str(project / "pipeline.yml"))
    assert code == 0, output
    assert "        | paths=node_modules" in output
    told = " ".join(output.split())  # Lines of more than 80 columns are wrapped.
    for place in ("1: `notify`", "4: `trigger`", "8: `cache`", "9: `checkout`"):
        assert f"notice: {project / 'pipeline.yml'}:{place}: " in told
    assert "notice: upload of After: step 1: `trigger`: no build is triggered" in told


def test_ctrl_c_in_the_middle_leaves_nothing_behind(tmp_path: Path, project: Path) -> None:
    file = pipeline(project, {"label": "Long", "command": "echo begun; sleep 600"})
    command = Command(tmp_path, ("run", str(project / file)))
    assert command.process.stdout is not None
    for line in command.process.stdout:
        if "Long: running" in line:
            break
    code, output = command.interrupt(times=2)
    assert code == 130
    assert "stopped; nothing is left behind" in output
    assert left_of(command.temporary) == []

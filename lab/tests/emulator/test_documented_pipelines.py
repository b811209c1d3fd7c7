"""The pipelines in the documents, as readers paste them: read, run by agents, retried.

Tests with the real agent are skipped if none is on PATH.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from build.blocks import ROOT
from build.guide import examples
from emulator.buildkite_agents import Room, room
from emulator.buildkite_client import Contract, Run, contract

PAGES = ("README.md", "docs/pipelines.md", "docs/operating.md", "docs/first-day.md", "docs/lab.md")
FOUND = [text for page in PAGES for text in examples((ROOT / page).read_text("utf-8"), "yaml")]
PIPELINES = [text for text in FOUND if text.startswith("steps:")]
WITH_ROLE = [text for text in PIPELINES if "aws sts get-caller-identity" in text]
"""Pipelines for which Mayfly gives the job a role: stories/test_job_roles.py runs such jobs."""
PLAIN = [text for text in PIPELINES if text not in WITH_ROLE]
RETRIES = [text for text in FOUND if text.startswith("retry:")]
MAKEFILE = "build:\n\t@echo built\ndeploy:\n\t@echo deployed as $$ROLE\n"
MAKEFILE += "image:\n\t@echo image made in $$TMPDIR\n"
SAID = {
    "make build": "built",
    "make deploy": "deployed as arn:aws:iam::123456789012:role/deploy",
    "make image": "image made in /var/tmp",
    'echo "from an instance of my own"': "from an instance of my own",
}
"""By command: what its job prints."""
PLUGIN = "aws-assume-role-with-web-identity-buildkite-plugin"


def for_queue(pipeline: str) -> str:
    """The example for a reader with the queue `default`."""
    assert "queue: YOUR-QUEUE" in pipeline
    return pipeline.replace("YOUR-QUEUE", "default")


def test_every_example_of_a_pipeline_is_a_whole_one_or_a_rule_for_retries() -> None:
    assert len(PIPELINES) >= 3
    assert len(WITH_ROLE) == 1
    assert len(RETRIES) == 2
    assert sorted(PIPELINES + RETRIES) == sorted(FOUND)


# -- whole pipelines


@pytest.fixture(params=["real", "stand-in"])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Room]:
    with room(request.param, tmp_path) as made:
        source = tmp_path / "app"
        source.mkdir()
        (source / "Makefile").write_text(MAKEFILE)
        made.buildkite.add_repository("app", source)
        yield made


def serve_plugin(lab: Room) -> None:
    """Let agents clone a stand-in of the plugin where they ask GitHub for the plugin's version."""
    place = lab.place / "github" / PLUGIN
    (place / "hooks").mkdir(parents=True)
    hook = place / "hooks" / "environment"
    given = "BUILDKITE_PLUGIN_AWS_ASSUME_ROLE_WITH_WEB_IDENTITY_ROLE_ARN"
    hook.write_text(f'#!/bin/bash\nexport ROLE="${given}"\n')
    hook.chmod(0o755)
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    [version] = re.findall(r"aws-assume-role-with-web-identity#(\S+):", "".join(PIPELINES))
    for command in (
        ["init", "--quiet"],
        ["add", "--all"],
        [*who, "commit", "--quiet", "-m", "x"],
        ["tag", version],
    ):
        subprocess.run(["git", "-C", str(place), *command], check=True, timeout=60)
    instead = "insteadOf = https://github.com/buildkite-plugins/"
    (lab.place / ".gitconfig").write_text(f'[url "file://{place.parent}/"]\n\t{instead}\n')


@pytest.mark.parametrize("pipeline", PLAIN, ids=["readme", "queue", "temporary files", "role"])
def test_a_documented_pipeline_runs_on_an_agent_of_its_queue(lab: Room, pipeline: str) -> None:
    if "plugins:" in pipeline and lab.program.parent.name == "stand-in":
        pytest.skip("the stand-in runs no plugins")
    serve_plugin(lab)
    lab.buildkite.add_pipeline(
        "app", for_queue(pipeline), lab.buildkite.repository_url("app"), as_uploaded=True
    )
    [job] = lab.buildkite.create_build("app").jobs
    assert job.queue == "default"
    lab.start(job.id).exit_status()
    ended, log = lab.buildkite.job(job.id), lab.buildkite.log(job.id).decode()
    assert ended.outcome == "passed", log
    assert SAID[job.command] in [line.rpartition("\a")[2].strip() for line in log.splitlines()]


# -- rules for retries


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract() as made:
        yield made


RETRIED = [
    ("-1", "stack_error", 0),
    ("-1", None, 2),
    ("-1", "agent_stop", 2),
    ("255", "agent_stop", 2),
    ("1", None, 0),
]
"""End of a job, and how often the block of docs/pipelines.md lets it run again."""


@pytest.mark.parametrize(("status", "reason", "again"), RETRIED)
def test_the_documented_retry_block_repeats_lost_machines_and_no_denial(
    bk: Contract, status: str, reason: str | None, again: int
) -> None:
    found = examples((ROOT / "docs/pipelines.md").read_text("utf-8"), "yaml")
    [block] = [each for each in found if each in RETRIES]
    step = {"command": "a", **yaml.safe_load(block)}
    run = Run(bk, yaml.safe_dump({"steps": [step]}))
    ended: set[str] = set()
    while (job := run.job_id("a")) not in ended:
        ended.add(job)
        bk.running(job).finish(status, **({"signal_reason": reason} if reason else {}))
    assert len(ended) == 1 + again


def test_the_retry_block_of_the_operators_guide_adds_one_rule_against_denials(bk: Contract) -> None:
    [block] = examples((ROOT / "docs/operating.md").read_text("utf-8"), "yaml")
    step = {"command": "a", **yaml.safe_load(block)}
    step["retry"]["automatic"].append({"exit_status": -1})
    run = Run(bk, yaml.safe_dump({"steps": [step]}))
    first = run.job_id("a")
    bk.running(first).finish("-1", signal_reason="stack_error")
    assert run.job_id("a") == first

"""Queues attacked by pipelines that may not use them: by names, forks, sources, forged facts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from attacks.conftest import Seen
from attacks.rows import attack
from buildkite_emulator import BuildRequest, JobView
from buildkite_emulator.memory.records import PullRequest
from emulator.buildkite_client import Clock, Contract
from stories.stage import QUICK, REPOSITORY, Stage

GUARDED, OPEN = "guarded", "open"
PARAMETERS: dict[str, dict[str, str]] = {
    GUARDED: {},
    OPEN: {},
}
DELAYS = replace(QUICK, minute=10.0)
_POLICY = "dispatch, before a reservation, and the host, before the job"
_RULES = "the queue's policy/rules, anchored, judged by Buildkite's own facts"
_GOOD = BuildRequest(branch="main", source="webhook")


@dataclass(frozen=True, slots=True)
class Guarded:
    """A queue for one pipeline, one repository, one branch, webhooks only, and no forks."""

    stage: Stage
    own: str

    def build(
        self,
        pipeline: str,
        request: BuildRequest = _GOOD,
        repository: str = "",
        env: Mapping[str, str] | None = None,
    ) -> JobView:
        """The job of a build for the queue, at its end."""
        step = {"command": "echo it ran", "agents": {"queue": GUARDED}, "env": dict(env or {})}
        buildkite = self.stage.lab.buildkite
        # Buildkite would interpolate what looks like its own variables.
        configuration = json.dumps({"steps": [step]}).replace("$", "$$")
        buildkite.add_pipeline(pipeline, configuration, repository or self.own)
        return self.stage.ended(buildkite.create_build(pipeline, request).jobs[0].id)

    def assert_refused(self, seen: Seen, *jobs: JobView) -> None:
        """Assert that dispatch failed each job with a reason, and that none got an instance."""
        for job in jobs:
            assert (job.outcome, job.exit_status) == ("failed", -1), job
            assert "does not take this job" in (job.detail or ""), job.detail
            assert "it ran" not in self.stage.log_of(job.id)
            assert job.id not in {i.job for i in self.stage.instances(GUARDED)}
        seen(f"{len(jobs)} jobs failed by dispatch, none on an instance: {jobs[0].detail}")


@pytest.fixture(scope="module")
def guarded(stage: Stage) -> Guarded:
    own = stage.lab.buildkite.repository_url(REPOSITORY)
    rule = f"pipeline=deploy repository={own} branch=main source=webhook fork=no"
    stage.lab.put_parameter(GUARDED, "policy/rules/deploy", rule)
    stage.until("the rule is in force", lambda: stage.in_force(GUARDED).rules)
    found = Guarded(stage, own)
    assert found.build("deploy").outcome == "passed", "nobody passes the rule"
    return found


@attack(
    "Another pipeline names the queue in its steps",
    refused_by=_POLICY,
    mechanism=_RULES,
)
def test_another_pipeline_is_refused(guarded: Guarded, seen: Seen) -> None:
    guarded.assert_refused(seen, guarded.build("other"))


@attack(
    "Another pipeline names a queue that has no rules",
    refused_by="nobody",
    mechanism="a queue without rules takes every pipeline of its cluster",
    remains="Every pipeline of the cluster runs there, with what the sandbox role may do."
    " policy/rules or policy/repository-from of the queue closes it; so does a cluster of its own.",
)
def test_a_queue_without_rules_takes_every_pipeline(stage: Stage, seen: Seen) -> None:
    job = stage.build("any", OPEN)
    assert stage.ended(job).outcome == "passed"
    seen("the job of a pipeline that nobody named ran")


@attack(
    "Pipelines with names that look like the allowed one",
    refused_by=_POLICY,
    mechanism=_RULES,
)
def test_names_that_look_alike_are_refused(guarded: Guarded, seen: Seen) -> None:
    names = ("Deploy", "deploy-2", "xdeploy", "dep1oy", "d\u0435ploy", "deploy.main")
    guarded.assert_refused(seen, *(guarded.build(name) for name in names))


@attack(
    "A forged slug: a pipeline of the allowed name, with the attacker's repository",
    refused_by=_POLICY,
    mechanism="the rule names the repository beside the pipeline",
)
def test_a_forged_slug_is_refused(guarded: Guarded, seen: Seen) -> None:
    others = (
        "https://git.example.org/evil/app.git",
        f"{guarded.own}.evil",
        guarded.own.replace("/app", "/app/../evil"),
        guarded.own.replace("127.0.0.1", "127.0.0.1.example.org"),
    )
    guarded.assert_refused(seen, *(guarded.build("deploy", repository=each) for each in others))


@attack(
    "Branches that look like the allowed one",
    refused_by=_POLICY,
    mechanism=_RULES,
)
def test_branches_that_look_alike_are_refused(guarded: Guarded, seen: Seen) -> None:
    names = ("main2", "feature/main", "main/x", "Main", "main\u200b", "refs/heads/main")
    jobs = [guarded.build("deploy", replace(_GOOD, branch=name)) for name in names]
    guarded.assert_refused(seen, *jobs)


@attack(
    "A pull request from a fork, on a branch of the allowed name",
    refused_by=_POLICY,
    mechanism="fork=no compares the pull request's repository with the pipeline's",
)
def test_a_fork_is_refused(guarded: Guarded, seen: Seen) -> None:
    origins = ("https://git.example.org/evil/app.git", "", f"{guarded.own}.fork")
    requests = [replace(_GOOD, pull_request=PullRequest(1, origin, "main")) for origin in origins]
    guarded.assert_refused(seen, *(guarded.build("deploy", each) for each in requests))


@attack(
    "A build by the API, by a person, by a schedule, triggered by another pipeline, or rebuilt",
    refused_by=_POLICY,
    mechanism="the rule names the source of builds; Buildkite names the source of every build anew",
)
def test_builds_of_other_sources_are_refused(guarded: Guarded, seen: Seen) -> None:
    sources = ("api", "ui", "schedule", "trigger_job", "")
    jobs = [guarded.build("deploy", replace(_GOOD, source=source)) for source in sources]
    stage = guarded.stage
    buildkite = stage.lab.buildkite
    allowed = buildkite.create_build("deploy", _GOOD)
    assert stage.ended(allowed.jobs[0].id).outcome == "passed"
    call = Contract(buildkite, Clock()).rest(
        "PUT", f"/pipelines/deploy/builds/{allowed.number}/rebuild"
    )
    assert call.ok, call.text
    rebuilt = max(buildkite.jobs(), key=lambda j: j.timeline.created)
    guarded.assert_refused(seen, *jobs, stage.ended(rebuilt.id))


@attack(
    "A step's environment claims another pipeline, repository, branch and source",
    refused_by="Buildkite and dispatch",
    mechanism="Buildkite's own variables replace those of a pipeline, and only they are judged",
)
def test_a_forged_environment_is_refused(guarded: Guarded, seen: Seen) -> None:
    claimed = {
        "BUILDKITE_PIPELINE_SLUG": "deploy",
        "BUILDKITE_REPO": guarded.own,
        "BUILDKITE_BRANCH": "main",
        "BUILDKITE_SOURCE": "webhook",
        "BUILDKITE_PULL_REQUEST": "false",
        "MAYFLY_POLICY": "/dev/null",
    }
    guarded.assert_refused(seen, guarded.build("other", env=claimed))


# ---------------------------------------------------------------- texts


_TEXTS = (
    '"}\n{"level": "ERROR", "message": "forged line"}',
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "$(touch /tmp/injected)`touch /tmp/injected`",
    "a\r\nb\x1b]0;title\x07\x1b[2J",
    "' OR 1=1; DROP TABLE fleet; --",
    "{{7*7}}${jndi:ldap://x}%n%s",
)


@attack(
    "Labels, branches, tags and step variables with markup, escapes, line ends, shell code",
    refused_by="dispatch and the host",
    mechanism="logs are JSON, one line an entry; texts are values, never code; Buildkite's page"
    " gets plain text",
)
def test_texts_of_a_build_stay_texts(guarded: Guarded, seen: Seen) -> None:
    stage = guarded.stage
    denied = []
    for number, text in enumerate(_TEXTS):
        request = replace(_GOOD, branch=text, tag=text, message=text)
        denied.append(guarded.build(f"texts-{number}", request, env={"TEXT": text}))
    for function in ("dispatch", "provision", "sandbox", "reap"):
        for line in stage.log_text(function).splitlines():
            if "forged line" in line:
                assert json.loads(line).get("message") != "forged line", line
    assert any("forged line" in (job.detail or "") for job in denied), "the text never arrived"
    raw = [c for job in denied for c in job.detail or "" if c in "\x1b\x07\r"]
    assert raw == []
    guarded.assert_refused(seen, *denied)

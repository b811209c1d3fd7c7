"""The host judges jobs by the policy lines that dispatch sends, and judges as dispatch does."""

from __future__ import annotations

from itertools import product

import pytest

from mayfly.config.queue import QueueConfig
from mayfly.config.rules import UNREADABLE, Rule, parse_rules
from mayfly.dispatch import policy
from mayfly_instance.hooks import policy as on_the_host

LINES = [
    "pipeline=web",
    "pipeline=api,web source=webhook",
    "repository=git@github.com:acme/web.git",
    "repository=https://github.com/acme/*",
    "branch=main",
    "branch=release/*,v*.*",
    "branch=main fork=yes",
    "branch=* fork=no,yes",
    "source=ui,schedule",
    "fork=no",
    "fork=yes",
    "pipeline=web repository=git@github.com:acme/web branch=main source=webhook fork=no",
]
SLUGS = ["web", "api", "web\n", ""]
REPOSITORIES = [
    "git@github.com:acme/web.git",
    "https://me:pass@github.com/acme/web",
    "ssh://git@github.com:22/acme/web.git/",
    "https://github.com:8443/acme/web",
    "git@github.com:acme/sub/web",
    "git@github.com:acme2/web",
    "https://evil.example/x@github.com/acme/web",
    "https://github.com@evil.example/acme/web",
    "https://github.com//acme/web",
    "-o@github.com:acme/web",
    "/srv/web.git",
    "",
]
BRANCHES = ["main", "main2", "mallory:main", "release/1", "release/1/2", "v1.2", "a\nb", ""]
ORIGINS = [
    {"BUILDKITE_PULL_REQUEST": "false"},
    {"BUILDKITE_PULL_REQUEST": "7", "BUILDKITE_PULL_REQUEST_REPO": "git://github.com/acme/web"},
    {"BUILDKITE_PULL_REQUEST": "7", "BUILDKITE_PULL_REQUEST_REPO": "git://github.com/mal/web"},
    {"BUILDKITE_PULL_REQUEST": "7"},
    {},
]
JOBS = [
    {
        "BUILDKITE_PIPELINE_SLUG": slug,
        "BUILDKITE_REPO": repository,
        "BUILDKITE_BRANCH": branch,
        "BUILDKITE_SOURCE": "webhook",
        **origin,
    }
    for slug, repository, branch, origin in product(SLUGS, REPOSITORIES, BRANCHES, ORIGINS)
]
RULES: list[tuple[Rule, ...]] = [
    *(parse_rules("r", line) for line in LINES),
    (*parse_rules("a", LINES[0]), *parse_rules("b", LINES[4])),
    (),
]


@pytest.mark.parametrize("rules", RULES, ids=lambda rules: "; ".join(map(str, rules)) or "none")
def test_control_plane_and_host_judge_every_job_alike(rules: tuple[Rule, ...]) -> None:
    config = QueueConfig(queue="deploy", rules=rules)
    sent = {"rules": [str(rule) for rule in rules], "repository": None}
    for job in JOBS:
        here = policy.decide(config, job, None) is not None
        assert bool(on_the_host.denial(sent, job)) is here, job


@pytest.mark.parametrize("registered", [each for each in REPOSITORIES if each])
def test_control_plane_and_host_judge_the_registered_repository_alike(registered: str) -> None:
    template = "/buildkite/pipelines/{pipeline}/repository"
    config = QueueConfig(queue="deploy", repository_from=template)
    for job in JOBS:
        here = policy.decide(config, job, registered) is not None
        there = on_the_host.denial({"rules": [], "repository": registered}, job)
        assert bool(there) is here, job


def test_the_mark_of_an_unreadable_policy_lets_no_job_in_on_the_host() -> None:
    sent = {"rules": [str(UNREADABLE)], "repository": None}
    assert all(on_the_host.denial(sent, job) for job in JOBS)

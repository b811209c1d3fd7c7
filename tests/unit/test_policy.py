"""Policy: which jobs the rules allow, and the text of a denial for developers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mayfly.config.queue import QueueConfig
from mayfly.config.rules import UNREADABLE, parse_rules
from mayfly.dispatch.policy import Denial, Unread, decide, repository_parameter

WEB = {
    "BUILDKITE_PIPELINE_SLUG": "web",
    "BUILDKITE_REPO": "git@github.com:acme/web.git",
    "BUILDKITE_BRANCH": "main",
    "BUILDKITE_SOURCE": "webhook",
    "BUILDKITE_PULL_REQUEST": "false",
    "BUILDKITE_PULL_REQUEST_REPO": "",
}
FROM_A_FORK = {
    "BUILDKITE_PULL_REQUEST": "7",
    "BUILDKITE_PULL_REQUEST_REPO": "git://github.com/mallory/web.git",
}
FROM_ITSELF = {
    "BUILDKITE_PULL_REQUEST": "7",
    "BUILDKITE_PULL_REQUEST_REPO": "git://github.com/acme/web.git",
}


def queue(*lines: str, repository_from: str | None = None) -> QueueConfig:
    rules = tuple(rule for line in lines for rule in parse_rules("r", line))
    return QueueConfig(queue="deploy", rules=rules, repository_from=repository_from)


def allowed(line: str, **changes: str) -> bool:
    return decide(queue(line), {**WEB, **changes}, None) is None


# -- which jobs rules allow


@pytest.mark.parametrize(
    ("line", "changes", "allows"),
    [
        ("pipeline=web", {}, True),
        ("pipeline=api,web", {}, True),
        ("pipeline=api", {}, False),
        ("pipeline=web", {"BUILDKITE_PIPELINE_SLUG": "web2"}, False),
        ("pipeline=web", {"BUILDKITE_PIPELINE_SLUG": "Web"}, False),
        ("pipeline=web", {"BUILDKITE_PIPELINE_SLUG": "web\n"}, False),
        ("pipeline=web", {"BUILDKITE_PIPELINE_SLUG": ""}, False),
        ("source=webhook,ui", {}, True),
        ("source=ui", {}, False),
        ("source=ui", {"BUILDKITE_SOURCE": ""}, False),
        ("repository=https://github.com/acme/web", {}, True),
        ("repository=https://github.com/acme/*", {}, True),
        ("repository=git@github.com:acme/*", {"BUILDKITE_REPO": "git@github.com:acme/a/b"}, False),
        ("repository=git@github.com:acme/*", {"BUILDKITE_REPO": "git@github.com:acme2/a"}, False),
        ("repository=git@github.com:acme/*", {"BUILDKITE_REPO": "git@evil.org:acme/a"}, False),
        (
            "repository=git@github.com:acme/web",
            {"BUILDKITE_REPO": "https://evil.example/x@github.com/acme/web"},
            False,
        ),
        ("repository=git@github.com:acme/web", {"BUILDKITE_REPO": ""}, False),
        ("branch=main", {}, True),
        ("branch=main,next", {"BUILDKITE_BRANCH": "next"}, True),
        ("branch=main", {"BUILDKITE_BRANCH": "main2"}, False),
        ("branch=main", {"BUILDKITE_BRANCH": "feature/main"}, False),
        ("branch=main", {"BUILDKITE_BRANCH": "mallory:main"}, False),
        ("branch=main", {"BUILDKITE_BRANCH": "main\n"}, False),
        ("branch=release/*", {"BUILDKITE_BRANCH": "release/1.0"}, True),
        ("branch=release/*", {"BUILDKITE_BRANCH": "release/1.0/hack"}, False),
        ("branch=release/*", {"BUILDKITE_BRANCH": "x-release/1.0"}, False),
        ("branch=v*.*", {"BUILDKITE_BRANCH": "v1.2"}, True),
        ("branch=v*.*", {"BUILDKITE_BRANCH": "v12"}, False),
        ("branch=v1.2", {"BUILDKITE_BRANCH": "v1x2"}, False),
        ("branch=*", {"BUILDKITE_BRANCH": "a\nb"}, True),
        ("branch=*", {"BUILDKITE_BRANCH": ""}, False),
        ("fork=no", {}, True),
        ("fork=yes", {}, False),
        ("fork=no", FROM_A_FORK, False),
        ("fork=yes", FROM_A_FORK, True),
        ("fork=no,yes", FROM_A_FORK, True),
        ("fork=no", FROM_ITSELF, True),
        ("fork=yes", FROM_ITSELF, False),
        ("branch=main", FROM_A_FORK, False),
        ("branch=main", FROM_ITSELF, True),
        ("branch=main fork=no,yes", FROM_A_FORK, True),
        ("pipeline=web", FROM_A_FORK, True),
        # A pipeline may set a variable that Buildkite leaves out, so an empty one proves nothing.
        ("fork=no", {"BUILDKITE_PULL_REQUEST": ""}, False),
        ("fork=yes", {"BUILDKITE_PULL_REQUEST": ""}, False),
        ("fork=no", {**FROM_A_FORK, "BUILDKITE_PULL_REQUEST_REPO": ""}, False),
        (
            "fork=no",
            {**FROM_A_FORK, "BUILDKITE_REPO": "", "BUILDKITE_PULL_REQUEST_REPO": ""},
            False,
        ),
        ("pipeline=web branch=main source=webhook fork=no", {}, True),
        ("pipeline=web branch=main source=ui fork=no", {}, False),
    ],
)
def test_a_rule_allows_a_job_that_meets_all_its_conditions(
    line: str, changes: dict[str, str], allows: bool
) -> None:
    assert allowed(line, **changes) is allows


def test_one_matching_rule_of_several_allows_a_job() -> None:
    config = queue("pipeline=api", "pipeline=web source=ui\npipeline=web source=webhook")
    assert decide(config, WEB, None) is None


def test_conditions_of_different_rules_are_not_combined() -> None:
    assert decide(queue("pipeline=api branch=main", "pipeline=web branch=next"), WEB, None)


def test_a_queue_without_rules_allows_every_job_without_its_environment() -> None:
    assert not queue().restricted
    assert decide(queue(), {}, None) is None


def test_a_first_policy_that_cannot_be_read_neither_allows_nor_denies_a_job() -> None:
    config = QueueConfig(queue="deploy", rules=(UNREADABLE,))
    assert config.restricted
    assert config.closed
    for environment in (WEB, {"BUILDKITE_PIPELINE_SLUG": ""}, {}):
        assert isinstance(decide(config, environment, None), Unread)
    assert str(UNREADABLE) == "pipeline="


def test_while_a_policy_cannot_be_read_the_last_policy_allows_and_does_not_deny() -> None:
    last = queue("pipeline=web branch=main")
    config = replace(last, rules=(*last.rules, UNREADABLE))
    assert not config.closed
    assert decide(config, WEB, None) is None
    feature = {**WEB, "BUILDKITE_BRANCH": "feature"}
    assert isinstance(decide(last, feature, None), Denial)
    assert isinstance(decide(config, feature, None), Unread)


def test_while_a_policy_cannot_be_read_the_last_repository_check_does_not_deny() -> None:
    last = QueueConfig(queue="deploy", repository_from="/r/{pipeline}/repository")
    config = replace(last, rules=(UNREADABLE,))
    assert decide(config, WEB, WEB["BUILDKITE_REPO"]) is None
    assert isinstance(decide(last, WEB, None), Denial)
    assert isinstance(decide(config, WEB, None), Unread)


# -- the registered repository of a pipeline

TEMPLATE = "/buildkite/pipelines/{pipeline}/repository"


@pytest.mark.parametrize(
    ("slug", "name"),
    [
        ("web", "/buildkite/pipelines/web/repository"),
        ("web-2_x", "/buildkite/pipelines/web-2_x/repository"),
        ("", None),
        ("a/../secret", None),
        ("a/b", None),
        (".", None),
        ("web\n", None),
        ("{pipeline}", None),
        ("-web", None),
    ],
)
def test_the_repository_parameter_is_named_by_the_pipeline(slug: str, name: str | None) -> None:
    config = queue(repository_from=TEMPLATE)
    assert config.restricted
    assert repository_parameter(config, {"BUILDKITE_PIPELINE_SLUG": slug}) == name


def test_without_a_template_or_a_pipeline_there_is_no_repository_parameter() -> None:
    assert repository_parameter(queue(), WEB) is None
    assert repository_parameter(queue(repository_from=TEMPLATE), {}) is None


@pytest.mark.parametrize(
    ("registered", "denied"),
    [
        ("git@github.com:acme/web.git", False),
        ("https://github.com/acme/web", False),
        ("https://github.com/acme/api", True),
        ("", True),
        ("acme/web", True),
        (None, True),
    ],
)
def test_the_registered_repository_must_be_the_repository_of_the_job(
    registered: str | None, denied: bool
) -> None:
    assert bool(decide(queue(repository_from=TEMPLATE), WEB, registered)) is denied


def test_a_registered_repository_does_not_replace_the_rules() -> None:
    config = queue("pipeline=api", repository_from=TEMPLATE)
    assert decide(config, WEB, WEB["BUILDKITE_REPO"]) is not None
    config = queue("pipeline=web", repository_from=TEMPLATE)
    assert decide(config, WEB, WEB["BUILDKITE_REPO"]) is None
    assert decide(config, WEB, None) is not None


# -- the text of a denial


def reason(config: QueueConfig, repository: str | None = None, **changes: str) -> str:
    denial = decide(config, {**WEB, **changes}, repository)
    assert denial is not None
    return denial.reason


def test_a_denial_names_the_job_the_missing_conditions_and_the_remedy() -> None:
    text = reason(queue("pipeline=web branch=release/* source=ui"))
    assert text == (
        "Queue deploy does not take this job: a rule that is for this pipeline asks for another "
        "branch and source. Run it on another queue, or ask those who own the policy of deploy to "
        "allow it. The job: pipeline web, repository github.com/acme/web, branch main, source "
        "webhook, not from a fork."
    )


def test_a_denial_shows_no_rule_for_another_pipeline() -> None:
    text = reason(queue("pipeline=secret-project repository=git@example.org:hidden/thing"))
    assert "none of its rules is for this pipeline and repository" in text
    assert "secret" not in text
    assert "hidden" not in text


def test_the_reason_of_a_job_that_waits_for_its_policy_names_the_queue() -> None:
    waits = decide(QueueConfig(queue="deploy", rules=(UNREADABLE,)), WEB, None)
    assert waits == Unread("the policy of queue deploy cannot be read at present")


def test_a_denial_for_a_fork_says_so() -> None:
    text = reason(queue("pipeline=web branch=main"), **FROM_A_FORK)
    assert "branch main, source webhook, from a fork." in text
    assert "asks for another origin." in text


def test_a_denial_names_the_conditions_of_the_closest_rule() -> None:
    text = reason(queue("pipeline=web branch=a source=ui", "pipeline=web branch=a"))
    assert "asks for another branch." in text


@pytest.mark.parametrize(
    ("registered", "words"),
    [
        (None, "no repository is registered for its pipeline"),
        ("git@github.com:acme/other", "another repository is registered for its pipeline"),
    ],
)
def test_a_denial_by_the_registered_repository_says_so(registered: str | None, words: str) -> None:
    text = reason(queue(repository_from=TEMPLATE), registered)
    assert words in text
    assert "other.git" not in text


def test_a_denial_shows_no_password_and_no_control_character() -> None:
    text = reason(
        queue("pipeline=api"),
        BUILDKITE_REPO="https://me:hunter2@github.com/acme/web.git",
        BUILDKITE_BRANCH="main\x1b[2J\nQueue deploy takes this job" + "x" * 5000,
    )
    assert "hunter2" not in text
    assert text.isprintable()
    assert len(text.encode()) < 1500
    assert "hunter2" not in reason(
        queue("pipeline=api"), BUILDKITE_REPO="https://me:hunter2@github.com//acme"
    )

"""The examples of the operators' documents: rules, parameters, and queries of the logs."""

from __future__ import annotations

import re
import shlex

import pytest

from build.blocks import ROOT
from build.guide import commands, examples
from mayfly.config.queue import QueueConfig
from mayfly.config.read import read_queue
from mayfly.config.roles import parse_roles
from mayfly.config.rules import parse_rules
from mayfly.config.schedule_text import parse_schedule
from mayfly.dispatch.policy import decide
from tests.unit.published import GIVING, infra, parameters

PAGES = ("README.md", "docs/first-day.md", "docs/operating.md", "docs/lab.md")
OPERATING = (ROOT / "docs/operating.md").read_text("utf-8")
SCHEDULE, RULES, ROLES, _LAYOUT, *QUERIES = examples(OPERATING, "")
DEPLOY = {
    "BUILDKITE_PIPELINE_SLUG": "deploy",
    "BUILDKITE_REPO": "git@github.com:acme/deploy.git",
    "BUILDKITE_BRANCH": "main",
    "BUILDKITE_SOURCE": "webhook",
    "BUILDKITE_PULL_REQUEST": "false",
    "BUILDKITE_PULL_REQUEST_REPO": "",
}
TOGETHER = {
    ("job/root", "yes"): {"imds": "job"},
    ("job/root", "docker"): {"imds": "job"},
    ("imds", "off"): {"job/max-minutes": "300"},
}
"""By parameter and value: others without which the guide says that the value is refused."""
DOCS = {**DEPLOY, "BUILDKITE_PIPELINE_SLUG": "deploy-docs", "BUILDKITE_REPO": "git@x.org:docs"}


@pytest.mark.parametrize(
    ("job", "allowed"),
    [
        (DEPLOY, True),
        ({**DEPLOY, "BUILDKITE_SOURCE": "api"}, False),
        ({**DEPLOY, "BUILDKITE_BRANCH": "release/1"}, False),
        ({**DEPLOY, "BUILDKITE_REPO": "git@github.com:mallory/deploy.git"}, False),
        (DOCS, True),
        ({**DOCS, "BUILDKITE_BRANCH": "release/1"}, True),
        ({**DOCS, "BUILDKITE_BRANCH": "release/1/2"}, False),
    ],
)
def test_the_documented_rules_let_in_the_jobs_that_they_describe(
    job: dict[str, str], allowed: bool
) -> None:
    rules = parse_rules("documented", RULES)
    assert len(rules) == 2
    assert (decide(QueueConfig(queue="deploy", rules=rules), job, None) is None) is allowed


def test_the_documented_schedule_and_its_entries_are_read() -> None:
    schedule = parse_schedule(SCHEDULE.strip())
    assert len(schedule.entries) == 3
    entries = re.findall(r"^\| `([^`]+ = [0-9]+)` \|", OPERATING, re.MULTILINE)
    assert len(entries) == 5
    assert len(parse_schedule("; ".join(["2", *entries])).entries) == 5


def test_the_role_lines_of_the_guide_are_role_lines() -> None:
    lines = parse_roles("ci", ROLES)
    assert [line.minutes for line in lines] == [60, 15]
    given = parameters({"role/ci": ROLES})
    assert read_queue("q", infra(**GIVING), given)[1] == ()


def written() -> list[tuple[str, str]]:
    """Name below the queue's path, and value, of each parameter that a document's command puts."""
    found = []
    for page in PAGES:
        for command in commands((ROOT / page).read_text("utf-8")):
            if " ssm put-parameter " in command.text and "--value file:" not in command.text:
                words = shlex.split(command.text)
                name = words[words.index("--name") + 1]
                match = re.fullmatch(r"/mayfly/[^/]+/queues/[^/]+/(.+)", name)
                assert match, name
                found.append((match[1], words[words.index("--value") + 1]))
    return found


def settings() -> list[tuple[str, str]]:
    """Name and value of each parameter in a code span of a document, such as `imds` = `job`."""
    pattern = r"`([a-z]+(?:/[a-z-]+)*)` = `([^`\n]+)`"
    return [
        match
        for page in (*PAGES, "docs/pipelines.md", "docs/from-elastic-ci-stack.md")
        for match in re.findall(pattern, (ROOT / page).read_text("utf-8"))
    ]


def test_every_parameter_that_a_document_writes_is_known_and_allowed() -> None:
    found = [*written(), *settings()]
    assert ("pool/hot", "3") in found
    assert ("imds", "job") in found
    problems = []
    for name, value in found:
        # Example values of prefixes differ from the queue's own.
        if name in {"bootstrap/script", "policy/repository-from"}:
            continue
        given = parameters({name: value, **TOGETHER.get((name, value), {})})
        problems += [
            (name, value, str(each)) for each in read_queue("q", infra(**GIVING), given)[1]
        ]
    assert problems == []


@pytest.mark.parametrize("query", QUERIES)
def test_a_documented_query_of_the_logs_asks_for_fields_of_the_log(query: str) -> None:
    table = OPERATING[OPERATING.index("\n## Logs\n") :]
    told = set(re.findall(r"`(\w+)`", table[: table.index("The way of one job")]))
    names = set(re.findall(r"(?:fields |, |filter |or |sort )(@?\w+)", query))
    assert len(names) > 3
    made = set(re.findall(r" as (\w+)", query)) | {"max"}
    assert names <= told | made | {"@timestamp", "@message", "message", "level"}

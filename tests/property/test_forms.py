"""Whole answers, configurations and events in a strange form are read in kind or refused."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mayfly.adapters.buildkite.rate_limits import RateLimits
from mayfly.adapters.buildkite.stacks import Stacks
from mayfly.answers import Parameter
from mayfly.config.infra import Infra
from mayfly.config.queue import QueueConfig, Script
from mayfly.config.read import read_queue
from mayfly.config.roles import parse_roles
from mayfly.config.rules import Condition, Rule
from mayfly.errors import Misconfigured, Transient
from mayfly.events import parse
from tests.property.changes import JUNK, a_listed_job, buildkite, changed
from tests.unit.builders import a_config
from tests.unit.published import queue_stack

# -- answers as a whole ----------------------------------------------------------------------------


@given(
    whole=changed(
        {
            "jobs": [a_listed_job("a")],
            "page_info": {"has_next_page": True, "end_cursor": "x"},
            "cluster_queue": {"dispatch_paused": True},
        }
    ),
    reset=JUNK,
)
@settings(max_examples=50, deadline=None)
def test_a_strange_answer_of_buildkite_raises_transient_at_most(whole: Any, reset: object) -> None:
    answer = whole if isinstance(whole, dict) else {}
    with suppress(Transient):
        buildkite(**answer).jobs("deploy")
    for read in (Stacks.reserve, Stacks.tokens):
        with suppress(Transient):
            read(buildkite(reserved=reset, job_acquisition_tokens=reset), ["a"], 60)
    with suppress(Transient):
        buildkite(states=reset).states(["a"])
    with suppress(Transient):
        assert all(isinstance(v, str) for v in buildkite(env=reset).environment("a").values())


@given(
    headers=st.dictionaries(st.sampled_from(["Retry-After", "RateLimit-Reset"]), st.text()),
    reset=JUNK,
)
def test_no_answer_closes_an_endpoint_for_more_than_a_minute(
    headers: dict[str, str], reset: object
) -> None:
    limits = RateLimits(lambda: 0.0)
    asked = limits.note("jobs", 429, headers, reset)
    assert asked is not None
    assert 0 <= asked <= 60


# -- configuration ---------------------------------------------------------------------------------

STORED = a_config(
    tags={"team": "build"},
    rules=(Rule("main", (Condition("branch", ("main",)),)),),
    script=Script("s3://bucket/script", 12, 4),
    secrets_path="/vendors/buildkite/deploy",
    shared_ssh_keys=("/vendors/buildkite/deploy/plugins",),
    over_443=("github.com",),
    roles=parse_roles("web", "pipeline=web -> arn:aws:iam::123456789012:role/ci/web"),
)


@given(stored=changed(json.loads(STORED.to_json())))
@settings(max_examples=100, deadline=None)
def test_a_stored_configuration_reads_with_the_right_types_or_is_refused(stored: Any) -> None:
    with suppress(Misconfigured):
        read = QueueConfig.from_json(json.dumps(stored))
        assert QueueConfig.from_json(read.to_json()) == read
        assert isinstance(read.hot.value(datetime(2026, 11, 30, tzinfo=UTC)), int)
        assert all(isinstance(kind, str) for kind in read.instance_types)
        words = [w for rule in read.rules for each in rule.conditions for w in each.values]
        assert set(words) <= {"main"} or all(isinstance(word, str) for word in words)
        judged = read.rules or read.repository_from is not None or read.has_grants
        assert read.restricted is bool(judged)
        assert all(15 <= line.minutes <= 60 and isinstance(line.arn, str) for line in read.roles)


INFRA = Infra.parse("deploy", "ci", queue_stack())


@given(
    name=st.sampled_from(
        ["pool/hot", "tags", "policy/rules/x", "agent/config", "imds", "role/x", "ssh/known-hosts"]
    ),
    text=st.text(),
)
@settings(max_examples=100, deadline=None)
def test_a_parameter_is_read_or_named_as_a_problem(name: str, text: str) -> None:
    config, problems = read_queue("deploy", INFRA, {name: Parameter(text, 1)})
    assert config is not None or problems


@given(published=changed(json.loads(queue_stack())))
@settings(max_examples=50, deadline=None)
def test_what_a_queue_stack_publishes_is_read_or_refused(published: Any) -> None:
    with suppress(Misconfigured):
        Infra.parse("deploy", "ci", json.dumps(published))


EVENT = {
    "detail-type": "EC2 Spot Instance Interruption Warning",
    "time": "2026-11-20T09:30:00Z",
    "detail": {"instance-id": "i-1", "instance-action": "terminate"},
}


@given(event=changed(EVENT), records=JUNK)
def test_an_event_is_read_or_refused(event: Any, records: object) -> None:
    for each in (event if isinstance(event, dict) else {}, {"Records": records}):
        with suppress(Misconfigured):
            parse(each)

"""Session tags: what a job's role session tells of the job, and what STS takes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mayfly_protocol.job_facts import JobFacts
from mayfly_protocol.session_tags import session_tags, tags_refusal

FACTS = JobFacts("acme", "web", "812", "git@github.com:acme/web.git", "main", "webhook", "no")


def test_the_tags_name_organization_pipeline_branch_queue_and_source() -> None:
    assert session_tags(FACTS, "deploy") == {
        "organization": "acme",
        "pipeline": "web",
        "branch": "main",
        "queue": "deploy",
        "source": "webhook",
    }


@pytest.mark.parametrize(
    "branch",
    ["main", "feature/new_1.2", "a=b:c+d@e-f", "für/ümläute", "日本語", "x" * 256, "two words"],
)
def test_a_branch_that_sts_takes_is_taken(branch: str) -> None:
    assert tags_refusal(session_tags(replace(FACTS, branch=branch), "deploy")) == ""


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"branch": ""}, "Buildkite states no branch for the job"),
        ({"organization": ""}, "Buildkite states no organization for the job"),
        ({"pipeline": ""}, "Buildkite states no pipeline for the job"),
        ({"source": ""}, "Buildkite states no source for the job"),
        ({"branch": "x" * 257}, "its branch has more than the 256 characters of a session tag"),
        (
            {"branch": "\N{CJK UNIFIED IDEOGRAPH-20000}" * 129},
            "its branch has more than the 256 characters of a session tag",
        ),
        ({"branch": "fix#12"}, "its branch has U+0023, which no session tag can have"),
        ({"branch": "a,b"}, "its branch has U+002C, which no session tag can have"),
        ({"branch": "it's"}, "its branch has U+0027, which no session tag can have"),
        ({"branch": "a*"}, "its branch has U+002A, which no session tag can have"),
        ({"branch": "a\tb"}, "its branch has U+0009, which no session tag can have"),
        (
            {"branch": "\N{PARTY POPPER}"},
            "its branch has U+1F389, which no session tag can have",
        ),
        ({"branch": "\ud800"}, "its branch has U+D800, which no session tag can have"),
    ],
)
def test_a_fact_that_no_session_tag_can_hold_is_refused_by_its_name(
    changes: dict[str, Any], why: str
) -> None:
    assert tags_refusal(session_tags(replace(FACTS, **changes), "deploy")) == why

r"""Session tags of a job's role: facts that trust policies and CloudTrail see of the job.

Source of the limits: API reference of STS, data type Tag: values have at most 256 characters out of
`\p{L}\p{Z}\p{N}_.:/=+\-@`.
"""

from __future__ import annotations

from collections.abc import Mapping
from unicodedata import category

from mayfly_protocol.job_facts import JobFacts

LONGEST_VALUE = 256
"""UTF-16 units of a value."""
_MARKS = frozenset("_.:/=+-@")
_CLASSES = frozenset("LNZ")
"""First letters of Unicode's categories of letters, numbers and separators."""


def session_tags(facts: JobFacts, queue: str) -> dict[str, str]:
    """The tags of the job's session with its role, by key; all of them are transitive."""
    return {
        "organization": facts.organization,
        "pipeline": facts.pipeline,
        "branch": facts.branch,
        "queue": queue,
        "source": facts.source,
    }


def tags_refusal(tags: Mapping[str, str]) -> str:
    """Why STS or a trust policy cannot take these tags, in a few words; empty for good ones.

    An unknown fact is refused too: a trust policy that compares the tag must not meet an empty one.
    """
    for key, value in tags.items():
        if not value:
            return f"Buildkite states no {key} for the job"
        if len(value.encode("utf-16-le", "surrogatepass")) // 2 > LONGEST_VALUE:
            return f"its {key} has more than the {LONGEST_VALUE} characters of a session tag"
        for char in value:
            if char not in _MARKS and category(char)[0] not in _CLASSES:
                return f"its {key} has U+{ord(char):04X}, which no session tag can have"
    return ""

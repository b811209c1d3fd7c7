"""Where AWS's metadata mock and the lab's metadata service differ, and which of them is right.

`lab/generate_docs.py` writes the table into docs/lab.md; the tests hold that the list is complete.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mayfly_lab.machines.documents import VERSIONS

_GUIDE = "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide"
_IMDSV2 = f"[Use IMDSv2]({_GUIDE}/configuring-instance-metadata-service.html)"
_RETRIEVE = f"[Retrieve instance metadata]({_GUIDE}/instancedata-data-retrieval.html)"
SEEN = "answers of instances that users have published"
STATUS, MEDIA_TYPE, CONTENT = "status", "media type", "content"


@dataclass(frozen=True, slots=True)
class Difference:
    """One aspect in which the answers to these calls differ."""

    calls: tuple[str, ...]
    aspect: str
    mock: object
    lab: object
    question: str
    right: str
    """Whose answer is EC2's, and by which source."""


DIFFERENCES = (
    Difference(
        calls=("a token through a proxy",),
        aspect=STATUS,
        mock=200,
        lab=403,
        question="A PUT for a token with `X-Forwarded-For`",
        right=f"the lab: {_IMDSV2}",
    ),
    Difference(
        calls=("GET of a token",),
        aspect=STATUS,
        mock=200,
        lab=405,
        question="A GET of `/latest/api/token`",
        right=f"the lab: {SEEN}",
    ),
    Difference(
        calls=("a token for +60 s",),
        aspect=STATUS,
        mock=200,
        lab=400,
        question="A time to live of `+60`",
        right="not stated; Mayfly's hosts send plain digits",
    ),
    Difference(
        calls=("PUT of a document",),
        aspect=STATUS,
        mock=401,
        lab=405,
        question="A PUT, without a token, of anything but a token",
        right="not stated; nothing sends it",
    ),
    Difference(
        calls=("no such path, without a token", "a listing, without a token"),
        aspect=STATUS,
        mock={"no such path, without a token": 404, "a listing, without a token": 200},
        lab=401,
        question="A GET without a token of a path without a document, where tokens are required",
        right=f"the lab: {_IMDSV2}",
    ),
    Difference(
        calls=("/2021-03-23/meta-data/instance-id",),
        aspect=STATUS,
        mock=404,
        lab=200,
        question="A path of an older version",
        right=f"the lab: {_RETRIEVE}",
    ),
    Difference(
        calls=("/",),
        aspect=CONTENT,
        mock=["latest"],
        lab=list(VERSIONS),
        question="The list of versions",
        right=f"the lab: {_RETRIEVE}; the list itself is from {SEEN}",
    ),
    Difference(
        calls=(
            "/latest/dynamic/instance-identity/document",
            "/latest/meta-data/iam/info",
            "/latest/meta-data/iam/security-credentials/bootstrap-role",
            "/latest/meta-data/spot/instance-action",
        ),
        aspect=MEDIA_TYPE,
        mock="application/json",
        lab="text/plain",
        question="The media type of a JSON document",
        right=f"the lab, for `iam/info`: {SEEN}; else not stated. Mayfly's hosts do not read it",
    ),
    Difference(
        calls=(
            *("a token without a time", "a token for 0 s", "a token for 21601 s"),
            *("a token for soon", "no token", "a made-up token", "user data without a token"),
            *("/latest/meta-data/iam/security-credentials/other", "/latest/meta-data/none"),
            *("/latest/none", "/none", "/latest/meta-data/events/recommendations/rebalance"),
            *("the versions, without a token", "the top of meta-data, without a token"),
        ),
        aspect=MEDIA_TYPE,
        mock="text/plain",
        lab="text/html",
        question="The media type of a refusal, whose body is an XHTML page",
        right="not stated; Mayfly's hosts do not read it",
    ),
)


def rows() -> Iterator[tuple[str, str, str, str]]:
    """The differences for a table: question, the mock's answer, the lab's, and who is right."""
    for each in DIFFERENCES:
        yield each.question, _told(each.mock), _told(each.lab), each.right


def _told(answer: object) -> str:
    if isinstance(answer, dict):
        return " or ".join(map(str, sorted(set(answer.values()))))
    if isinstance(answer, list):
        return f"`{answer[0]}`" if len(answer) == 1 else f"{len(answer)} versions"
    return str(answer)

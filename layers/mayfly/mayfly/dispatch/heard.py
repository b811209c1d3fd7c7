"""What Buildkite last said to `dispatch`, for the lease row: the token's state, the last list."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from mayfly.dispatch.reasons import token_refused
from mayfly.dispatch.view import LastTick
from mayfly.errors import TokenRefused
from mayfly.records.model import Heard
from mayfly.records.why import Code, Why, since_before, why


def why_unheard(refusal: TokenRefused | None, before: Why | None, now: datetime) -> Why:
    """Why no queue is listed while Buildkite registers the stack with none."""
    if refusal is not None:
        found = token_refused(refusal, now)
    else:
        found = why(Code.BUILDKITE_SILENT, "Buildkite registers the stack with no queue", now)
    return since_before(found, [before])


def heard(
    before: Heard, seen: Collection[LastTick], unheard: Why | None, *, registered: bool
) -> Heard:
    """What Buildkite said, after a tick. A list that was answered proves that the token is good."""
    listed = [each.listed_at for each in seen if each.listed_at is not None]
    last = max([*listed, *filter(None, [before.listed_at])], default=None)
    failures = [each.unlisted for each in seen if each.unlisted is not None]
    if not registered and unheard is not None:
        failures.append(unheard)
    refusals = [each for each in failures if each.code is Code.TOKEN_REFUSED]
    if not refusals:
        return Heard(last)
    since = min(each.since for each in refusals)
    if before.refused_since is not None:
        since = before.refused_since
    return Heard(last, since, refusals[0].detail)

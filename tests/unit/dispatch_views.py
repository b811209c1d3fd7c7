"""What dispatch sees of a queue, and what it decided, as tests speak of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mayfly.answers import Job, Listing
from mayfly.config.queue import QueueConfig
from mayfly.dispatch.actions import BindJob, DispatchAction, OpenClaims, ReserveJobs
from mayfly.dispatch.decide import DispatchView, decide
from mayfly.records.model import Claim
from tests.unit.builders import NOW, SPEC, a_config


def a_view(*jobs: Job, claims: tuple[Claim, ...] = (), **changes: Any) -> DispatchView:
    """The queue as dispatch sees it, Buildkite having answered."""
    paused = changes.get("paused", False)
    made = DispatchView(
        listing=Listing(jobs, paused=bool(paused)),
        paused=paused,
        claims=claims,
        running=0,
        closed={},
        ready=(),
        instances={},
        states={claim.job: "reserved" for claim in claims},
        environments={},
        repositories={},
        spec=SPEC,
    )
    return replace(made, **changes)


def decided(view: DispatchView, config: QueueConfig | None = None) -> list[DispatchAction]:
    return decide(view, config or a_config(), NOW)


def opened(actions: list[DispatchAction]) -> list[Claim]:
    return [
        claim for action in actions if isinstance(action, OpenClaims) for claim in action.claims
    ]


def reserved(actions: list[DispatchAction]) -> list[str]:
    reserves = [action for action in actions if isinstance(action, ReserveJobs)]
    return [claim.job for action in reserves for claim in action.claims]


def binds(actions: list[DispatchAction]) -> dict[str, int]:
    """The slot's number by job."""
    return {a.claim.job: a.instance.key.number for a in actions if isinstance(a, BindJob)}


def kinds(actions: list[DispatchAction]) -> list[type[DispatchAction]]:
    return [type(action) for action in actions]

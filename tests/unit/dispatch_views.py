"""Views of a queue, and the actions of dispatch over them, for tests of dispatch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from mayfly.answers import Job, Listing
from mayfly.config.queue import QueueConfig
from mayfly.dispatch.actions import BindJob, DispatchAction, OpenClaims, ReserveJobs
from mayfly.dispatch.apply import Applier
from mayfly.dispatch.opened import sort_listing
from mayfly.dispatch.ports import DispatchPorts
from mayfly.dispatch.settled import failures_to_tell
from mayfly.dispatch.tick import serve
from mayfly.dispatch.view import QueueView
from mayfly.records.changes import Change
from mayfly.records.model import Claim
from mayfly.tick.outcome import AnyAction, Outcome
from tests.unit.builders import NOW, SPEC, a_config


def a_view(*jobs: Job, claims: tuple[Claim, ...] = (), **changes: Any) -> QueueView:
    """The view of a queue after Buildkite's answer; every claim is reserved."""
    paused = changes.get("paused", False)
    made = QueueView(
        spec=SPEC,
        claims=claims,
        listing=Listing(jobs, paused=bool(paused)),
        paused=paused,
        states={claim.job: "reserved" for claim in claims},
    )
    return replace(made, **changes)


@dataclass
class Willing:
    """Ports that succeed at every call; Buildkite reserves no job in `refused`."""

    refused: Collection[str] = ()
    written: list[Change] = field(default_factory=list)

    def write(self, changes: Sequence[Change], fence: int | None = None) -> None:
        self.written.extend(changes)

    def reserve(self, jobs: Sequence[str], seconds: int, queue: str = "") -> frozenset[str]:
        return frozenset(jobs) - frozenset(self.refused)

    def tokens(self, jobs: Sequence[str], seconds: int, queue: str = "") -> Mapping[str, str]:
        return {job: f"token of {job}" for job in jobs}

    def finish(self, job: str, reason: str, queue: str = "") -> None:
        pass

    def send(self, reason: str) -> None:
        pass


@dataclass(slots=True)
class Watched(Outcome):
    """An outcome that records every action in the order of application."""

    actions: list[DispatchAction] = field(default_factory=list)

    def perform(
        self, actions: Iterable[AnyAction], apply: Callable[[AnyAction], None]
    ) -> list[AnyAction]:
        taken = list(actions)
        self.actions.extend(cast("list[DispatchAction]", taken))
        return Outcome.perform(self, taken, apply)


def decided(
    view: QueueView, config: QueueConfig | None = None, *, refused: Collection[str] = ()
) -> list[DispatchAction]:
    """Every action of one tick over this view; each action succeeds."""
    config, world, outcome = config or a_config(), Willing(refused), Watched()
    ports = DispatchPorts(*[cast("Any", world)] * 5)
    applier = Applier(ports, 1, NOW, outcome)
    claims, _, _ = serve(sort_listing(view, config), config, applier)
    applier.fail(list(failures_to_tell(claims, NOW)))
    assert not outcome.unfinished
    return outcome.actions


def opened(actions: list[DispatchAction]) -> list[Claim]:
    return [
        claim for action in actions if isinstance(action, OpenClaims) for claim in action.claims
    ]


def reserved(actions: list[DispatchAction]) -> list[str]:
    reserves = [action for action in actions if isinstance(action, ReserveJobs)]
    return [claim.job for action in reserves for claim in action.claims]


def binds(actions: list[DispatchAction]) -> dict[str, int]:
    """Slot number by job."""
    return {a.claim.job: a.instance.key.number for a in actions if isinstance(a, BindJob)}


def kinds(actions: list[DispatchAction]) -> list[type[DispatchAction]]:
    return [type(action) for action in actions]

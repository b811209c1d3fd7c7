"""Reads anew what a launch is for, where a tick has decided to launch.

The index that lists jobs and instances lags behind by moments, and at times by more than a minute.
A job that got its instance since, or an instance that the index does not show yet, would be
launched for again. Consistent reads cost more, so only a launch has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from mayfly.config.queue import QueueConfig
from mayfly.ports import Fleet
from mayfly.provision.missing import jobs_in_turn
from mayfly.provision.unlisted import STOPPED, recent_slots, unlisted_slots
from mayfly.provision.view import ProvisionView
from mayfly.records.ledger import RECENT
from mayfly.records.model import Instance

MOST = 200
"""Jobs that are read anew, the first ones in turn: what was bound just now was among the first."""


def confirmed(
    view: ProvisionView,
    hung: Sequence[Instance],
    config: QueueConfig,
    fleet: Fleet,
    now: datetime,
) -> ProvisionView:
    """The view with the first waiting jobs, and the slots of recent launches, as they are now.

    A job that cannot be read is not launched for. Hung boots, which the view is without, stay out.
    """
    asked = {claim.job for claim in jobs_in_turn(view, config, now)[:MOST]}
    present = {claim.job: claim for claim in fleet.claims_of(sorted(asked))} if asked else {}
    waiting = tuple(
        present.get(claim.job, claim)
        for claim in view.waiting
        if claim.job not in asked
        or (claim.job in present and present[claim.job].state.traits.waits)
    )
    known = (*view.instances, *view.stopped, *hung)
    more = tuple(unlisted_slots(fleet, recent_slots(view.stack, view.ledger, now, RECENT), known))
    return replace(
        view,
        waiting=waiting,
        instances=(*view.instances, *(i for i in more if i.state not in STOPPED)),
        stopped=(*view.stopped, *(i for i in more if i.state in STOPPED)),
    )

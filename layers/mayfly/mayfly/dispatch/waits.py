"""Why each waiting claim waits, by what `provision` last said and by what is coming."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from mayfly.config.boots import BOOT_MINUTES, boot_minutes
from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import named, serves
from mayfly.config.stalled import is_unanswered
from mayfly.dispatch.reasons import over_limit, paused, unmet
from mayfly.dispatch.view import QueueView, busy_of, is_paused
from mayfly.records.model import Claim, Instance
from mayfly.records.standing import Standing
from mayfly.records.turns import in_turn, of_claims
from mayfly.records.why import OF_QUEUE, Code, Why, since_before, why

SILENT = timedelta(minutes=3)
"""Age of the standing of `provision` from which on the function is said to be silent: it writes
one each minute while a job waits."""
_REFUSALS = (Code.LAUNCH_REFUSED, Code.NO_CAPACITY, Code.ALWAYS_TAKEN_BACK, Code.TAKEN_BACK)


@dataclass(frozen=True, slots=True)
class Wait:
    """Why a claim waits. `place` is its place among those without an instance; 0 with one."""

    why: Why
    place: int = 0


def waits(
    view: QueueView, config: QueueConfig, said: Standing, now: datetime
) -> Iterator[tuple[Claim, Wait]]:
    """Each waiting claim with its reason, in the order of their turns.

    `said` is the standing of `dispatch`: a pause stands since the queue is paused. Without
    prospects only what needs none is said.
    """
    waiting = [claim for claim in view.claims if claim.state.traits.waits]
    pause = _pause(view, config, said, now)
    known = view.prospects
    launches = _Launches(known.standing, config, now) if known is not None else None
    coming = list(known.coming) if known is not None else []
    coming.sort(key=lambda instance: instance.state.traits.awaits_launch)
    place, claims = 0, {claim.job: claim for claim in waiting}
    for each in in_turn(of_claims(waiting), busy_of(view)):
        claim = claims[each.job]
        found: Wait | None = None
        if (mismatch := view.unmatched.get(claim.job)) is not None:
            found = Wait(unmet(config.queue, mismatch.rule, mismatch.reason, now))
        elif pause is not None:
            found = Wait(pause)
        elif not each.is_within(config.per_pipeline):
            found = Wait(over_limit(config, claim.pipeline, now))
        elif not claim.reserved(now):
            text = "Buildkite does not reserve the job for Mayfly at present"
            found = Wait(why(Code.UNRESERVED, text, now))
        elif launches is not None:
            instance = next((i for i in coming if serves(i.shape, claim.shape)), None)
            if instance is not None:
                coming.remove(instance)
            else:
                place += 1
            found = launches.wait(claim, instance, place)
        if found is not None:
            yield claim, Wait(since_before(found.why, [claim.why]), found.place)


def _pause(view: QueueView, config: QueueConfig, said: Standing, now: datetime) -> Why | None:
    if not is_paused(view, config):
        return None
    return since_before(paused(view, config, now), said.reasons)


@dataclass(frozen=True, slots=True)
class _Launches:
    """What is known of the launches for one queue."""

    standing: Standing | None
    """What `provision` last said."""
    config: QueueConfig
    now: datetime

    def wait(self, claim: Claim, instance: Instance | None, place: int) -> Wait:
        """Why a claim waits. `instance` is coming for it; without one, `place` is in line.

        Refusals go before an instance that is only requested: else the reason would change with
        each try, and each change is a note.
        """
        mine = {each.code: each for each in self._reasons if each.is_about(str(claim.shape))}
        if Code.BRAKED in mine:
            return Wait(mine[Code.BRAKED])
        is_launched = instance is not None and not instance.state.traits.awaits_launch
        refusals = [mine[code] for code in _REFUSALS if code in mine]
        if refusals and not is_launched:
            return Wait(refusals[0])
        if instance is None:
            return Wait(self._no_instance(claim, mine), place)
        if Code.LAUNCH_UNANSWERED in mine and is_unanswered(instance, self.now):
            return Wait(mine[Code.LAUNCH_UNANSWERED])
        if Code.BOOT_FAILED in mine:
            return Wait(mine[Code.BOOT_FAILED])
        minutes = boot_minutes(self.config, claim.shape)
        usual = "usually about a minute" if minutes <= BOOT_MINUTES else f"up to {minutes} minutes"
        text = f"launching an instance for this job ({named(claim.shape)}), {usual}"
        return Wait(why(Code.COMING, text, self.now))

    @property
    def _reasons(self) -> tuple[Why, ...]:
        return self.standing.reasons if self.standing is not None else ()

    def _no_instance(self, claim: Claim, mine: Mapping[Code, Why]) -> Why:
        """Why no instance is coming for a claim."""
        of_queue = {each.code: each for each in self._reasons if each.code in OF_QUEUE}
        for reason in (mine.get(Code.NO_TEMPLATE), *map(of_queue.get, OF_QUEUE)):
            if reason is not None:
                return reason
        heard = self.standing.at if self.standing is not None else claim.since
        if self.now - max(heard, claim.since) >= SILENT:
            since = f"since {heard:%H:%M:%S} UTC"
            text = f"nothing is known of launches for queue {self.config.queue} {since}"
            return why(Code.PROVISION_SILENT, text, self.now)
        text = f"no instance is coming yet ({named(claim.shape)})"
        return why(Code.NEXT_LAUNCH, text, self.now)

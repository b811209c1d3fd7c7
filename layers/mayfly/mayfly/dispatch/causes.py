"""Why a waiting claim waits, as a note for its job's page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from mayfly.config.boots import BOOT_MINUTES, boot_minutes, brake_for, why_no_launch
from mayfly.config.queue import QueueConfig
from mayfly.config.stalled import is_unanswered
from mayfly.records.ledger import Ledger
from mayfly.records.model import Claim, Instance, Shape
from mayfly.records.refusals import losses_of, misses_of

_MINUTE = timedelta(minutes=1)
_TYPES_SHOWN = 3
_CODE = re.compile(r"\((\w[\w.]*)\) when calling|(?:^|; )([A-Z]\w+(?:\.\w+)*): ")
"""EC2's code in the text of a boto error, or in an error of a fleet (`code: message`)."""
_ZONE = re.compile(r"\b[a-z]{2}(?:-[a-z]+)+-\d[a-z]\b")
_SHORTAGES = ("Insufficient", "SpotMaxPriceTooLow", "UnfulfillableCapacity")
"""Beginnings of the codes that say that EC2 lacks what was asked for; other codes need a person."""


@dataclass(frozen=True, slots=True)
class Note:
    """A text for a job's page. `cause` tells changes: the text alone may change at any time."""

    cause: str
    text: str


@dataclass(frozen=True, slots=True)
class Causes:
    """What one queue's claims may wait for, at one time."""

    config: QueueConfig
    spec: str
    """Spec of the queue's record."""
    ledger: Ledger
    now: datetime

    def of(self, claim: Claim, instance: Instance | None, place: int) -> Note:
        """The cause of one claim. `instance` is coming for it; without one, `place` is in line.

        Refusals go before an instance that is only requested: else the cause would change with
        each try, and each change is a note. Those of long ago are left out: a queue may be full.
        """
        shape = claim.shape
        if why_no_launch(self.ledger, self.spec, self.config, shape):
            return self._brake(shape)
        launched = instance is not None and not instance.state.traits.awaits_launch
        if misses_of(self.ledger, shape, self.now) and not launched:
            return self._no_capacity(shape)
        lost = losses_of(self.ledger, shape, self.now)
        if lost is not None and not launched:
            times = f"{lost.rounds} launches{self._then(shape)}"
            text = f"Waiting: EC2 took back the instances of {times}"
            return Note("lost", f"{text}. The last one was {lost.cause}")
        if instance is None:
            return self._no_instance(shape, place)
        if is_unanswered(instance, self.now):
            asked = f"{instance.created:%H:%M:%S} UTC, and is asked again until it does"
            text = f"Waiting: EC2 has not answered the launch of {_named(shape)} since {asked}."
            return Note("unanswered", text)
        brake = brake_for(self.ledger, self.spec, self.config, shape)
        if brake is not None:
            text = f"Launching an instance again for this job: {brake.cause}"
            return Note(f"boots {brake.failures}", text)
        minutes = boot_minutes(self.config, shape)
        usual = "Usually about a minute" if minutes <= BOOT_MINUTES else f"Up to {minutes} minutes"
        return Note("launching", f"Launching an instance for this job ({_named(shape)}). {usual}.")

    def _brake(self, shape: Shape) -> Note:
        """The next trial goes first: a long cause is cut."""
        brake = brake_for(self.ledger, self.spec, self.config, shape)
        text = f"Waiting: no instance of queue {self.config.queue} gets ready"
        if brake is None or brake.next_trial is None:
            return Note("brake", f"{text}.")
        trial = f"next trial at {brake.next_trial:%H:%M:%S} UTC"
        failures = f"{brake.failures} boots in a row failed, the last one of {brake.cause}"
        return Note("brake", f"{text}; {trial}. {failures}")

    def _no_capacity(self, shape: Shape) -> Note:
        tries = misses_of(self.ledger, shape, self.now)
        times = "once" if tries == 1 else f"{tries} times"
        tried = f"Tried {times}{self._then(shape)}."
        words = self.ledger.refusals.get(str(shape), "")
        if refused := _refused(words):
            text = f"Waiting: EC2 refuses to launch {_named(shape)}: {refused}. {tried}"
            return Note(f"refused {refused}", text)
        where = ", ".join(dict.fromkeys(_ZONE.findall(words)))
        text = f"Waiting: EC2 has no {_named(shape)}{' in ' if where else ''}{where} now. {tried}"
        return Note("capacity", text)

    def _then(self, shape: Shape) -> str:
        """When the next launch of a shape may come; empty when now."""
        retry_at = self.ledger.retry_at.get(str(shape), self.now)
        return f", next at {retry_at:%H:%M:%S} UTC" if retry_at > self.now else ""

    def _no_instance(self, shape: Shape, place: int) -> Note:
        queue, most = self.config.queue, self.config.max_instances
        if self.ledger.live >= most:
            text = f"Waiting: queue {queue} is at its limit of {most} instances"
            return Note(f"limit {most}", f"{text}. {_ordinal(place)} in line.")
        launched = sum(number for at, number in self.ledger.recent if self.now - at < _MINUTE)
        if launched >= (pace := self.config.max_launches_per_minute):
            text = f"Waiting: queue {queue} launches at most {pace} instances a minute"
            return Note(f"pace {pace}", f"{text}. {_ordinal(place)} in line.")
        return Note("none", f"Waiting for an instance ({_named(shape)}); none is coming yet.")


def pause(config: QueueConfig, *, active: bool) -> Note:
    """The cause of every waiting claim of a paused queue, or of one without its stack."""
    if not active:
        return Note("gone", f"Waiting: queue {config.queue} is not served any more.")
    where = "by its operators" if config.paused else "at Buildkite"
    return Note("paused", f"Waiting: queue {config.queue} is paused {where}.")


def over_limit(pipeline: str, config: QueueConfig) -> Note:
    """The cause of a job whose pipeline has as many jobs on instances as it may have."""
    most, queue = config.per_pipeline, config.queue
    jobs = "1 job" if most == 1 else f"{most} jobs"
    text = f"Waiting: queue {queue} runs at most {jobs} of pipeline {pipeline} at a time."
    return Note(f"pipeline {most}", text)


def _refused(words: str) -> str:
    """EC2's codes in a refusal that no capacity mends; empty for one that capacity mends.

    The codes alone: EC2's messages name accounts and roles, and readers of a build are many.
    """
    codes = dict.fromkeys(first or second for first, second in _CODE.findall(words))
    refused = [code for code in codes if not code.startswith(_SHORTAGES)]
    if refused == ["Unsupported"] and len(codes) > 1:
        return ""  # One zone has no such type, and the other zones have no more of them.
    return ", ".join(refused)


def _named(shape: Shape) -> str:
    """The shape for readers of a build: `m7i.large or m6i.large, spot`."""
    types = shape.instance_types
    rest = f" or {len(types) - _TYPES_SHOWN} more" if len(types) > _TYPES_SHOWN else ""
    return f"{' or '.join(types[:_TYPES_SHOWN])}{rest}, {shape.purchase}"


def _ordinal(number: int) -> str:
    teens = 10 < number % 100 < 14
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if not teens else "th"
    return f"{number}{ending}"

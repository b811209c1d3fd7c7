"""What is wrong with the launches of a shape at present, by the queue's ledger. Pure."""

from __future__ import annotations

import re
from datetime import datetime

from mayfly.config.boots import brake_for
from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import named
from mayfly.config.stalled import REFUSALS
from mayfly.records.ledger import Ledger, Losses
from mayfly.records.model import Shape
from mayfly.records.refusals import losses_of, misses_of
from mayfly.records.why import Code, Why, why

_CODE = re.compile(r"\((\w[\w.]*)\) when calling|(?:^|; )([A-Z]\w+(?:\.\w+)*): ")
"""EC2's code in the text of a boto error, or in an error of a fleet (`code: message`)."""
_ZONE = re.compile(r"\b[a-z]{2}(?:-[a-z]+)+-\d[a-z]\b")
_SHORTAGES = ("Insufficient", "SpotMaxPriceTooLow", "UnfulfillableCapacity")
"""Beginnings of the codes that say that EC2 lacks what was asked for; other codes need a person."""


def trouble(
    shape: Shape, ledger: Ledger, spec: str, config: QueueConfig, now: datetime
) -> Why | None:
    """Why launches of a shape do not succeed; None where nothing is known to be wrong.

    The trouble stays while a try is due or under way: then it has no next try. `spec` is that of
    the queue's record. Refusals and losses of long ago say nothing of today.
    """
    brake = brake_for(ledger, spec, config, shape)
    if brake is not None and brake.next_trial is not None:
        row = f"{brake.failures} boots in a row failed, the last one of {brake.cause}"
        text = f"no instance of queue {config.queue} gets ready: {row}"
        return why(Code.BRAKED, text, now, next_try=brake.next_trial, subject=str(shape))
    retry_at = ledger.retry_at.get(str(shape))
    if tries := misses_of(ledger, shape, now):
        return _refused(shape, tries, ledger.refusals.get(str(shape), ""), retry_at, now)
    if (lost := losses_of(ledger, shape, now)) is not None:
        return _taken_back(shape, lost, retry_at, now)
    if brake is not None:
        text, subject = f"launching an instance again: {brake.cause}", f"{shape} {brake.failures}"
        return why(Code.BOOT_FAILED, text, now, subject=subject)
    return None


def _refused(shape: Shape, tries: int, words: str, retry_at: datetime | None, now: datetime) -> Why:
    """EC2's refusal. On pages its codes alone: its messages name accounts and roles."""
    tried = "tried once" if tries == 1 else f"tried {tries} times"
    if codes := _lasting(words):
        text = f"EC2 refuses to launch {named(shape)}: {codes}, {tried}"
        subject = f"{shape} {codes}"
        return why(Code.LAUNCH_REFUSED, text, now, next_try=retry_at, subject=subject, detail=words)
    zones = ", ".join(dict.fromkeys(_ZONE.findall(words)))
    text = f"EC2 has no {named(shape)}{' in ' if zones else ''}{zones} now, {tried}"
    return why(Code.NO_CAPACITY, text, now, next_try=retry_at, subject=str(shape), detail=words)


def _taken_back(shape: Shape, lost: Losses, retry_at: datetime | None, now: datetime) -> Why:
    times = "one launch" if lost.rounds == 1 else f"{lost.rounds} launches in a row"
    text = f"EC2 took back the instances of {times} of {named(shape)}, the last one {lost.cause}"
    code = Code.ALWAYS_TAKEN_BACK if lost.rounds > REFUSALS else Code.TAKEN_BACK
    return why(code, text, now, next_try=retry_at, subject=str(shape))


def _lasting(words: str) -> str:
    """EC2's codes in a refusal that no capacity mends; empty for one that capacity mends."""
    codes = dict.fromkeys(first or second for first, second in _CODE.findall(words))
    refused = [code for code in codes if not code.startswith(_SHORTAGES)]
    if refused == ["Unsupported"] and len(codes) > 1:
        return ""  # One zone has no such type, and the other zones have no more of them.
    return ", ".join(refused)

"""Dependencies between the steps of one file, to find cycles before any job runs."""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Mapping, Sequence

from .steps import BlockStep, Group, Step, WaitStep


def is_gate(step: Step) -> bool:
    """True for a wait or block step: it holds following steps that do not name it."""
    if step.broken is not None:
        return False
    return isinstance(step, WaitStep) or (isinstance(step, BlockStep) and step.holds)


def uploads_of(steps: Sequence[Step], uploaders: Iterable[Step]) -> list[Step]:
    """Steps that jobs of `uploaders` have uploaded, directly or through other uploads, in order."""
    found: list[Step] = []
    ids = {step.id for step in uploaders}
    for step in steps:
        # An upload follows its uploader, so one pass also finds uploads of uploads.
        if step.uploaded_by in ids:
            found.append(step)
            ids.add(step.id)
    return found


def find_cycle(steps: Sequence[Step]) -> list[str] | None:
    """Keys (or positions) of steps that wait for each other in a cycle; None without one."""
    by_key: dict[str, list[Step]] = {}
    for step in steps:
        for key in {step.key, step.group.key if step.group else None} - {None}:
            by_key.setdefault(str(key), []).append(step)
    edges = {step.id: _held_by(steps, position, by_key) for position, step in enumerate(steps)}
    try:
        graphlib.TopologicalSorter(edges).prepare()
    except graphlib.CycleError as error:
        return _names(steps, error.args[1])
    return None


def _held_by(
    steps: Sequence[Step], position: int, by_key: Mapping[str, Sequence[Step]]
) -> set[str]:
    step, before = steps[position], steps[:position]
    group = step.group
    found: set[str] = set()
    if step.broken is not None:
        return found
    for dependency in (*(step.depends_on or ()), *((group and group.depends_on) or ())):
        named = by_key.get(dependency.key, [])
        uploads = uploads_of(steps, named)
        # A dependent of a step depends on the step's uploads too, except the uploads
        # themselves, which do not depend on each other.
        found |= {s.id for s in (*named, *([] if step in uploads else uploads))}
    if step.depends_on is not None:
        return found
    if is_gate(step):
        scope = [s for s in before if s.group == group or group is None]
        scope += uploads_of(before, scope)
        # An input holds only steps that name it.
        found |= {s.id for s in scope if not isinstance(s, BlockStep) or s.holds}
    else:
        found |= _gates(before, group)
    if group is not None and group.depends_on is None:
        first = next(place for place, s in enumerate(steps) if s.group == group)
        found |= _gates(steps[:first], None)
    return found


def _gates(steps: Sequence[Step], group: Group | None) -> set[str]:
    """Ids of the waits and blocks in this group; for None, outside of groups.

    A gate of a group holds only steps of the same group.
    """
    return {step.id for step in steps if step.group == group and is_gate(step)}


def _names(steps: Sequence[Step], ids: Sequence[str]) -> list[str]:
    names = {s.id: s.key or f"step {position}" for position, s in enumerate(steps, start=1)}
    return [names[step_id] for step_id in ids]

"""Which steps of one file hold which: used to find circles before anything runs."""

from __future__ import annotations

import graphlib
from collections.abc import Sequence

from .steps import BlockStep, Group, Step, WaitStep


def is_gate(step: Step) -> bool:
    """Whether the step holds what follows it without being named: a wait, or a block."""
    if step.broken is not None:
        return False
    return isinstance(step, WaitStep) or (isinstance(step, BlockStep) and step.holds)


def find_cycle(steps: Sequence[Step]) -> list[str] | None:
    """Keys (or positions) of steps that wait for each other in a circle; None without one."""
    by_key: dict[str, list[str]] = {}
    for step in steps:
        for key in {step.key, step.group.key if step.group else None} - {None}:
            by_key.setdefault(str(key), []).append(step.id)
    edges = {step.id: _held_by(steps, position, by_key) for position, step in enumerate(steps)}
    try:
        graphlib.TopologicalSorter(edges).prepare()
    except graphlib.CycleError as error:
        return _names(steps, error.args[1])
    return None


def _held_by(steps: Sequence[Step], position: int, by_key: dict[str, list[str]]) -> list[str]:
    step, before = steps[position], steps[:position]
    group = step.group
    named = [*(step.depends_on or ()), *((group and group.depends_on) or ())]
    found = [holder for name in named for holder in by_key.get(name.key, [])]
    if step.depends_on is not None:
        return found
    if is_gate(step):
        # An input makes nobody wait who does not name it.
        scope = [s for s in before if s.group == group or group is None]
        found += [s.id for s in scope if not isinstance(s, BlockStep) or s.holds]
    else:
        found += _gates(before, group)
    if group is not None and group.depends_on is None:
        first = next(place for place, s in enumerate(steps) if s.group == group)
        found += _gates(steps[:first], None)
    return found


def _gates(steps: Sequence[Step], group: Group | None) -> list[str]:
    """What holds all who come later in the group, or outside of groups; a group holds its own."""
    return [step.id for step in steps if step.group == group and is_gate(step)]


def _names(steps: Sequence[Step], ids: Sequence[str]) -> list[str]:
    names = {s.id: s.key or f"step {position}" for position, s in enumerate(steps, start=1)}
    return [names[step_id] for step_id in ids]

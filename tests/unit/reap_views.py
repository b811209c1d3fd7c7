"""The actions of reap over a view, for tests of reap."""

from __future__ import annotations

from mayfly.reap.actions import ReapAction
from mayfly.reap.decide import ReapView, decide, terminations
from tests.unit.builders import NOW


def decided(view: ReapView) -> list[ReapAction]:
    """Every action of one tick over this view; each action succeeds."""
    decision = decide(view, NOW)
    steps = [action for steps in decision.steps for action in steps.actions]
    return [*steps, *terminations(decision.steps), *decision.rest]

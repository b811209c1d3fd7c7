"""The actions of reap over a view, for tests of reap."""

from __future__ import annotations

from typing import TypeAlias

from mayfly.reap.actions import KeepLastWords, ReapAction
from mayfly.reap.decide import decide, terminations
from mayfly.reap.view import ReapView
from tests.unit.builders import NOW

AnyAction: TypeAlias = ReapAction | KeepLastWords


def decided(view: ReapView) -> list[AnyAction]:
    """Every action of one tick over this view, in its order; each action succeeds."""
    decision = decide(view, NOW)
    closing = [steps for steps in decision.steps if steps.closes]
    others = [steps for steps in decision.steps if not steps.closes]
    return [
        *(action for steps in others for action in steps.actions),
        *terminations(others),
        *(action for steps in closing for action in steps.actions),
        *decision.rest,
        *(action for steps in decision.owed for action in steps.actions),
        *(s.words for s in (*others, *closing, *decision.owed) if s.words is not None),
    ]

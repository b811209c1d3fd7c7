"""What tells the jobs of a parallel step apart."""

from __future__ import annotations

import re
from dataclasses import replace

from .steps import CommandStep


def numbered(step: CommandStep, index: int, count: int) -> CommandStep:
    """The step of one of `count` parallel jobs; its label has that job's number, from 0.

    In a label `%n` is the number from 0, `%N` the one from 1 and `%t` how many there are
    (buildkite/docs pages/pipelines/best_practices/parallel_builds.md, "Parallel jobs").
    """
    written = {"%n": str(index), "%N": str(index + 1), "%t": str(count)}
    return replace(step, label=re.sub("%[nNt]", lambda match: written[match[0]], step.label))

"""Labels of the jobs of a parallel step."""

from __future__ import annotations

import re
from dataclasses import replace

from .steps import CommandStep


def numbered(step: CommandStep, index: int, count: int) -> CommandStep:
    """The step for one of `count` parallel jobs, with the job's number in the label.

    In a label `%n` is the number from 0, `%N` the number from 1, and `%t` the number of jobs
    (buildkite/docs pages/pipelines/best_practices/parallel_builds.md, "Parallel jobs").
    """
    written = {"%n": str(index), "%N": str(index + 1), "%t": str(count)}
    return replace(step, label=re.sub("%[nNt]", lambda match: written[match[0]], step.label))

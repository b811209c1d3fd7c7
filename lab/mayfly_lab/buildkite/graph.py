"""What waits for what in a build. Pure: steps and jobs in, verdicts out.

Source: buildkite/docs pages/pipelines/configure/depends_on.md and step_types/wait_step.md.
"""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, auto

from .jobs import outcome
from .records import CommandStep, Dependency, Job, Step, WaitStep
from .states import ENDED, JobState


class Result(Enum):
    """How a whole step stands."""

    OPEN = auto()
    PASSED = auto()
    """Also skipped and soft-failed."""
    FAILED = auto()
    STOPPED = auto()
    """Cancelled or expired: no `continue_on_failure` gets past it."""
    NOT_RUN = auto()
    """It waited for something that failed."""


class Verdict(Enum):
    """Whether a waiting job may go."""

    WAIT = auto()
    GO = auto()
    GIVE_UP = auto()


class Graph:
    """The steps of one build with their latest jobs."""

    def __init__(self, steps: Sequence[Step], jobs: Iterable[Job]) -> None:
        self._steps = steps
        self._by_key = {step.key: step for step in steps if step.key is not None}
        self._latest: dict[str, list[Job]] = {}
        for job in jobs:
            if job.retried_in is None:
                self._latest.setdefault(job.step.id, []).append(job)

    def verdict(self, step: CommandStep) -> Verdict:
        """What the step's jobs that wait should do now."""
        if step.depends_on is not None:
            return self._explicit(step.depends_on, lenient=step.allow_dependency_failure)
        wait = next((s for s in reversed(self._before(step)) if isinstance(s, WaitStep)), None)
        if wait is None:
            return Verdict.GO
        return _verdict_after(self.result(wait))

    def result(self, step: Step) -> Result:
        """How the step stands."""
        if isinstance(step, WaitStep):
            return self._wait_result(step)
        if step.skip:
            return Result.PASSED
        return _worst(_job_result(job) for job in self._latest.get(step.id, []))

    def _wait_result(self, step: WaitStep) -> Result:
        if step.depends_on is not None:
            verdict = self._explicit(step.depends_on, lenient=step.continue_on_failure)
            return {Verdict.GO: Result.PASSED, Verdict.GIVE_UP: Result.NOT_RUN}.get(
                verdict, Result.OPEN
            )
        results = [(s, self.result(s)) for s in self._before(step)]
        if any(result is Result.OPEN for _, result in results):
            return Result.OPEN
        if step.continue_on_failure:
            # It forgives failed commands, but neither a cancel nor an earlier wait that gave up.
            hard = [r for s, r in results if r is Result.STOPPED or _gave_up(s, r)]
        else:
            hard = [r for _, r in results if r is not Result.PASSED]
        return Result.NOT_RUN if hard else Result.PASSED

    def _explicit(self, dependencies: Iterable[Dependency], *, lenient: bool) -> Verdict:
        verdicts = {self._dependency(dependency, lenient) for dependency in dependencies}
        for verdict in (Verdict.GIVE_UP, Verdict.WAIT):
            if verdict in verdicts:
                return verdict
        return Verdict.GO

    def _dependency(self, dependency: Dependency, lenient: bool) -> Verdict:
        step = self._by_key.get(dependency.key)
        if step is None:
            return Verdict.GIVE_UP
        result = self.result(step)
        if result in {Result.FAILED, Result.NOT_RUN} and (lenient or dependency.allow_failure):
            return Verdict.GO
        return _verdict_after(result)

    def _before(self, step: Step) -> Sequence[Step]:
        return self._steps[: self._steps.index(step)]


def find_cycle(steps: Sequence[Step]) -> list[str] | None:
    """Keys (or positions) of steps that wait for each other in a circle; None without one."""
    by_key = {step.key: step.id for step in steps if step.key is not None}
    edges: dict[str, list[str]] = {}
    for position, step in enumerate(steps):
        if step.depends_on is not None:
            found = (by_key.get(dependency.key) for dependency in step.depends_on)
            edges[step.id] = [step_id for step_id in found if step_id]
        elif isinstance(step, WaitStep):
            edges[step.id] = [earlier.id for earlier in steps[:position]]
        else:
            edges[step.id] = [s.id for s in steps[:position] if isinstance(s, WaitStep)]
    try:
        graphlib.TopologicalSorter(edges).prepare()
    except graphlib.CycleError as error:
        return _names(steps, error.args[1])
    return None


def _names(steps: Sequence[Step], ids: Sequence[str]) -> list[str]:
    names = {s.id: s.key or f"step {position}" for position, s in enumerate(steps, start=1)}
    return [names[step_id] for step_id in ids]


def _gave_up(step: Step, result: Result) -> bool:
    return isinstance(step, WaitStep) and result is Result.NOT_RUN


def _verdict_after(result: Result) -> Verdict:
    if result is Result.OPEN:
        return Verdict.WAIT
    return Verdict.GO if result is Result.PASSED else Verdict.GIVE_UP


_RESULTS: Mapping[str, Result] = {
    "passed": Result.PASSED,
    "soft_failed": Result.PASSED,
    "skipped": Result.PASSED,
    "failed": Result.FAILED,
    "timed_out": Result.FAILED,
    "canceled": Result.STOPPED,
    "expired": Result.STOPPED,
    "waiting_failed": Result.NOT_RUN,
}


def _job_result(job: Job) -> Result:
    ended = outcome(job)
    return Result.OPEN if ended is None else _RESULTS[ended]


def _worst(results: Iterable[Result]) -> Result:
    seen = set(results)
    order = (Result.OPEN, Result.STOPPED, Result.FAILED, Result.NOT_RUN)
    return next((result for result in order if result in seen), Result.PASSED)


def is_hard_failure(job: Job) -> bool:
    """Whether this end of a job fails its build."""
    if job.state not in ENDED or job.retried_in is not None:
        return False
    if job.state is JobState.CANCELED:
        return not job.step.soft_fail.given
    return outcome(job) not in {"passed", "soft_failed", "skipped"}

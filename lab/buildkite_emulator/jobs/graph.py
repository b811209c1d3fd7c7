"""Dependencies within a build. Pure: steps and jobs in, verdicts out.

Source: buildkite/docs pages/pipelines/configure/depends_on.md and step_types/{wait,block,input,
group}_step.md. The steps of a group wait for each other, apart from the steps of other groups.

In a pipeline of waits, steps that a job uploads run beside the job. As soon as any step of the
build names its dependencies, uploaded steps without dependencies of their own wait for the step
that uploaded them (buildkite/skills pull request 22, buildkite/dynamic-pipeline-example pull
request 6).
"""

from __future__ import annotations

import graphlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import Enum, auto

from buildkite_emulator.memory.records import Job
from buildkite_emulator.pipelines.order import is_gate, uploads_of
from buildkite_emulator.pipelines.steps import (
    BlockStep,
    CommandStep,
    Dependency,
    Group,
    Step,
    WaitStep,
)

from .jobs import outcome
from .states import ENDED, JobState


class Result(Enum):
    """The result of a whole step."""

    OPEN = auto()
    PASSED = auto()
    """Includes skipped, broken and soft-failed steps."""
    FAILED = auto()
    STOPPED = auto()
    """Cancelled or expired; `continue_on_failure` does not forgive it."""
    NOT_RUN = auto()
    """A dependency of the step failed."""


class Verdict(Enum):
    """The decision on a step's waiting jobs."""

    WAIT = auto()
    BLOCKED = auto()
    """Like WAIT, with a block step as the only cause."""
    GO = auto()
    GIVE_UP = auto()


_SHORT_CHAIN = 30
"""Steps without jobs that may wait for each other without more than a third of Python's stack."""
_ORDER = (Verdict.GIVE_UP, Verdict.WAIT, Verdict.BLOCKED)


class Graph:
    """The steps of one build with their latest jobs, and the unblocked block steps."""

    def __init__(
        self, steps: Sequence[Step], jobs: Iterable[Job], unblocked: Collection[str] = ()
    ) -> None:
        self._steps = steps
        self._places = {step.id: place for place, step in enumerate(steps)}
        self._unblocked = unblocked
        self._names_dependencies = any(step.depends_on is not None for step in steps)
        self._results: dict[str, Result] = {}
        self._verdicts: dict[str, Verdict] = {}
        self._by_key: dict[str, list[Step]] = {}
        for step in steps:
            for key in {step.key, step.group.key if step.group else None} - {None}:
                self._by_key.setdefault(str(key), []).append(step)
        self._latest: dict[str, list[Job]] = {}
        for job in jobs:
            if job.retried_in is None:
                self._latest.setdefault(job.step.id, []).append(job)
        self._settle_chains()

    def _settle_chains(self) -> None:
        """Decide long chains of steps without jobs from their first link: Python's stack is short.

        Steps with jobs need it not, because their result is that of their jobs.
        """
        linked = [s for s in self._steps if s.depends_on and not isinstance(s, CommandStep)]
        if len(linked) <= _SHORT_CHAIN:
            return
        inner = {step.id: step for step in linked}
        edges = {
            step.id: [
                named.id
                for dependency in step.depends_on or ()
                for named in self._by_key.get(dependency.key, [])
                if named.id in inner
            ]
            for step in linked
        }
        for step_id in graphlib.TopologicalSorter(edges).static_order():
            self.verdict(inner[step_id])

    def verdict(self, step: Step) -> Verdict:
        """The decision on the step's waiting jobs."""
        if step.id not in self._verdicts:
            verdicts = {self._verdict_of_step(step), self._verdict_of_group(step)}
            worst = next((verdict for verdict in _ORDER if verdict in verdicts), Verdict.GO)
            self._verdicts[step.id] = worst
        return self._verdicts[step.id]

    def result(self, step: Step) -> Result:
        """The step's result so far."""
        if step.id not in self._results:
            self._results[step.id] = self._result(step)
        return self._results[step.id]

    def _result(self, step: Step) -> Result:
        if step.broken is not None:
            return Result.PASSED
        if isinstance(step, CommandStep):
            return _worst(_job_result(job) for job in self._latest.get(step.id, []))
        held = {Verdict.GIVE_UP: Result.NOT_RUN, Verdict.GO: Result.PASSED}
        result = held.get(self.verdict(step), Result.OPEN)
        if isinstance(step, BlockStep) and result is Result.PASSED:
            return Result.PASSED if step.id in self._unblocked else Result.OPEN
        return result

    def _verdict_of_step(self, step: Step) -> Verdict:
        if step.depends_on is not None:
            lenient = step.allow_dependency_failure
            if isinstance(step, WaitStep):
                lenient = lenient or step.continue_on_failure
            return self._verdict_of_dependencies(step, step.depends_on, lenient=lenient)
        verdicts = {self._verdict_after_uploader(step)}
        place = self._places[step.id]
        if is_gate(step):
            verdicts.add(self._verdict_of_gate(step, place))
        else:
            verdicts.add(self._verdict_after_gate(place, step.group))
        return next((verdict for verdict in _ORDER if verdict in verdicts), Verdict.GO)

    def _verdict_of_group(self, step: Step) -> Verdict:
        group = step.group
        if group is None:
            return Verdict.GO
        if group.depends_on is not None:
            return self._verdict_of_dependencies(
                step, group.depends_on, lenient=group.allow_dependency_failure
            )
        if step.depends_on is not None:
            return Verdict.GO
        first = next(place for place, s in enumerate(self._steps) if s.group == group)
        return self._verdict_after_gate(first, None)

    def _verdict_after_gate(self, place: int, group: Group | None) -> Verdict:
        earlier = (s for s in reversed(self._steps[:place]) if s.group == group and is_gate(s))
        gate = next(earlier, None)
        return Verdict.GO if gate is None else self._verdict_after(gate)

    def _verdict_of_gate(self, gate: Step, place: int) -> Verdict:
        before = [s for s in self._steps[:place] if gate.group is None or s.group == gate.group]
        uploads = (s for s in uploads_of(self._steps, before) if self._places[s.id] < place)
        before += [s for s in uploads if s not in before]
        # An input holds only steps that name it.
        before = [s for s in before if not isinstance(s, BlockStep) or s.holds]
        results = [(s, self.result(s)) for s in before if s.id != gate.id]
        still_open = [s for s, result in results if result is Result.OPEN]
        if still_open:
            blocked = all(self._is_blocked(s) for s in still_open)
            return Verdict.BLOCKED if blocked else Verdict.WAIT
        if isinstance(gate, WaitStep) and gate.continue_on_failure:
            # The gate forgives failed commands, but neither a cancel nor an earlier wait that
            # gave up.
            hard = [r for s, r in results if r is Result.STOPPED or _gave_up(s, r)]
        else:
            hard = [r for _, r in results if r is not Result.PASSED]
        return Verdict.GIVE_UP if hard else Verdict.GO

    def _verdict_after_uploader(self, step: Step) -> Verdict:
        place = self._places.get(step.uploaded_by or "")
        if place is None or not self._names_dependencies or step.group is not None:
            return Verdict.GO
        return self._verdict_after(self._steps[place])

    def _verdict_of_dependencies(
        self, waiting: Step, dependencies: Iterable[Dependency], *, lenient: bool
    ) -> Verdict:
        verdicts = {self._verdict_of_dependency(waiting, one, lenient) for one in dependencies}
        return next((verdict for verdict in _ORDER if verdict in verdicts), Verdict.GO)

    def _verdict_of_dependency(
        self, waiting: Step, dependency: Dependency, lenient: bool
    ) -> Verdict:
        named = self._by_key.get(dependency.key)
        if named is None:
            return Verdict.GIVE_UP
        uploads = uploads_of(self._steps, named)
        if waiting not in uploads:
            # A dependent of a step depends on the step's uploads too, except the uploads
            # themselves, which do not depend on each other.
            named = [*named, *uploads]
        results = {self.result(step): step for step in named}
        result = _worst(results)
        if result in {Result.FAILED, Result.NOT_RUN} and (lenient or dependency.allow_failure):
            return Verdict.GO
        return self._verdict_after(results.get(result, named[0]))

    def _verdict_after(self, step: Step) -> Verdict:
        result = self.result(step)
        if result is Result.OPEN:
            return Verdict.BLOCKED if self._is_blocked(step) else Verdict.WAIT
        return Verdict.GO if result is Result.PASSED else Verdict.GIVE_UP

    def _is_blocked(self, step: Step) -> bool:
        if isinstance(step, BlockStep) and step.id not in self._unblocked:
            return True
        if not isinstance(step, CommandStep):
            return self.verdict(step) is Verdict.BLOCKED
        jobs = [job for job in self._latest.get(step.id, []) if job.state not in ENDED]
        return bool(jobs) and all(job.state is JobState.BLOCKED for job in jobs)


def _gave_up(step: Step, result: Result) -> bool:
    return not isinstance(step, CommandStep) and result is Result.NOT_RUN


_RESULTS: Mapping[str, Result] = {
    "passed": Result.PASSED,
    "soft_failed": Result.PASSED,
    "skipped": Result.PASSED,
    "broken": Result.PASSED,
    "failed": Result.FAILED,
    "timed_out": Result.FAILED,
    "canceled": Result.STOPPED,
    "expired": Result.STOPPED,
    "waiting_failed": Result.NOT_RUN,
    "blocked_failed": Result.NOT_RUN,
}


def _job_result(job: Job) -> Result:
    ended = outcome(job)
    return Result.OPEN if ended is None else _RESULTS[ended]


def _worst(results: Iterable[Result]) -> Result:
    seen = set(results)
    order = (Result.OPEN, Result.STOPPED, Result.FAILED, Result.NOT_RUN)
    return next((result for result in order if result in seen), Result.PASSED)


def is_hard_failure(job: Job) -> bool:
    """True if the job has ended in a way that fails its build. A retried job never does."""
    if job.state not in ENDED or job.retried_in is not None:
        return False
    if job.state is JobState.CANCELED:
        return not job.step.soft_fail.given
    return outcome(job) not in {"passed", "soft_failed", "skipped", "broken"}

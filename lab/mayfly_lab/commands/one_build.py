"""Runs one build of a user's pipeline in a lab of its own, reports it and checks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from buildkite_emulator import BuildView, JobState
from mayfly.config.schedule_text import parse_schedule
from mayfly_lab.commands.chosen import RunChoices
from mayfly_lab.commands.following import BLOCKED, Follower, confirm_at_terminal
from mayfly_lab.commands.source import Source
from mayfly_lab.commands.stopping import Stop
from mayfly_lab.commands.unreserved import unreserved_line
from mayfly_lab.faults import Fault
from mayfly_lab.lab import Lab, LabChoices
from mayfly_lab.report import show
from mayfly_lab.report.checks import check_all, check_lab
from mayfly_lab.report.collect import collect
from mayfly_lab.report.files import Files
from mayfly_lab.report.live import LiveReport
from mayfly_lab.report.logs import Logs
from mayfly_lab.report.result import Ran, fault_lines, result_of
from mayfly_lab.report.screen import folded
from mayfly_lab.report.timeline import job_lines

_MOST_INSTANCES = "50"
"""Default of limits/max-instances."""


@dataclass(frozen=True, slots=True)
class OneBuild:
    """The work of `mayfly-lab run`."""

    chosen: RunChoices
    source: Source
    choices: LabChoices
    no_namespaces: str
    """Why machines have no namespaces; empty when they have them."""
    stop: Stop

    def run(self) -> int:
        """Run the build in a new lab, and print the report. Returns the command's exit status.

        The lab is empty again and removed at the end.

        Raises:
            UsageError: git cannot copy the repository.
            BrokenError: the report's file cannot be written.
            Stopped: a signal ended the command.
        """
        with Lab(self.choices) as lab:
            live = LiveReport(lab.buildkite.log, Logs(self.chosen.logs))
            for line in self._preamble(lab):
                live.say(line)
            self.source.add_to(lab)
            files = {self.source.slug: self.source.file}
            follower = Follower(lab, live, self.stop, dict(self.chosen.answers), files)
            with live.board():
                self._wait_for_pool(follower)
                view = self._build(follower)
                gone = follower.wind_down()
            evidence = collect(lab, live.began, self._limits())
            texts = [request.text for request in self.choices.faults]
            facts = tuple(self._facts(lab))
            faults = fault_lines(texts, lab.chosen_faults)
            cold = lab.stated_cold_seconds
            failures = lab.aws.failures
            for line in _never_struck(lab.chosen_faults):
                live.say(line)
        self.stop.check()  # a signal may have come while the lab was removed
        if not gone:
            live.say("warning: not every machine and job ended in time")
        ran = Ran(
            command=f"mayfly-lab run {self.source.file.name}",
            facts=facts,
            faults=faults,
            ending=f"the build {ending(view, follower.refused)}",
            passed=_is_over(view) and view.state == "passed",
        )
        checks = [*check_all(evidence), *check_lab(failures)]
        result = result_of(ran, evidence, job_lines(evidence), checks)
        for section in show.sections(result, cold):
            live.table(["", *section])
        Files(self.chosen.json, self.chosen.html).write(result)
        live.table(["", *folded(f"{result.verdict}; {result.seconds:.0f} s", 4, "")])
        return 0 if result.passed else 1

    def _preamble(self, lab: Lab) -> Iterator[str]:
        """Lines to print before the build begins: agent, machines, repository, queues, faults."""
        yield f"agent: {lab.agent_name}; machines: {lab.machines}"
        yield from lab.notice
        if self.no_namespaces:
            yield f"warning: machines run in plain directories: {self.no_namespaces}"
        source = self.source
        if source.repository is None:
            yield "repository: empty"
        else:
            yield f"repository: {source.repository} at {source.commit[:12]} ({source.branch})"
        if source.uncommitted:
            yield "warning: the repository has uncommitted work, which jobs do not see"
        delays = f"; latency: {self.choices.latency}" if any(_delays(self.choices)) else ""
        yield f"queues: {', '.join(self.choices.queues)}{delays}"
        for request in self.choices.faults:
            yield f"fault: {request.text}"
        yield "the stacks are deployed; the functions run with the templates' triggers"

    def _wait_for_pool(self, follower: Follower) -> None:
        parameters = self.choices.parameters.values()
        pools = [parse_schedule(each.get("pool/hot", "0")) for each in parameters]
        wanted = sum(pool.value(datetime.now(UTC)) for pool in pools)
        if wanted and not follower.hot(wanted):
            follower.live.say(f"fewer than {wanted} machines are hot; the build begins anyway")
        elif wanted:
            follower.live.say(f"{wanted} machines are hot and proven; the build begins")

    def _build(self, follower: Follower) -> BuildView:
        lab, live = follower.lab, follower.live
        lab.buildkite.subscribe(live.on_job)
        env = dict(self.chosen.env)
        made = lab.buildkite.create_build(self.source.slug, self.source.request(env))
        follower.look()
        unblock = (lambda _: True) if self.chosen.unblock else self._asks(live)
        view = follower.build(made.id, self.chosen.timeout, unblock)
        live.say(f"the build {ending(view, follower.refused)}")
        for line in unused_answers(dict(self.chosen.answers), lab.buildkite.meta_data(made.id)):
            live.say(line)
        for job in view.jobs:
            if job.state is JobState.SCHEDULED:
                live.say(unreserved_line(job))
        if view.state == BLOCKED or not _is_over(view):
            lab.buildkite.cancel_build(made.id)
        return view

    def _asks(self, live: LiveReport) -> Callable[[str], bool]:
        confirm = confirm_at_terminal(self.stop)

        def ask(label: str) -> bool:
            with live.paused():
                return confirm(label)

        return ask

    def _limits(self) -> dict[str, int]:
        given = self.choices.parameters
        values = {q: given.get(q, {}).get("limits/max-instances") for q in self.choices.queues}
        return {queue: int(value or _MOST_INSTANCES) for queue, value in values.items()}

    def _facts(self, lab: Lab) -> Iterator[tuple[str, str]]:
        """What the run uses, for the report's head."""
        yield "Agent", lab.agent_name
        yield "Machines", lab.machines
        if self.source.repository is not None:
            yield "Repository", f"{self.source.repository} at {self.source.commit[:12]}"
        yield "Queues", ", ".join(self.choices.queues)
        if any(_delays(self.choices)):
            yield "Latency", str(self.choices.latency)


def _is_over(view: BuildView) -> bool:
    return all(job.outcome is not None for job in view.jobs)


def ending(view: BuildView, refused: bool) -> str:
    """The predicate of "the build …": passed, failed, canceled, blocked, unfinished, ran no job.

    `refused` tells whether Buildkite refused to unblock a step.
    """
    if view.state == BLOCKED and refused:
        return "is BLOCKED: a block step needs answers (--answer KEY=VALUE)"
    if view.state == BLOCKED:
        return "is BLOCKED (--unblock lets it through)"
    if not _is_over(view):
        return "did not end in time (--timeout)"
    ends = {"passed": "passed", "canceled": "was canceled", "not_run": "ran no job"}
    return ends.get(view.state, "failed")


def unused_answers(given: Mapping[str, str], meta_data: Mapping[str, str]) -> Iterator[str]:
    """A warning for each answer that no unblocked step took into the build's meta-data."""
    for key in given:
        if key not in meta_data:
            yield f"warning: --answer {key} was not used: no unblocked step has the field {key}"


def _never_struck(faults: Sequence[Fault]) -> Iterator[str]:
    """A warning for each fault that struck nothing: a run without the fault proves nothing."""
    for fault in faults:
        if not fault.struck:
            yield f"warning: fault {fault.name}={fault.target} never struck: no target matched"


def _delays(choices: LabChoices) -> tuple[float, float]:
    return choices.latency.buildkite, choices.latency.aws

"""Runs the demo: a build of each bundled pipeline, printed as it happens, then the report."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from buildkite_emulator import BuildRequest
from mayfly.records.model import Instance
from mayfly.records.states import Supply
from mayfly_lab.aws.config import Delays
from mayfly_lab.demo import expected, given
from mayfly_lab.demo.incidents import Incidents
from mayfly_lab.demo.stopped import NIGHTLY, StoppedStart, check_start
from mayfly_lab.given import machines_have_ssh
from mayfly_lab.lab import ROOT, Lab, LabChoices
from mayfly_lab.report import show
from mayfly_lab.report.checks import check_all, check_lab
from mayfly_lab.report.collect import collect
from mayfly_lab.report.files import Files
from mayfly_lab.report.live import LiveReport
from mayfly_lab.report.result import Ran, result_of
from mayfly_lab.report.timeline import job_lines

POOL_QUEUE = "default"
PIPELINES = {"example": "pipeline.yml", "release": "release.yml", NIGHTLY: "nightly.yml"}
"""The file of each pipeline in the folder of examples."""
PATIENCE = 90.0
"""Seconds for each wait; on two cores each needs far less."""
DELAYS = Delays(imds_linger=1.0)
_LOOK = 0.5
"""Seconds between two reads of the records: each read is a scan on the cores that run the lab."""


Instances: TypeAlias = tuple[Instance, ...]
Wait: TypeAlias = Callable[[float], None]
"""Waits for these seconds."""


class DemoError(Exception):
    """The demo cannot go on: an awaited condition did not come true in time."""


def run_demo(agent: Path | None, files: Files, wait: Wait) -> int:
    """Run the demo. Returns 0 when every check held, else 1.

    An exception of `wait` ends the demo early, and is raised again once the lab is removed.

    Raises:
        DemoError: a condition did not come true within `PATIENCE`.
        BrokenError: a file cannot be written.
    """
    printer = LiveReport()
    choices = LabChoices(
        queues=expected.QUEUES, agent=agent, delays=DELAYS, parameters=expected.PARAMETERS
    )
    has_ssh = machines_have_ssh()
    with Lab(given.with_given(choices, has_ssh=has_ssh)) as lab:
        printer.say(f"agent: {lab.agent_name}")
        for line in lab.notice:
            printer.say(line)
        printer.say(f"machines: {lab.machines}")
        printer.say("the stacks are deployed; the four functions run with the templates' triggers")
        lab.buildkite.add_repository("example", ROOT / "examples", branches=["release/1"])
        repository = lab.buildkite.repository_url("example")
        canaries = given.new_canaries(repository, has_ssh=has_ssh)
        given.lay_down(lab, canaries)
        for line in given.told(canaries):
            printer.say(line)
        with printer.board():
            watch = Watch(lab, printer, wait, StoppedStart(lab, printer.say))
            _run_builds(lab, watch, repository)
        evidence = collect(lab, printer.began, expected.LIMITS, canaries.secrets)
        cold = lab.stated_cold_seconds
        facts = [
            ("Agent", lab.agent_name),
            ("Machines", lab.machines),
            ("Queues", ", ".join(expected.QUEUES)),
        ]
        failures = lab.aws.failures
    jobs = job_lines(evidence)
    steps = [job.step_key or "" for job in evidence.jobs]
    checks = [
        expected.check_ends(list(zip(steps, jobs, strict=True))),
        check_start(evidence),
        given.check_given(evidence, canaries),
        *check_all(evidence),
        *check_lab(failures),
    ]
    result = result_of(Ran(command="mayfly-lab demo", facts=facts), evidence, jobs, checks)
    for section in (given.given_table(canaries), *show.sections(result, cold)):
        printer.table(["", *section])
    files.write(result)
    printer.table(["", f"{result.verdict}; {result.seconds:.0f} s"])
    return 0 if result.passed else 1


@dataclass(frozen=True, slots=True)
class Watch:
    """Waits for conditions of the lab, prints changes of machines, and lets a stopped one start."""

    lab: Lab
    printer: LiveReport
    wait: Wait
    stopped: StoppedStart

    def until(self, what: str, done: Callable[[Instances], bool]) -> None:
        """Wait until `done` accepts the instance records. Raises DemoError after `PATIENCE`."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found = tuple(self.lab.records.instances().values())
            self.printer.on_instances(found)
            self.stopped.look(found)
            if done(found):
                return
            self.wait(_LOOK)
        raise DemoError(f"after {PATIENCE:.0f} s still waiting until {what}")


def _run_builds(lab: Lab, watch: Watch, repository: str) -> None:
    """Run the builds of a repository, from no machine to no machine. Raises DemoError."""
    for slug, file in PIPELINES.items():
        text = (ROOT / "examples" / file).read_text(encoding="utf-8")
        lab.buildkite.add_pipeline(slug, text, repository)
    printer = watch.printer
    lab.buildkite.subscribe(printer.on_job)
    watch.until("dispatch knows every queue", lambda _: _known(lab))
    printer.say("no machine of queue deploy runs; a user pushes a release")
    release = lab.buildkite.create_build("release", BuildRequest(branch="release/1"))
    watch.until("the release has its machines", lambda _: _running(lab, release.id))
    printer.say(f"an operator sets pool/hot to {expected.POOL}")
    lab.put_parameter(POOL_QUEUE, "pool/hot", str(expected.POOL))
    watch.until("the pool is hot", lambda found: _ready(found) >= expected.POOL)
    printer.say(f"{expected.POOL} machines are hot and proven; a user pushes a commit")
    # Without a target, no machine of the pool is replaced during the build.
    lab.put_parameter(POOL_QUEUE, "pool/hot", "0")
    incidents = Incidents(lab, printer.say)
    incidents.start()
    example = lab.buildkite.create_build("example", BuildRequest(branch="main"))
    watch.until("the nightly build is pushed", lambda _: bool(watch.stopped.builds))
    builds = (release.id, example.id, *watch.stopped.builds)
    watch.until("every job ends", lambda _: all(_over(lab, build) for build in builds))
    incidents.stop()
    printer.say("every job has ended")
    watch.until("every machine is gone", lambda found: not any(i.open for i in found))


def _ready(found: Instances) -> int:
    mine = (i for i in found if i.queue == POOL_QUEUE)
    return sum(i.state.traits.supply is Supply.READY for i in mine)


def _known(lab: Lab) -> bool:
    return bool(lab.buildkite.stacks()) and set(lab.records.queues()) == set(expected.QUEUES)


def _running(lab: Lab, build: str) -> bool:
    return all(job.timeline.started is not None for job in lab.buildkite.build(build).jobs)


def _over(lab: Lab, build: str) -> bool:
    return all(job.outcome is not None for job in lab.buildkite.build(build).jobs)

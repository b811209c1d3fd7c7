"""Labs with whole machines: what scenarios start, do to a machine, and look at.

    with a_whole_stage("bookworm", scripts={"default": "#!/bin/bash\\ntrue\\n"}) as stage:
        result = stage.run("steps: [{label: hello, command: echo hi}]")
        assert result.job.outcome == "passed"
        assert result.machine.console.at("Reached target poweroff") < 60

`stage` has everything of `stories.stage.Stage` too: push, running, gone, last_words, …
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from buildkite_emulator import BuildRequest, JobView
from mayfly.errors import Misconfigured
from mayfly.records.model import Instance, SlotKey
from mayfly_lab.aws.config import Delays
from mayfly_lab.faults import read
from mayfly_lab.lab import Lab, LabChoices
from mayfly_lab.latency import Latency
from mayfly_lab.machines.machine import Door
from mayfly_lab.machines.whole.ground import SUITE, whole_ground
from mayfly_lab.machines.whole.kinds import Kind
from mayfly_lab.machines.whole.leader import leader
from mayfly_lab.machines.whole.plan import PATH
from stories.stage import QUICK, REPOSITORY, Stage, furnish

PATIENCE = {Kind.CONTAINER: 120.0, Kind.VM: 600.0}
"""Seconds until a wait gives up: many times the duration on two idle cores without KVM."""
_COMMAND = 60.0
_AGENT = shutil.which("buildkite-agent")


@dataclass(frozen=True, slots=True)
class KeptConsole:
    """The whole console of one power-on."""

    lines: tuple[tuple[float, str], ...]
    """Seconds since power-on, and the line."""

    @classmethod
    def read(cls, file: Path) -> KeptConsole:
        """The console in a file of the lab's folder of consoles."""
        # Not read_text: for it a lone \r, with which systemd draws its waits anew, ends a line.
        text = file.read_bytes().decode(errors="replace").replace("\r", "")
        pairs = (line.lstrip().partition(" ") for line in text.split("\n") if line)
        return cls(tuple((float(seconds), line) for seconds, _, line in pairs))

    @property
    def text(self) -> str:
        """The console without times."""
        return "\n".join(line for _, line in self.lines)

    def at(self, words: str) -> float:
        """Seconds from power-on to the first line with these words."""
        for seconds, line in self.lines:
            if words in line:
                return seconds
        raise AssertionError(f"the console has no {words!r}:\n{self}")

    def __contains__(self, words: str) -> bool:
        return any(words in line for _, line in self.lines)

    def __str__(self) -> str:
        return "\n".join(f"{seconds:8.2f} {line}" for seconds, line in self.lines)


@dataclass(frozen=True, slots=True)
class MachineResult:
    """One instance at its end."""

    record: Instance
    """Mayfly's record: history, reason, whether it was proven."""
    consoles: tuple[KeptConsole, ...]
    """One for each power-on by EC2."""
    last_words: str
    """The log group's text of a failed host; empty without one."""

    @property
    def console(self) -> KeptConsole:
        """The console of the only power-on."""
        (console,) = self.consoles
        return console


@dataclass(frozen=True, slots=True)
class JobResult:
    """One job at its end."""

    view: JobView
    log: str
    instance_id: str
    """Where it ran last; empty for a job that no instance had."""

    @property
    def outcome(self) -> str | None:
        """`passed`, `failed`, … in Buildkite's words."""
        return self.view.outcome

    @property
    def wait(self) -> float:
        """Seconds from runnable to the first output of the command."""
        runnable, first = self.view.timeline.runnable, self.view.timeline.first_output
        assert runnable is not None, self.view
        assert first is not None, self.view
        return (first - runnable).total_seconds()


@dataclass(frozen=True, slots=True)
class Result:
    """A build at its end, with the instances that were launched meanwhile."""

    jobs: tuple[JobResult, ...]
    machines: tuple[MachineResult, ...]
    """In the order of their launches."""

    @property
    def job(self) -> JobResult:
        """The only job."""
        (job,) = self.jobs
        return job

    @property
    def machine(self) -> MachineResult:
        """The only machine."""
        (machine,) = self.machines
        return machine

    def of(self, label: str) -> JobResult:
        """The last attempt of the job with this label."""
        return [job for job in self.jobs if job.view.label == label][-1]


@dataclass(slots=True)
class WholeStage(Stage):
    """A lab whose machines are whole."""

    consoles: Path = field(default_factory=Path)
    _number: int = 0

    def start(self, pipeline: str, slug: str = "", repository: str = "") -> Running:
        """Start a build of a pipeline in YAML; `$` is the shell's, not Buildkite's.

        `slug` is the new pipeline's, `repository` the URL of another repository than the stage's.
        """
        self._number += 1
        slug = slug or f"scenario-{self._number}"
        url = repository or self.lab.buildkite.repository_url(REPOSITORY)
        before = frozenset(self.lab.records.instances())
        self.lab.buildkite.add_pipeline(slug, pipeline.replace("$", "$$"), url)
        build = self.lab.buildkite.create_build(slug, BuildRequest())
        return Running(self, build.id, before)

    def run(self, pipeline: str) -> Result:
        """Run a build, and wait until all that was launched for it is gone."""
        return self.start(pipeline).result()

    def press(self, instance_id: str) -> None:
        """Press the power button of a machine."""
        self.lab.room.press(instance_id)

    def shell(
        self, instance_id: str, command: str, user: str = "root", seconds: float = _COMMAND
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in bash on a running machine in a container.

        The process is in all namespaces of the machine, not in its cgroups: systemd does not know
        the process, and the end of the machine ends it.
        """
        init = self.lab.room.init(instance_id)
        assert init is not None, f"{instance_id} is off"
        inside = ("nsenter", f"--target={leader(init)}", "--all", "--wdns=/", "--")
        as_user = ("runuser", "-u", user, "--") if user != "root" else ()
        return subprocess.run(
            (*inside, "env", "-i", f"PATH={PATH}", "LANG=C.UTF-8", *as_user, "bash", "-c", command),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def console(self, instance_id: str, boot: int = 1) -> KeptConsole:
        """The console so far of a power-on; also while the machine runs."""
        return KeptConsole.read(self.consoles / f"{instance_id}.{boot}.log")

    def until_console(self, instance_id: str, words: str) -> float:
        """Wait until the console has these words. Returns the seconds since power-on."""
        self.until(f"the console says {words}", lambda: words in self.console(instance_id))
        return self.console(instance_id).at(words)

    def machine(self, instance_id: str) -> MachineResult:
        """What is known of an instance."""
        files = sorted(self.consoles.glob(f"{instance_id}.*.log"))
        consoles = tuple(KeptConsole.read(file) for file in files)
        words = self.last_words(instance_id)
        return MachineResult(self.instance(instance_id), consoles, words)


@dataclass(frozen=True, slots=True)
class Running:
    """A build that has been started."""

    stage: WholeStage
    build: str
    before: frozenset[SlotKey]
    """Keys of the records of instances that were there before the build."""

    def jobs(self) -> Sequence[JobView]:
        """The build's jobs, also those of later attempts."""
        return [job for job in self.stage.lab.buildkite.jobs() if job.build_id == self.build]

    def machine(self) -> str:
        """Wait for the only job's command to write. Returns the id of its instance."""
        (job,) = self.jobs()
        return self.stage.running(job.id)

    def result(self) -> Result:
        """Wait until every job has ended, and every instance launched since the start is gone."""
        stage = self.stage
        stage.until("every job ends", lambda: all(job.outcome for job in self.jobs()))
        stage.until("every instance is gone", lambda: not any(i.open for i in self._new()))
        stage.until("every claim is closed", self._settled)
        machines = [stage.machine(i.instance_id) for i in self._new() if i.instance_id]
        return Result(tuple(map(self._job, self.jobs())), tuple(machines))

    def _job(self, view: JobView) -> JobResult:
        found = (view.agent_name or "").rpartition("i-")
        instance_id = f"i-{found[2]}" if found[1] else ""
        return JobResult(view, self.stage.log_of(view.id), instance_id)

    def _new(self) -> list[Instance]:
        every = self.stage.lab.records.instances().items()
        mine = [instance for key, instance in every if key not in self.before]
        return sorted(mine, key=lambda i: (i.created, i.key))

    def _settled(self) -> bool:
        claims = [self.stage.claim(job.id) for job in self.jobs()]
        return not any(claim.open for claim in claims if claim is not None)


@contextmanager
def a_whole_stage(
    suite: str = SUITE,
    *,
    kind: Kind = Kind.CONTAINER,
    queues: Sequence[str] = ("default",),
    scripts: Mapping[str, str] | None = None,
    parameters: Mapping[str, Mapping[str, str]] | None = None,
    stacks: Mapping[str, Mapping[str, str]] | None = None,
    secrets: Mapping[str, str] | None = None,
    roles: Mapping[str, Sequence[str]] | None = None,
    faults: Sequence[str] = (),
    latency: Latency | None = None,
    delays: Delays = QUICK,
    layers: Sequence[Path] = (),
    memory: int | None = None,
    words: Sequence[str] = (),
    doors: Sequence[Door] = (),
) -> Iterator[WholeStage]:
    """A lab whose machines are whole; skips the test where this host cannot have them.

    `scripts` are bootstrap scripts by queue, `parameters` operators' parameters by queue, `stacks`
    parameters of the queues' stacks, `secrets` parameters by full name, `roles` roles of jobs by
    queue (see LabChoices), `faults` switches as of `--fault`, counted from the deployment. `layers`
    are folders over the tree of a container's image, the uppermost first. `memory` (MB) is of VMs;
    `words` are of the kernel's command line, or options of systemd-nspawn. `doors` are further
    servers that machines reach.
    """
    try:
        ground = whole_ground(kind, suite)
    except Misconfigured as reason:
        pytest.skip(str(reason))
    ground = replace(
        ground, layers=tuple(layers), memory=memory or ground.memory, words=tuple(words)
    )
    with tempfile.TemporaryDirectory(prefix="mayfly-consoles-") as consoles:
        choices = LabChoices(
            queues=tuple(queues),
            agent=Path(_AGENT) if _AGENT else None,
            ground=ground,
            delays=delays,
            parameters=parameters or {},
            scripts=scripts or {},
            stacks=stacks or {},
            secrets=secrets or {},
            roles=roles or {},
            faults=[read(fault) for fault in faults],
            latency=latency or Latency(),
            consoles=Path(consoles),
            doors=doors,
        )
        with Lab(choices) as lab:
            stage = WholeStage(lab, consoles=Path(consoles), patience=PATIENCE[kind])
            furnish(stage)
            yield stage

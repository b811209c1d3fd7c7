"""Hosts on the virtual clock: what the supervisor does, as far as anybody else can see it.

Each host sees its own profile, its own rows of the mailbox, and Buildkite through its job's token.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from mayfly.errors import Conflict
from mayfly_fakes import FakeMailbox
from mayfly_fakes.machines import Machine
from mayfly_instance.limits import Limits
from mayfly_lab.sim.buildkite import SimBuildkite
from mayfly_lab.sim.chance import Chance
from mayfly_lab.sim.ec2 import SimMachines
from mayfly_lab.sim.profiles import Profiles
from mayfly_lab.sim.time import Task, Tasks
from mayfly_protocol.order import parse
from mayfly_protocol.phases import Phase
from mayfly_protocol.report import Report
from mayfly_protocol.rows import start_row

POWER_OFF = "Client.InstanceInitiatedShutdown"
TERMINATED = "Client.UserInitiatedShutdown"
LIMITS = Limits()
LOST_AGENT = 200.0
"""Seconds until Buildkite ends the job of an agent that is silent, at most (three minutes)."""
_BOOT, _SET_UP, _IMDS, _RUN = (8.0, 40.0), (1.0, 30.0), (0.2, 6.0), (2.0, 90.0)
_LATE = 360.0
_POLL = 0.5
"""Seconds between two looks of a host; the supervisor's are shorter."""
_FATES = ("booting", "bootstrapped", "sandboxed", "assigned", "running", "at work", "done")


class _GaveUp(Exception):
    """The host ends with a reason."""


@dataclass(slots=True)
class Host:
    """One machine, through all its boots."""

    instance_id: str
    queue: str
    hangs_in: str = ""
    fails_in: str = ""
    mute_from: str = ""
    lies: bool = False
    task: Task | None = None
    boots: int = 0
    start: int = 0
    """Number of the order that commanded this boot; 0 at the first boot."""
    reached: str = "new"
    job: str = ""
    """The job that its agent runs now."""
    is_mute: bool = False

    @property
    def name(self) -> str:
        """The host's name in events."""
        return f"host {self.instance_id}"

    @property
    def boot(self) -> str:
        """The kernel's boot id."""
        return f"boot-{self.instance_id}-{self.boots}"


@dataclass(slots=True)
class Hosts:
    """All machines of a run."""

    tasks: Tasks
    chance: Chance
    machines: SimMachines
    mailbox: FakeMailbox
    buildkite: SimBuildkite
    profiles: Profiles
    wrote: Callable[[], object]
    """What to call after a host has written a report: the table's stream."""
    hosts: dict[str, Host] = field(default_factory=dict)
    ran: Counter[str] = field(default_factory=Counter)
    """How often an agent of ours accepted each job."""
    served: dict[str, set[str]] = field(default_factory=dict)
    """Every job that was assigned to an instance, by instance id."""
    lasts: Mapping[str, float] = field(default_factory=dict)
    """Seconds that a job runs, where not the host's fate says so."""
    shot: Callable[[str, str], object] = lambda *_: None
    """Gets instance and job where Mayfly ends an instance whose agent runs a job."""
    job_seconds: int = 600
    """Longest time of a job by the queue's parameter."""

    def changed(self, instance_id: str, state: str) -> None:
        """Hear of an instance's new state at EC2."""
        machine = self.machines.machines.get(instance_id)
        if machine is None or not machine.seen.launch:
            return
        if state == "running":
            self._power_on(instance_id, machine)
        elif state in {"shutting-down", "terminated", "stopping", "stopped"}:
            self._power_lost(instance_id, machine)

    def running(self) -> dict[str, str]:
        """The jobs that agents run now, by instance id."""
        return {id_: host.job for id_, host in self.hosts.items() if host.job}

    def _power_on(self, instance_id: str, machine: Machine) -> None:
        host = self.hosts.get(instance_id)
        if host is None:
            host = self.hosts[instance_id] = self._new(instance_id, machine.seen.queue)
        host.boots += 1
        life = self._life if host.boots == 1 else self._second_life
        host.task = self.tasks.begin(host.name, lambda: self._live(host, life))

    def _new(self, instance_id: str, queue: str) -> Host:
        chance, name = self.chance, f"host {instance_id}"
        host = Host(instance_id, queue)
        phase = chance.one_of(_FATES, f"fate of {name}")
        if chance.happens("no-boot", name):
            host.hangs_in = "new"
        elif chance.happens("hung-host", name):
            host.hangs_in = phase
        elif chance.happens("failed-host", name):
            host.fails_in = phase
        if chance.happens("mute-host", name):
            host.mute_from = chance.one_of(_FATES, f"mute {name}")
        host.lies = chance.happens("lying-host", name)
        return host

    def _power_lost(self, instance_id: str, machine: Machine) -> None:
        host = self.hosts.get(instance_id)
        if host is None or host.task is None:
            return
        if machine.seen.reason == TERMINATED and host.job:
            self.shot(instance_id, host.job)
        self.tasks.kill(host.task)
        host.task = None
        self._lose(host)

    def _lose(self, host: Host) -> None:
        """The agent is gone without a word: Buildkite ends its job some time later."""
        job, host.job = host.job, ""
        if job:
            after = self.chance.between(1.0, LOST_AGENT, f"lost {host.name}")
            self.tasks.time.after(after, lambda: self._end_lost(job))

    def _end_lost(self, job: str) -> None:
        if self.buildkite.known[job].state in {"accepted", "running", "canceling"}:
            self.buildkite.end(job, -1)

    # -- the supervisor --------------------------------------------------------------------------

    def _live(self, host: Host, life: Callable[[Host], object]) -> None:
        try:
            life(host)
        except _GaveUp as error:
            self._say(host, Phase.FAILED, reason=str(error))
        self._pause(host, 0.5, 4.0, "power off")
        host.task = None
        self._lose(host)
        self.machines.end(host.instance_id, POWER_OFF)

    def _life(self, host: Host) -> None:
        """The first boot, from power-on to the end of the job."""
        late = _LATE if self.chance.happens("late-boot", host.name) else 0.0
        self._pause(host, _BOOT[0], _BOOT[1] + late, "boot")
        if host.hangs_in == "new":
            self._hang(host)
        self._reach(host, "booting", Phase.BOOTING)
        self._pause(host, *_SET_UP, "set-up")
        self._lie(host)
        self._reach(host, "bootstrapped", Phase.BOOTSTRAPPED)
        self._wait_for(
            lambda: self._is_sandboxed(host), LIMITS.gate, "IMDS does not serve the sandbox"
        )
        self._pause(host, *_IMDS, "imds")
        self._serve(host)

    def _second_life(self, host: Host) -> None:
        """A later boot: only with an order, and only as sandbox."""
        self._pause(host, *_BOOT, f"boot {host.boots}")
        told = self.mailbox.rows.get(start_row(self._row(host)))
        try:
            order = parse(told.order if told else None, self.tasks.time.clock(), host.start)
        except ValueError as error:
            raise _GaveUp(str(error)) from error
        host.start = order.number
        if not self._is_sandboxed(host):
            raise _GaveUp("a later boot without the sandbox profile")
        self._serve(host)

    def _serve(self, host: Host) -> None:
        self._reach(host, "sandboxed", Phase.SANDBOXED, start=host.start or None)
        row = self._row(host)
        self._wait_for(lambda: self._assignment(row) is not None, LIMITS.idle, "idle")
        assignment = self._assignment(row) or {}
        if assignment["boot"] != host.boot:
            raise _GaveUp("the assignment is for another boot")
        job, token = str(assignment["job"]), str(assignment["token"])
        self.served.setdefault(host.instance_id, set()).add(job)
        self._reach(host, "assigned", None)
        # As the supervisor does: the report says that the agent runs, not that it has the job.
        self._reach(host, "running", Phase.RUNNING)
        if self.chance.happens("late-acquire", host.name):
            self._pause(host, 0.0, _LATE, "acquire")
        self._pause(host, 0.05, 1.5, "agent")
        try:
            self.buildkite.accept(job, token)
        except Conflict:
            self._say(host, Phase.DONE, exit=27)
            return
        self.ran[job] += 1
        host.job = job
        self._run(host, job)

    def _run(self, host: Host, job: str) -> None:
        self.buildkite.start(job)
        self._reach(host, "at work", None)
        began = self.tasks.time.seconds
        usual = self.chance.between(*_RUN, f"run {host.name}")
        lasts = min(self.lasts.get(job, usual), self.job_seconds)
        while self.tasks.time.seconds - began < lasts:
            if self.buildkite.known[job].state == "canceling":
                break
            self.tasks.sleep(min(2.0, lasts))
        if host.job:
            host.job = ""
            self._end(job)
        self._reach(host, "done", Phase.DONE, exit=0)

    def _end(self, job: str) -> None:
        if self.buildkite.known[job].state in {"accepted", "running", "canceling"}:
            self.buildkite.end(job)

    def _reach(self, host: Host, name: str, phase: Phase | None, **said: object) -> None:
        """Reach a phase, or what is in store for the host there."""
        host.reached = name
        if host.mute_from == name:
            host.is_mute = True
        if host.hangs_in == name:
            self._hang(host)
        if host.fails_in == name and name not in {"running", "at work"}:
            raise _GaveUp(f"the host is to fail when {name}")
        if phase is not None:
            self._say(host, phase, **said)

    def _lie(self, host: Host) -> None:
        """A script says, with bootstrap credentials, what it likes, in the one row it may write."""
        for number in range(3 if host.lies else 0):
            phase = Phase(self.chance.one_of([str(p) for p in Phase], f"lie {number} {host.name}"))
            boot = self.chance.one_of(
                [host.boot, "", "boot-of-another"], f"boot {number} {host.name}"
            )
            self._write(
                host, self.profiles.bootstrap_row(host.queue, host.instance_id), Report(phase, boot)
            )
            self.tasks.sleep(1.0)

    def _hang(self, host: Host) -> NoReturn:
        """Do nothing for ever, until the power is cut."""
        self._lose(host)
        while True:
            self.tasks.sleep(3600.0)

    def _wait_for(self, holds: Callable[[], bool], seconds: float, otherwise: str) -> None:
        until = self.tasks.time.seconds + seconds
        while not holds():
            if self.tasks.time.seconds >= until:
                raise _GaveUp(otherwise)
            self.tasks.sleep(_POLL)

    def _pause(self, host: Host, low: float, high: float, what: str) -> None:
        self.tasks.sleep(self.chance.between(low, high, f"{what} of {host.name}"))

    def _is_sandboxed(self, host: Host) -> bool:
        machine = self.machines.machines.get(host.instance_id)
        if machine is None:
            return False
        shown = machine.association
        wanted = self.profiles.sandbox_profile(host.queue)
        return (shown.profile, shown.state) == (wanted, "associated")

    def _assignment(self, row: str) -> dict[str, object] | None:
        kept = self.mailbox.rows.get(row)
        return dict(kept.assignment) if kept is not None and kept.assignment is not None else None

    def _row(self, host: Host) -> str:
        return self.profiles.sandbox_row(host.queue, host.instance_id)

    def _say(self, host: Host, phase: Phase, **more: object) -> None:
        early = not self._is_sandboxed(host)
        row = (
            self.profiles.bootstrap_row(host.queue, host.instance_id) if early else self._row(host)
        )
        report = Report(phase, host.boot, at=self.tasks.time.clock(), **more)  # type: ignore[arg-type]  # named by the caller
        self._write(host, row, report)

    def _write(self, host: Host, row: str, report: Report) -> None:
        if not host.is_mute:
            self.mailbox.report(row, report)
            self.wrote()

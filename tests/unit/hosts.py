"""Hosts that behave as the supervisor does in all that the control plane can see."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mayfly.errors import Conflict
from mayfly.records.model import Instance
from mayfly_fakes.machines import Machine
from mayfly_protocol.order import parse
from mayfly_protocol.phases import Phase
from mayfly_protocol.report import Report
from mayfly_protocol.rows import start_row
from tests.unit.builders import BOOTSTRAP, BOOTSTRAP_ID, SANDBOX, SANDBOX_ID

if TYPE_CHECKING:
    from tests.unit.world import World

POWER_OFF = "Client.InstanceInitiatedShutdown"
TERMINATED_BY_US = "Client.UserInitiatedShutdown"
STOPPED = "User initiated"


@dataclass(slots=True)
class Host:
    """One machine, from its first boot to its power-off; a step takes it one phase further."""

    instance_id: str
    phase: str = "new"
    job: str = ""
    token: str = ""
    steps_left: int = 1
    """Steps until the job ends."""
    fate: str = ""
    """A phase: the host fails in it. `hangs` and a phase: the host does nothing from then on."""
    start: int = 0
    """Number of the order that commanded this boot; 0 at the first boot."""

    @property
    def boot(self) -> str:
        """The kernel's boot id."""
        return f"boot-{self.instance_id}" + (f"-{self.start}" if self.start else "")


@dataclass(slots=True)
class Hosts:
    """All machines of a world; a host sees only its own profile and its own mailbox row."""

    world: World
    fates: list[str] = field(default_factory=list)
    """Fates of the next hosts, in the order of their launch; all later hosts succeed."""
    hosts: dict[str, Host] = field(default_factory=dict)
    ran: Counter[str] = field(default_factory=Counter)
    """Number of times that an agent accepted each job."""
    shot: list[str] = field(default_factory=list)
    """Jobs that Mayfly knew to run when it terminated their machines."""
    served: dict[str, set[str]] = field(default_factory=dict)
    """Every job that was assigned to an instance, by instance id."""

    def step(self) -> None:
        """Let EC2 and every host get one step further."""
        self.world.machines.settle()
        for instance_id, machine in self.world.machines.machines.items():
            if machine.seen.launch:
                if instance_id not in self.hosts:
                    fate = self.fates.pop(0) if self.fates else ""
                    self.hosts[instance_id] = Host(instance_id, fate=fate)
                self._step(self.hosts[instance_id], machine)

    def _step(self, host: Host, machine: Machine) -> None:
        if machine.seen.state == "running" and host.phase == "off":
            self._boot_again(host, machine)
        elif machine.seen.state != "running":
            self._end(host, machine.seen.reason)
        elif host.fate == host.phase:
            self._say(host, "failed", reason=f"scripted to fail when {host.phase}")
            self.power_off(host)
        elif host.fate != f"hangs {host.phase}":
            self._next(host, machine)

    def _boot_again(self, host: Host, machine: Machine) -> None:
        """A boot that is not the first: on with an order in its row, off without one."""
        told = self.world.mailbox.rows.get(start_row(f"{SANDBOX_ID}:{host.instance_id}"))
        try:
            order = parse(told.order if told else None, self.world.clock.now, host.start)
        except ValueError as error:
            self._say(host, "failed", reason=str(error))
            self.power_off(host)
            return
        host.start = order.number
        if host.fate == "second boot":
            self._say(host, "failed", reason="scripted to fail at its second boot")
            self.power_off(host)
        elif self._is_sandboxed(machine):
            self._say(host, "sandboxed", start=order.number)

    def _next(self, host: Host, machine: Machine) -> None:
        """Take the supervisor's next step."""
        match host.phase:
            case "new" if machine.association.profile == BOOTSTRAP:
                self._say(host, "booting")
            case "booting":
                self._say(host, "bootstrapped")
            case "bootstrapped" if self._is_sandboxed(machine):
                self._say(host, "sandboxed")
            case "sandboxed":
                self._look_for_an_assignment(host)
            case "assigned":
                self._acquire(host)
            case "running":
                self._run(host)
            case "done":
                self.power_off(host)

    def _is_sandboxed(self, machine: Machine) -> bool:
        shown = machine.association
        return (shown.profile, shown.state) == (SANDBOX, "associated")

    def _look_for_an_assignment(self, host: Host) -> None:
        row = self.world.mailbox.rows[f"{SANDBOX_ID}:{host.instance_id}"]
        if row.assignment is not None:
            assert row.assignment["boot"] == host.boot
            host.job, host.token = str(row.assignment["job"]), str(row.assignment["token"])
            self.served.setdefault(host.instance_id, set()).add(host.job)
            host.phase = "assigned"

    def _acquire(self, host: Host) -> None:
        buildkite = self.world.buildkite
        try:
            buildkite.accept(host.job, host.token)
        except Conflict:
            host.job = ""
            self._say(host, "done", exit=27)
        else:
            self.ran[host.job] += 1
            buildkite.start(host.job)
            self._say(host, "running")

    def _run(self, host: Host) -> None:
        host.steps_left -= 1
        if host.steps_left <= 0 or self.world.buildkite.known[host.job].state == "canceling":
            self.world.buildkite.end(host.job)
            host.job = ""
            self._say(host, "done", exit=0)

    def _say(self, host: Host, phase: str, **more: object) -> None:
        host.phase = phase
        role = BOOTSTRAP_ID if phase in {"booting", "bootstrapped"} else SANDBOX_ID
        report = Report(Phase(phase), host.boot, **more)  # type: ignore[arg-type]  # named by the caller
        self.world.mailbox.report(f"{role}:{host.instance_id}", report)

    def _end(self, host: Host, reason: str) -> None:
        """Note that the machine is off; Buildkite ends its running job with -1, a lost agent."""
        if host.phase == "running" and host.job:
            record = self.world.fleet.all(Instance)
            known = {i.instance_id for i in record if any(s.state == "running" for s in i.history)}
            if reason == TERMINATED_BY_US and host.instance_id in known:
                self.shot.append(host.job)
            self.world.buildkite.end(host.job, -1)
            host.job = ""
        host.phase = "off"

    def stop(self, instance_id: str) -> None:
        """Stop a running machine as a person does; whatever ran there is dead."""
        machine = self.world.machines.machines[instance_id]
        machine.seen = replace(machine.seen, state="stopped", reason=STOPPED)
        if instance_id in self.hosts:
            self._end(self.hosts[instance_id], STOPPED)

    def lose_agents(self) -> None:
        """Let Buildkite end the jobs of hosts that hang: their agents are lost."""
        for host in self.hosts.values():
            if host.job and host.fate == f"hangs {host.phase}" == "hangs running":
                self.world.buildkite.end(host.job, -1)
                host.job = ""

    def power_off(self, host: Host) -> None:
        """The supervisor's last step."""
        self.world.machines.end(host.instance_id, POWER_OFF)
        self._end(host, POWER_OFF)

"""The options of each command, each read and checked by its option type."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mayfly_lab.faults import FaultRequest
from mayfly_lab.latency import Latency
from mayfly_lab.machines.whole.kinds import Kind
from mayfly_lab.sim.traces import Arrival


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Options that describe the lab."""

    queues: tuple[str, ...]
    """Names as given; empty for the default queue."""
    hot: int
    """Machines of each queue that are kept ready."""
    parameters: tuple[tuple[str, str, str], ...]
    """Queue, name and value of operators' parameters."""
    stacks: tuple[tuple[str, str, str], ...] = ()
    """Queue, name and value of parameters of queues' stacks."""
    secrets: tuple[tuple[str, str], ...] = ()
    """Full name and value of parameters with secrets, and of lists beside them."""
    roles: tuple[tuple[str, str], ...] = ()
    """Queue, and a role with its path, as `/ci/app`."""
    agent: str | None
    """The agent's program or `stand-in`; None for what is on PATH."""
    machines: tuple[Kind, str] | None
    """Kind and Debian of whole machines; None for processes of this host."""
    latency: Latency
    faults: tuple[FaultRequest, ...]
    json: Path | None
    """File for the report (`run`) or the printed facts (`up`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChoices(World):
    """Options of `mayfly-lab run`: the lab's, and the build's."""

    pipeline: Path
    repo: Path | None
    branch: str | None
    env: tuple[tuple[str, str], ...]
    unblock: bool
    answers: tuple[tuple[str, str], ...]
    """Answers to the fields of block steps, by key."""
    timeout: float
    """Seconds until the build is cancelled."""
    logs: str
    html: Path | None
    """File for the report as HTML."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpChoices(World):
    """Options of `mayfly-lab up`: the lab's, and its ports; 0 for any free port."""

    port_aws: int
    port_buildkite: int
    port_page: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchChoices:
    """Options of `mayfly-lab bench`."""

    jobs: int
    pool: int
    """Machines hot at the start of a round."""
    every: float
    """Seconds from the creation of one job to the next."""
    secrets: int
    """Secrets in each of a job's three folders."""
    agent: str | None
    """The agent's program or `stand-in`; None for what is on PATH."""
    machines: tuple[Kind, str] | None
    """Kind and Debian of whole machines; None for processes of this host."""
    latency: Latency
    json: Path | None
    """File for the figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimChoices:
    """Options of `mayfly-lab sim`."""

    seeds: int
    first: int
    """The first seed; the others follow."""
    faults: tuple[tuple[str, float], ...]
    """Names and rates as given."""
    only: bool
    """Whether no other faults happen."""
    trace: tuple[Path, tuple[Arrival, ...]] | None
    """The file of a trace, and the jobs in it."""
    keep: Path | None
    """File with the only events that may happen."""
    json: Path | None
    """File for the figures."""

    @property
    def arrivals(self) -> tuple[Arrival, ...]:
        """The trace's jobs; empty without one."""
        return () if self.trace is None else self.trace[1]

    def replay(self, seed: int) -> str:
        """The command that runs one seed as this command does."""
        parts = ["mayfly-lab sim", f"--from {seed}", "--seeds 1"]
        parts += [f"--fault {name}={rate:g}" for name, rate in self.faults]
        parts += ["--only"] if self.only else []
        parts += [f"--trace {self.trace[0]}"] if self.trace is not None else []
        parts += [f"--keep {self.keep}"] if self.keep is not None else []
        return " ".join(parts)

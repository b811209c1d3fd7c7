"""What Mayfly calls, and pays, while machines are hot and nobody has a job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mayfly_lab.aws.front.call import Kind
from mayfly_lab.aws.front.journal import Entry
from mayfly_lab.bench import prices


@dataclass(frozen=True, slots=True)
class Idle:
    """Some seconds in which nothing was to do."""

    seconds: float
    hosts: int
    """Machines that were hot."""
    calls: Sequence[Entry]
    """What AWS was asked meanwhile."""
    buildkite: Mapping[str, int]
    """How often Buildkite was asked meanwhile, by endpoint."""

    @property
    def per_host(self) -> float:
        """Calls to AWS that a hot machine makes each second."""
        return len(self._of(Kind.SANDBOX)) / self.seconds / max(1, self.hosts)

    @property
    def per_functions(self) -> float:
        """Calls to AWS that the four functions make each second."""
        return len(self._of(Kind.FUNCTION)) / self.seconds

    @property
    def host_month(self) -> float:
        """What the calls of a hot machine cost in a month, in USD."""
        return self._month(self._of(Kind.SANDBOX)) / max(1, self.hosts)

    @property
    def functions_month(self) -> float:
        """What DynamoDB and dispatch around the clock cost in a month, in USD."""
        return self._month(self._of(Kind.FUNCTION)) + prices.MONTH * prices.LAMBDA_SECOND

    def _of(self, kind: Kind) -> list[Entry]:
        return [call for call in self.calls if call.kind == kind]

    def _month(self, calls: Sequence[Entry]) -> float:
        return prices.of_calls(calls) / self.seconds * prices.MONTH


def lines(idle: Idle) -> Iterator[str]:
    """The same, as a person reads it."""
    yield f"what the intervals cost, by {idle.seconds:.0f} s with {idle.hosts} hot machines, idle"
    lists = {name: number / idle.seconds * 60 for name, number in idle.buildkite.items()}
    for name, rate in sorted(lists.items()):
        yield f"  Buildkite {name:<28} {rate:7.1f} calls a minute"
    functions = Counter(
        (call.service, call.operation) for call in idle.calls if call.kind == Kind.FUNCTION
    )
    for (service, operation), number in sorted(functions.items()):
        name = f"functions {service}:{operation}"
        yield f"  {name:<38} {number / idle.seconds:7.2f} calls a second"
    yield f"  {'each hot machine':<38} {idle.per_host:7.2f} calls a second"
    yield (
        f"  a month: ${idle.host_month:.2f} of reads for each hot machine;"
        f" ${idle.functions_month:.2f} for the control plane (DynamoDB and Lambda)"
    )

"""Calls and costs of Mayfly while machines are hot and no job runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mayfly_lab.aws.front.call import Kind
from mayfly_lab.aws.front.journal import Entry
from mayfly_lab.bench import prices
from mayfly_lab.report.screen import folded


@dataclass(frozen=True, slots=True)
class Idle:
    """Calls in a period without jobs."""

    seconds: float
    hosts: int
    """Number of hot machines."""
    calls: Sequence[Entry]
    """Calls to AWS in the period."""
    buildkite: Mapping[str, int]
    """Number of calls to Buildkite in the period, by endpoint."""

    @property
    def per_host(self) -> float:
        """Calls to AWS per second by one hot machine."""
        return len(self._of(Kind.SANDBOX)) / self.seconds / max(1, self.hosts)

    @property
    def per_functions(self) -> float:
        """Calls to AWS per second by the four functions together."""
        return len(self._of(Kind.FUNCTION)) / self.seconds

    @property
    def host_month(self) -> float:
        """Monthly cost of one hot machine's calls, in USD."""
        return self._month(self._of(Kind.SANDBOX)) / max(1, self.hosts)

    @property
    def functions_month(self) -> float:
        """Monthly cost of the functions' DynamoDB calls and of dispatch all day, in USD."""
        return self._month(self._of(Kind.FUNCTION)) + prices.MONTH * prices.LAMBDA_SECOND

    def _of(self, kind: Kind) -> list[Entry]:
        return [call for call in self.calls if call.kind == kind]

    def _month(self, calls: Sequence[Entry]) -> float:
        return prices.of_calls(calls) / self.seconds * prices.MONTH


def lines(idle: Idle) -> Iterator[str]:
    """Lines: rates of calls, and monthly costs."""
    yield f"calls and costs while idle, from {idle.seconds:.0f} s with {idle.hosts} hot machines"
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
    yield from folded(
        f"monthly cost: ${idle.host_month:.2f} for the reads of each hot machine,"
        f" ${idle.functions_month:.2f} for the control plane (DynamoDB and Lambda)",
        2,
    )

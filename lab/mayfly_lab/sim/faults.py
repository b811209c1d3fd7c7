"""The faults of the simulator: what goes wrong, how often, and in what measure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that a seed may deal out."""

    name: str
    rate: float
    """Probability, by default, at each place where the fault can happen."""
    meaning: str


FAULTS: Mapping[str, Fault] = {
    each.name: each
    for each in (
        # One call of a function.
        Fault("throttle", 0.004, "a call is refused, and has no effect"),
        Fault("lost-answer", 0.003, "a call has its effect, and its answer is lost"),
        Fault("late-effect", 0.002, "a call gets no answer, and has its effect up to 90 s later"),
        Fault("slow-call", 0.004, "a call takes up to 20 s"),
        Fault("cut", 0.0006, "a function dies at a call"),
        # One invocation.
        Fault("not-invoked", 0.05, "a function is not invoked in a minute"),
        Fault("timeout", 0.02, "an invocation is ended early, wherever it is"),
        Fault("lost-event", 0.08, "a nudge or an event is lost"),
        Fault("late-event", 0.08, "a nudge or an event comes up to 60 s late"),
        Fault("doubled-event", 0.04, "a nudge or an event comes twice"),
        # The index of the records.
        Fault("stale-index", 0.15, "the index shows a write up to 5 s late"),
        Fault("very-stale-index", 0.01, "the index shows a write up to 100 s late"),
        Fault("older-page", 0.03, "a page of the index is older than one that was read before"),
        # EC2.
        Fault("no-capacity", 0.08, "EC2 has no instances of a type for up to four minutes"),
        Fault("late-describe", 0.08, "EC2 shows a new instance up to 90 s late"),
        Fault("spot-reclaim", 0.15, "EC2 takes a spot instance back, with or without a warning"),
        Fault("dead-machine", 0.03, "an instance ends at any moment"),
        # Hosts.
        Fault("late-boot", 0.08, "a host boots up to six minutes late"),
        Fault("no-boot", 0.02, "a host never says a word"),
        Fault("hung-host", 0.04, "a host stops for ever in any state"),
        Fault("failed-host", 0.05, "a host gives up, with a reason"),
        Fault("mute-host", 0.02, "a host's reports do not arrive, from any state on"),
        Fault("lying-host", 0.02, "a host's script says things that are not so, in its own row"),
        Fault("late-acquire", 0.03, "a host acquires its job up to six minutes late"),
        # Buildkite.
        Fault("refused-job", 0.03, "Buildkite does not reserve a free job"),
        Fault("cancelled-job", 0.12, "a user cancels a job"),
        Fault("taken-job", 0.04, "another stack's agent runs a job"),
        Fault("paused-queue", 0.08, "a queue is paused at Buildkite for a time"),
        # Operators.
        Fault("bad-parameter", 0.10, "an operator writes a value that is not allowed"),
        Fault("changed-parameter", 0.25, "an operator changes limits or pools"),
        Fault("deploy", 0.05, "another version of the host is deployed"),
    )
}
"""All faults by name, in the order of the documents."""


def rates(chosen: Iterable[tuple[str, float]] = (), *, only: bool = False) -> dict[str, float]:
    """Probabilities by fault: the chosen ones, and the defaults, or with `only` zero, elsewhere.

    Raises ValueError, with what is allowed, for a name or a rate that is not.
    """
    found = {name: 0.0 if only else fault.rate for name, fault in FAULTS.items()}
    for name, rate in chosen:
        if name not in FAULTS:
            raise ValueError(f"{name!r} is no fault: allowed are {', '.join(FAULTS)}")
        if not 0 <= rate <= 1:
            raise ValueError(f"the rate of {name} is from 0 to 1, not {rate:g}")
        found[name] = rate
    return found

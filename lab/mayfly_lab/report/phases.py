"""The phases of a job's time, each between two points of its timeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mayfly_cli.html_report.model import Path, Phase, Span

_ENDS: Sequence[tuple[Phase, str]] = (
    (Phase.RESERVE, "reserved"),
    (Phase.LAUNCH, "booted"),
    (Phase.BOOT, "bootstrapped"),
    (Phase.SWAP, "swapped"),
    (Phase.PROOF, "proven"),
    (Phase.ASSIGN, "accepted"),
    (Phase.CHECKOUT, "command"),
    (Phase.COMMAND, "ended"),
    (Phase.END, "terminated"),
)
"""Each phase, and the point that ends it."""


def spans(path: str, seconds: Mapping[str, float]) -> Iterator[Span]:
    """The phases of a job that came to its instance by `path`, in seconds since it was runnable.

    Each begins where the one before ends, so their sum is the job's time. What an instance did
    before the job was runnable is no time of the job. A phase without its end's point is part of
    the next. The last phase of a job that ended before its command is `checkout`, or `assign` where
    no agent had accepted the job.
    """
    if "command" not in seconds and "ended" in seconds:
        point = "command" if "accepted" in seconds else "accepted"
        seconds = {**seconds, point: seconds["ended"]}
    at = 0.0
    for phase, point in _ENDS:
        end = seconds.get(point)
        if end is None or end <= at:
            continue
        started = path == Path.STOPPED and phase is Phase.PROOF
        yield Span(Phase.START if started else phase, at, end)
        at = end

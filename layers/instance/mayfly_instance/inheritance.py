"""What a started program inherits, whatever the supervisor itself inherited from its starter.

A program keeps ignored signals, blocked signals and the memory score of its parent through exec.
`bash -c 'trap "" QUIT; ...'`, a background job of a script and a unit with a protected score would
so change agent and job. Descriptors need nothing here: `subprocess` closes all but the named ones.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SCORE = Path("/proc/self/oom_score_adj")
_DEFAULT_SCORE = "0"


@contextmanager
def default_signals() -> Iterator[None]:
    """Start programs with default dispositions and an empty mask. Only for the main thread.

    The supervisor goes on to ignore what it ignores: a handler that does nothing takes the place of
    SIG_IGN, because exec resets handlers alone. So no code of the supervisor has to run between
    fork and exec.
    """
    ignored = [each for each in signal.valid_signals() if signal.getsignal(each) is signal.SIG_IGN]
    for each in ignored:
        signal.signal(each, _do_nothing)
    mask = signal.pthread_sigmask(signal.SIG_SETMASK, [])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for each in ignored:
            signal.signal(each, signal.SIG_IGN)


@contextmanager
def default_memory_score(file: Path = _SCORE) -> Iterator[None]:
    """Start programs with the default `oom_score_adj`: only the supervisor is protected.

    Root writes the score before the fork, so the program cannot lower it again (proc(5):
    `oom_score_adj` of an unprivileged process never goes below the last value that root wrote).
    Raises OSError.
    """
    try:
        score = file.read_text("ascii").strip()
    except FileNotFoundError:  # A lab on a system without /proc.
        score = _DEFAULT_SCORE
    if score == _DEFAULT_SCORE:
        yield
        return
    file.write_text(_DEFAULT_SCORE, "ascii")
    try:
        yield
    finally:
        file.write_text(score, "ascii")


def _do_nothing(_number: int, _frame: object) -> None:
    """Take the place of SIG_IGN."""

"""The beginning of every program: Ctrl-C ends it in one line, even while its modules load."""

from __future__ import annotations

import io
import os
import signal
import sys
import traceback
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import NoReturn

STOPPED = 130
"""As in `mayfly_cli.ends`, which is not loaded yet."""


def mayfly() -> None:
    """Run `mayfly` for this process, and exit with its status."""
    run("mayfly", "mayfly_cli.main")


def run(name: str, module: str) -> None:
    """Load `module`, then call its `main`. Until then Ctrl-C ends the process with one line.

    Nothing has begun before the module is loaded, so the process may end at once. An exception
    would not do: the import system shows it as a traceback, or loses it in a callback.
    """

    def end(*_: object) -> NoReturn:
        os.write(2, f"{name}: stopped\n".encode())
        os._exit(STOPPED)

    sys.excepthook = show
    _prepare_output()
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        # The caller ignores Ctrl-C, as `nohup` and shells do for programs in the background.
        sys.exit(import_module(module).main())
    signal.signal(signal.SIGINT, end)
    main = import_module(module).main
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())


def _prepare_output() -> None:
    """Let no character and no closed output end a program: `mayfly jobs >&-`, an ASCII locale."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an error that nobody expected, as Python does, without secrets."""
    # Imported late, because a command must start fast.
    from mayfly.scrubbing import scrub

    sys.stderr.write(scrub("".join(traceback.format_exception(kind, error, trace))))

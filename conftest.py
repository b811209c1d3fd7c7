"""Shortens the end of a test process."""

from __future__ import annotations

import gc


def pytest_sessionfinish() -> None:
    """Collect garbage now, and leave none for later.

    A worker of pytest-xdist that needs more than 5 seconds between its last report and its end gets
    SIGINT (execnet's `WorkerGateway._terminate_execution`). pytest collects garbage twice in that
    time: with 300,000 objects that takes seconds on a busy machine, and the interrupt then shows
    as a PytestUnraisableExceptionWarning. Later collections pass over frozen objects.
    """
    gc.collect()
    gc.freeze()

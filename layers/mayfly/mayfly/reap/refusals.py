"""Jobs that their hosts refused: the changes of claims by which their pages are told. Pure."""

from __future__ import annotations

from datetime import datetime

from mayfly.reap.view import ReapView
from mayfly.records.changes import Save
from mayfly.records.model import Instance
from mayfly.records.refused import is_refusal, refused, was_refused


def of_refused_job(
    instance: Instance, said: str, view: ReapView, now: datetime
) -> tuple[Save, ...]:
    """The save of the claim, once, if the host says as its end that it refused its job.

    The job may have ended at Buildkite, and its claim with the job, before the host's report is
    read.
    """
    claim = view.running.get(instance.key) or view.finished.get(instance.key)
    if not is_refusal(said) or claim is None or was_refused(claim):
        return ()
    return (Save(refused(claim, said, now)),)

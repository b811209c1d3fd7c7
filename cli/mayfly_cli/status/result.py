"""What `mayfly status` answers, for the screen and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mayfly_cli.listings.failed import Ended
from mayfly_cli.operations.reading import StackView
from mayfly_cli.operations.screen import Document
from mayfly_cli.status.found import StackStatus, buildkite_word, queue_status
from mayfly_cli.status.screen import document


@dataclass(frozen=True, slots=True)
class Status(StackStatus):
    """A stack and its queues, as the command shows them."""

    def document(self) -> Document:
        """See `screen`."""
        return document(self)


def status_of(view: StackView, ended: Mapping[str, Ended]) -> Status:
    """The status; `ended` has, by queue, claims of jobs that ended today, and instances."""
    return Status(
        stack=view.stack,
        region=view.region,
        now=view.now,
        buildkite=buildkite_word(view.lease, view.now),
        queues=tuple(
            queue_status(each, ended.get(each.queue, Ended()), view.now) for each in view.queues
        ),
    )

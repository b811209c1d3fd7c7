"""What `mayfly status` answers, for the screen and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mayfly.records.model import Claim
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


def status_of(view: StackView, begun: Mapping[str, Sequence[Claim]]) -> Status:
    """The status; `begun` has, by queue, claims of jobs that ended today."""
    return Status(
        stack=view.stack,
        region=view.region,
        now=view.now,
        buildkite=buildkite_word(view.lease, view.now),
        queues=tuple(
            queue_status(each, begun.get(each.queue, ()), view.now) for each in view.queues
        ),
    )

"""What decisions need of the world, and what the world promises.

Every method may raise Transient (try again with the next tick) or Misconfigured (a person must
act). Anything further that a method raises stands in its docstring.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from mayfly.answers import Association, Launched, Listing, Parameter, Seen
from mayfly.records.changes import Change
from mayfly.records.model import (
    Claim,
    Instance,
    Launch,
    Lease,
    Ledger,
    QueueRecord,
    SlotKey,
    Stray,
)
from mayfly.records.states import ClaimState, InstanceState
from mayfly_protocol.report import Report


class Fleet(Protocol):
    """The records. Lists come from an index that may lag by moments; `write` checks versions."""

    def queues(self) -> Sequence[QueueRecord]:
        """Known queues. A queue whose stack is gone stays until its last instance has ended."""

    def claims(self, queue: str, states: Collection[ClaimState]) -> Sequence[Claim]:
        """Open claims in these states; FAILED gives those of which Buildkite is not told yet."""

    def instances(self, queue: str, states: Collection[InstanceState]) -> Sequence[Instance]:
        """Open instances of a queue in these states."""

    def launches(self, queue: str) -> Sequence[Launch]:
        """Open launches of a queue."""

    def strays(self) -> Sequence[Stray]:
        """EC2 instances with our tag and without a record."""

    def claim(self, job: str) -> Claim | None:
        """One claim, open or not, read consistently."""

    def claims_of(self, jobs: Collection[str]) -> Sequence[Claim]:
        """Claims for these job ids; ids without a claim are omitted. Consistent read."""

    def instance(self, key: SlotKey) -> Instance | None:
        """One instance, open or not, read consistently."""

    def instance_of(self, instance_id: str) -> Instance | None:
        """The record of an EC2 instance id, read consistently; None when it is not ours."""

    def slots(self, keys: Collection[SlotKey]) -> Sequence[Instance]:
        """Instances with these keys; keys without a record are omitted. Consistent read."""

    def ledger(self, queue: str) -> Ledger | None:
        """A queue's ledger row, read consistently."""

    def queue(self, queue: str) -> QueueRecord | None:
        """One queue, active or not, read consistently."""

    def lease(self) -> Lease | None:
        """The dispatch lease, read consistently."""

    def write(self, changes: Sequence[Change], fence: int | None = None) -> None:
        """Make all changes or none. With `fence`, only while the lease has that fence.

        At most 100 rows: one for each change, one for the fence, one more for each instance saved
        as LAUNCHING with its id. Only changes to one ledger row, and the fence with a save of the
        lease, may meet in a row. Raises ValueError otherwise; Conflict when a record is not at the
        version that was read, a row to be assigned has an assignment, the fence has moved on, or
        this was written already, its answer lost: the next tick reads what is there.
        """


class Mailbox(Protocol):
    """The rows that instances write."""

    def reports(self, rows: Iterable[str]) -> Mapping[str, Report]:
        """Reports by row, read consistently; rows without a readable report are left out."""

    def notice(self, row: str, text: str, expires: datetime) -> None:
        """Tell the host that its end is near. Repeating it changes nothing."""

    def remove(self, rows: Collection[str]) -> None:
        """Remove rows; no harm where there are none."""


class Machines(Protocol):
    """EC2, as far as Mayfly uses it. Describe may not show what was launched moments ago."""

    def create_fleet(self, request: str, token: str) -> Launched:
        """Send a recorded CreateFleet request (JSON). Same token, same answer.

        Partial success is an answer. Raises NoCapacity when EC2 launched nothing for want of it.
        """

    def instances(self) -> Sequence[Seen]:
        """Every instance with the stack's tag that EC2 still shows, whatever its state."""

    def instance(self, instance_id: str) -> Seen | None:
        """One instance with the stack's tag, whatever its state; None when EC2 shows none."""

    def associations(self, instance_ids: Collection[str]) -> Mapping[str, tuple[Association, ...]]:
        """Profile associations by instance id, those that EC2 calls disassociated left out."""

    def replace_profile(self, association: str, profile: str) -> None:
        """Replace what is associated. No idempotency: an id that is used up raises Conflict."""

    def terminate(self, instance_ids: Collection[str]) -> None:
        """Terminate instances; one that is gone is a success and no reason to spare the others."""

    def console(self, instance_id: str) -> str:
        """The serial console's last lines; empty when EC2 has none. Raises NotFound."""


class Roles(Protocol):
    """IAM, read only."""

    def policies(self, role_arn: str) -> frozenset[str]:
        """ARNs of the managed policies attached to a role. Raises NotFound."""


class Buildkite(Protocol):
    """The Stacks API.

    Raises Transient for 429 and 5xx, with the wait that Buildkite asked for; Misconfigured for a
    refused token; NotFound for a queue or job that Buildkite does not know.
    """

    def register(self, queue: str, owner: str) -> None:
        """Make the stack known. Raises Misconfigured when the key belongs to another owner."""

    def jobs(self, queue: str) -> Listing:
        """Jobs that could run now, from every page up to a stated limit."""

    def reserve(self, jobs: Sequence[str], seconds: int) -> frozenset[str]:
        """Reserve jobs, or extend their reservations. Returns the jobs that are reserved for us."""

    def environment(self, job: str) -> Mapping[str, str]:
        """A job's environment as Buildkite made it."""

    def states(self, jobs: Sequence[str]) -> Mapping[str, str]:
        """Buildkite's word for each job's state; jobs that it does not know are left out."""

    def tokens(self, jobs: Sequence[str], seconds: int) -> Mapping[str, str]:
        """Acquisition tokens by job; jobs without a reservation of ours are left out."""

    def finish(self, job: str, reason: str) -> None:
        """Fail a job with a reason for its page. Raises Conflict when it is too late for that."""


class Parameters(Protocol):
    """SSM Parameter Store."""

    def under(self, path: str) -> Mapping[str, Parameter]:
        """Every parameter below a path, by full name."""

    def values(self, names: Collection[str]) -> Mapping[str, str]:
        """Plain values by name; names that do not exist are left out."""


class Nudges(Protocol):
    """The queue that makes `provision` run sooner. Losing a nudge loses nothing but time."""

    def send(self, reason: str) -> None:
        """Ask for a tick of `provision`."""


class LastWords(Protocol):
    """The log group where failed hosts can be understood the next morning."""

    def keep(self, stream: str, text: str, at: datetime) -> None:
        """Append one text to a stream, which is made when it does not exist."""

"""The ports: protocols for everything outside the decisions, and their promises.

Every method may raise Transient (the next tick tries again) or Misconfigured (a person must act).
Each method's docstring names its further errors.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from mayfly.answers import (
    Association,
    Ec2Instance,
    Launched,
    Listing,
    Parameter,
    ParameterVersion,
    Role,
)
from mayfly.errors import Failure
from mayfly.records.audit import ParameterChange, ParametersSeen, SpecChange
from mayfly.records.changes import Change
from mayfly.records.found import Found
from mayfly.records.ledger import Ledger
from mayfly.records.model import Claim, Instance, Launch, Lease, QueueRecord, SlotKey, Stray
from mayfly.records.pages import Page
from mayfly.records.prices import Prices
from mayfly.records.standing import Standing
from mayfly.records.states import ClaimState, InstanceState
from mayfly_protocol.order import Order
from mayfly_protocol.report import Report


class Fleet(Protocol):
    """The records.

    The sequences of `queues`, `claims`, `instances`, `launches`, `strays` and `standings` come
    from an index that may lag by moments; unreadable rows are logged and omitted. Consistent reads
    show every earlier write; a read of one record raises Misconfigured for an unreadable row.
    `write` checks versions.
    """

    def queues(self) -> Sequence[QueueRecord]:
        """Known queues. A queue without its stack stays until its last instance has ended."""

    def claims(self, queue: str, states: Collection[ClaimState]) -> Sequence[Claim]:
        """Open claims of a queue in these states; in FAILED and FINISHED, untold ones."""

    def instances(self, queue: str, states: Collection[InstanceState]) -> Sequence[Instance]:
        """Open instances of a queue in these states."""

    def launches(self, queue: str) -> Sequence[Launch]:
        """Open launches of a queue."""

    def strays(self) -> Sequence[Stray]:
        """Recorded strays: EC2 instances with the stack's tag and without a record of their own."""

    def claim(self, job: str) -> Claim | None:
        """The job's claim, open or closed; None when the job has none. Consistent read."""

    def claims_of(self, jobs: Collection[str]) -> Found[Claim]:
        """Claims for these job ids; ids without a claim are omitted. Consistent read.

        The answer names unreadable rows by job id.
        """

    def instance(self, key: SlotKey) -> Instance | None:
        """The instance of a slot, open or closed; None without a record. Consistent read."""

    def instance_of(self, instance_id: str) -> Instance | None:
        """The record of an EC2 instance id; None for an id without a record. Consistent read."""

    def instances_of(self, instance_ids: Collection[str]) -> Found[Instance]:
        """Records of these EC2 instance ids; ids without a record are omitted. Consistent read.

        The answer names unreadable rows by instance id.
        """

    def slots(self, keys: Collection[SlotKey]) -> Found[Instance]:
        """Instances with these keys; keys without a record are omitted. Consistent read.

        The answer names unreadable rows by slot, as text.
        """

    def ledger(self, queue: str) -> Ledger | None:
        """A queue's ledger; None before its first save. Consistent read."""

    def queue(self, queue: str) -> QueueRecord | None:
        """A queue's record, active or not; None for an unknown queue. Consistent read."""

    def standings(self) -> Sequence[Standing]:
        """What each function last said of each queue; up to a day old for a queue that is gone."""

    def standing(self, function: str, queue: str) -> Standing | None:
        """What a function last said of a queue; None before it has. Consistent read."""

    def lease(self) -> Lease | None:
        """The dispatch lease; None before its first holder. Consistent read."""

    def parameters_seen(self) -> Sequence[ParametersSeen]:
        """Parameters as last read for the record of changes, one row a queue. From the index."""

    def prices(self) -> Prices | None:
        """EC2's prices as last read; None when they never were. Consistent read."""

    def write(self, changes: Sequence[Change], fence: int | None = None) -> None:
        """Make all changes or none. With `fence`, only while the lease has this fence.

        Limits: 100 rows, counting one for each change, one for the fence, and one more for each
        instance saved as LAUNCHING with its id. Two changes may only share a row if the row is a
        ledger, or if a save of the lease meets the fence. Raises ValueError beyond these limits.

        Raises Conflict when a record is not at the version that was read, a row for Assign does not
        exist or has an assignment, or the fence has moved on. A repeated write whose first answer
        was lost raises Conflict too: the next tick reads what is there.
        """


class History(Protocol):
    """Closed records by time, the latest first: at most a page of them for each call.

    The pages come from an index that may lag by moments. A record is found by the time of its last
    state, from `start` up to but without `end`; `after` is that of the page before. The index keeps
    records for 30 days, and has none that closed before the index existed.
    """

    def claims(self, queue: str, start: datetime, end: datetime, after: str = "") -> Page[Claim]:
        """Claims of a queue that finished, failed or were released."""

    def instances(
        self, queue: str, start: datetime, end: datetime, after: str = "", most: int | None = None
    ) -> Page[Instance]:
        """Terminated instances of a queue, and slots that EC2 did not fill.

        The page has at most `most` of them, where that is given.
        """

    def launches(self, queue: str, start: datetime, end: datetime, after: str = "") -> Page[Launch]:
        """Settled launches of a queue."""

    def changes(self, start: datetime, end: datetime, after: str = "") -> Page[ParameterChange]:
        """Changes of parameters, of all queues."""

    def spec_changes(self, start: datetime, end: datetime, after: str = "") -> Page[SpecChange]:
        """Changes of specs, of all queues."""


class Mailbox(Protocol):
    """The rows that instances write. A row is `role id:instance id`."""

    def reports(self, rows: Iterable[str]) -> Mapping[str, Report]:
        """Reports by row; rows without a readable report are omitted. Consistent read."""

    def notice(self, row: str, text: str, expires: datetime) -> None:
        """Write a notice of the near end of the host whose row is `row`; it expires at `expires`.

        The notice has a row of its own: see `mayfly_protocol.rows`. A repeated notice changes
        nothing.
        """

    def order(self, row: str, order: Order) -> None:
        """Write the order to start the host whose sandbox row is `row`, in place of an earlier one.

        The order has a row of its own: see `mayfly_protocol.rows`.
        """

    def remove(self, rows: Collection[str]) -> None:
        """Remove rows, and the notices and orders of their hosts; missing rows are ignored."""


class Machines(Protocol):
    """EC2, as far as Mayfly uses it. Instances launched moments ago may be missing in reads."""

    def create_fleet(self, request: str, token: str) -> Launched:
        """Send a recorded CreateFleet request (JSON); the same token gets the same answer.

        Returns the instance ids and errors, also for a partial success. Raises NoCapacity when EC2
        launched nothing for lack of capacity.
        """

    def zones(self, subnets: Collection[str]) -> Mapping[str, str]:
        """Availability zones by subnet id; ids without a subnet are omitted."""

    def instances(self) -> Sequence[Ec2Instance]:
        """Every instance with the stack's tag that EC2 still shows, in any state."""

    def instances_of(self, instance_ids: Collection[str]) -> Sequence[Ec2Instance]:
        """Instances with these ids and the stack's tag, in any state; ids not shown are omitted."""

    def associations(self, instance_ids: Collection[str]) -> Mapping[str, tuple[Association, ...]]:
        """Profile associations by instance id, with an entry for each id.

        Associations in EC2's state `disassociated` are omitted.
        """

    def replace_profile(self, association: str, profile: str) -> None:
        """Replace an association's profile by the profile with this ARN.

        The call is not idempotent: the association gets a new id, and a used id raises Conflict.
        """

    def terminate(self, instance_ids: Collection[str]) -> Mapping[str, str]:
        """Terminate instances. Returns EC2's states after the call by id; ids gone are omitted.

        Raises the first error, after every other instance is terminated.
        """

    def stop(self, instance_ids: Collection[str]) -> Mapping[str, Failure]:
        """Stop running instances; one that is stopped or stopping is no error.

        Returns by id why an instance is not being stopped: NotFound for an unknown id, Conflict
        for one that ends or has just begun to boot, Misconfigured for one that EC2 never stops,
        and Transient where EC2 did not say. Raises nothing: each instance counts by itself.
        """

    def start(self, instance_ids: Collection[str]) -> Mapping[str, Failure]:
        """Start stopped instances; one that runs or boots already is no error.

        Returns by id why an instance is not being started: as `stop`, and NoCapacity where EC2 has
        no place for it at present. Raises nothing: each instance counts by itself.
        """

    def console(self, instance_id: str) -> str:
        """The end of the serial console's output; empty without output. Raises NotFound."""


class Roles(Protocol):
    """IAM, read-only. IAM allows few calls a second, to the whole account."""

    def policies(self, role_arn: str) -> frozenset[str]:
        """ARNs of the managed policies attached to a role. Raises NotFound.

        While AWS does not answer, an earlier answer of any age is returned.
        """

    def role(self, role_arn: str) -> Role:
        """A role with all of its policy documents, as IAM has them now. Raises NotFound.

        Raises Misconfigured for a document that cannot be read: what a role may do is known whole
        or not at all.
        """


class Buildkite(Protocol):
    """The Stacks API.

    Every method raises Transient for 429 and 5xx, with the wait that Buildkite asked for,
    TokenRefused for a refused or unreadable token, Misconfigured for a call that the token may not
    make, and NotFound for an unknown queue or job.
    """

    def register(self, queue: str, owner: str) -> None:
        """Register the stack with one queue; the registration holds for every queue.

        Raises ForeignStack when the key belongs to another owner.
        """

    def jobs(self, queue: str) -> Listing:
        """The queue's jobs that could run now, from all pages up to the adapter's limit."""

    def reserve(self, jobs: Sequence[str], seconds: int, queue: str = "") -> frozenset[str]:
        """Reserve jobs, or extend their reservations, for `seconds` from now.

        `queue`, here and below, is the one queue of all jobs, or empty: a call that Buildkite
        refuses is made again ever more rarely about this queue alone. Without it, the same call is.

        Returns the ids of the jobs that are reserved for this stack; other ids are omitted.
        """

    def environment(self, job: str) -> Mapping[str, str]:
        """A job's environment from Buildkite, by variable name."""

    def states(self, jobs: Sequence[str]) -> Mapping[str, str]:
        """Buildkite's state word by job id; jobs unknown to Buildkite are omitted."""

    def tokens(self, jobs: Sequence[str], seconds: int, queue: str = "") -> Mapping[str, str]:
        """Acquisition tokens, valid for `seconds`, by job id.

        Jobs that this stack has not reserved are omitted.
        """

    def finish(self, job: str, reason: str, queue: str = "") -> None:
        """Fail a job; the job's page shows the reason. Raises Conflict when it is too late."""

    def notify(self, notes: Mapping[str, str]) -> Mapping[str, str]:
        """Add a note to the page of each job; `notes` has the texts by job id.

        Longer texts are cut to 255 bytes. Returns by job id why Buildkite refused the job's note;
        jobs with a note are omitted. A repeated call adds the notes again.
        """


class Parameters(Protocol):
    """SSM Parameter Store."""

    def under(self, path: str) -> Mapping[str, Parameter]:
        """Every parameter below a path, at any depth, by full name; not decrypted."""

    def history(self, name: str) -> Sequence[ParameterVersion]:
        """The versions of a parameter that SSM still has, at most 100, the oldest first.

        Raises NotFound for a parameter that does not exist: SSM keeps no versions of a deleted one.
        """

    def values(self, names: Collection[str]) -> Mapping[str, Parameter | None]:
        """Parameters by name, not decrypted; None for a name that does not exist.

        Names with an unreadable value are omitted. One call for each ten names: SSM's limit.
        """


class PriceList(Protocol):
    """EC2's prices in USD, as decimal text: of instances for an hour with Linux."""

    def on_demand(self, instance_type: str) -> str:
        """The list price of a type; empty where AWS names none, or several."""

    def volume(self) -> str:
        """The list price of a GiB of gp3 storage for a month; empty where AWS names none."""

    def spot(self, instance_types: Sequence[str]) -> Mapping[str, str]:
        """The present spot prices of types, by `zone/type`; pools without a price are omitted."""


class Nudges(Protocol):
    """An SQS queue that makes a function run sooner. A lost nudge costs only time."""

    def send(self, reason: str, after: timedelta = timedelta(0)) -> None:
        """Ask for a tick of the function, at once or after a time of up to 15 minutes."""


class LastWords(Protocol):
    """The log group that keeps the last words of failed hosts for later diagnosis."""

    def keep(self, stream: str, text: str, at: datetime) -> None:
        """Append one text, without secrets, to a stream at time `at`; creates a missing stream."""

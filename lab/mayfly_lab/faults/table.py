"""The one table of all faults: where each strikes, what happens, and an example."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mayfly_lab.faults import values
from mayfly_lab.faults.values import Value

FOREVER: int | None = None


class Part(StrEnum):
    """Where a fault strikes. The value describes the part and the form of its targets."""

    AWS = "calls to AWS (SERVICE:OPERATION)"
    CAPACITY = "capacity of EC2 (TYPE/ZONE or TYPE/SUBNET, optionally with /spot or /on-demand)"
    EC2 = "EC2 (INSTANCE-TYPE)"
    IMDS = "the metadata service of machines (INSTANCE-TYPE or INSTANCE-ID)"
    MACHINE = "machines (INSTANCE-TYPE or INSTANCE-ID)"
    EVENT = "events (SOURCE/DETAIL-TYPE, aws.events/* for schedules, dynamodb, sqs)"
    FUNCTION = "functions (FUNCTION, or FUNCTION/SERVICE:OPERATION right after that call)"
    BUILDKITE = "calls to Buildkite (API.CALL, as stacks.* or agent.finish)"
    QUEUE = "queues at Buildkite (QUEUE)"


@dataclass(frozen=True, slots=True)
class Switch:
    """One kind of fault."""

    part: Part
    meaning: str
    example: str
    """Target and options of an example, without `NAME=`."""
    value: Value | None = None
    """How the option `value` is parsed; None when the fault takes no value."""
    count: int | None = 1
    """Default number of strikes; FOREVER for no limit."""

    @property
    def explained(self) -> str:
        """The meaning, for people: begins with `once:` where the fault strikes once by default."""
        return f"once: {self.meaning}" if self.count == 1 else self.meaning


SWITCHES: dict[str, Switch] = {
    "throttle": Switch(Part.AWS, "the call is throttled", "ec2:CreateFleet,count=3"),
    "bucket": Switch(
        Part.AWS,
        "a bucket of SIZE/PER_SECOND throttles calls",
        "ec2:*,value=5/0.5",
        values.BUCKET,
        FOREVER,
    ),
    "error": Switch(
        Part.AWS,
        "the call fails inside AWS, or with this code",
        "ssm:*,value=InternalError,count=2",
        values.CODE_IF_ANY,
    ),
    "lost-answer": Switch(
        Part.AWS, "the call is carried out, its answer lost", "ec2:CreateFleet,count=2"
    ),
    "latency": Switch(
        Part.AWS,
        "the call takes this much longer",
        "dynamodb:*,value=15ms",
        values.SECONDS,
        FOREVER,
    ),
    "no-capacity": Switch(
        Part.CAPACITY, "EC2 has no capacity", "m7i.*/us-east-1a/spot,for=30s", count=FOREVER
    ),
    "no-capacity-at-start": Switch(
        Part.CAPACITY,
        "EC2 has no capacity to start a stopped instance; launches work",
        "m7i.*/us-east-1a,for=30s",
        count=FOREVER,
    ),
    "partial-fleet": Switch(
        Part.CAPACITY,
        "a launch gets at most this many instances",
        "*,value=1,count=2",
        values.NUMBER,
    ),
    "stillborn": Switch(Part.EC2, "the instance goes from pending to terminated", "m7i.large"),
    "pending-hangs": Switch(
        Part.EC2, "the launched or started instance stays pending", "m7i.large"
    ),
    "stopping-hangs": Switch(Part.EC2, "the instance that is stopped stays stopping", "m7i.large"),
    "describe-lag": Switch(
        Part.EC2,
        "Describe calls show an instance this late",
        "*,value=10s",
        values.SECONDS,
        FOREVER,
    ),
    "spot-notice": Switch(
        Part.EC2,
        "the spot notice comes this long after start",
        "*,value=5s",
        values.SECONDS,
    ),
    "imds-lag": Switch(
        Part.IMDS,
        "a replaced profile is served this late",
        "*,value=30s",
        values.SECONDS,
    ),
    "imds-stuck": Switch(Part.IMDS, "a replaced profile is never served", "*,count=1"),
    "imds-slow": Switch(
        Part.IMDS, "an answer takes this long", "*,value=2s,for=1m", values.SECONDS, FOREVER
    ),
    "imds-silent": Switch(Part.IMDS, "no request is answered", "*,for=10s", count=FOREVER),
    "imds-flapping": Switch(
        Part.IMDS, "old and new profile are served in turn", "*,count=10", count=FOREVER
    ),
    "imds-split": Switch(
        Part.IMDS,
        "the new profile is shown with the old one's role and credentials",
        "*,for=10s",
        count=FOREVER,
    ),
    "imds-error": Switch(
        Part.IMDS,
        "the answer is HTTP 500, or this status",
        "*,value=503,count=5",
        values.STATUS_IF_ANY,
    ),
    "machine-dead": Switch(Part.MACHINE, "the machine has power and never boots", "m7i.large"),
    "machine-dies": Switch(
        Part.MACHINE,
        "the machine loses power this long after power-on",
        "*,value=3s",
        values.SECONDS,
    ),
    "machine-hangs": Switch(
        Part.MACHINE, "the machine hangs this long after power-on", "*,value=3s", values.SECONDS
    ),
    "power-button": Switch(
        Part.MACHINE,
        "the power button is pressed this long after power-on",
        "*,value=5s",
        values.SECONDS,
    ),
    "clock-skew": Switch(
        Part.MACHINE,
        "the clock is off by this much, as AWS sees it",
        "*,value=-10m",
        values.SKEW,
    ),
    "event-lost": Switch(Part.EVENT, "the event never arrives", "aws.ec2/*,for=1m"),
    "event-late": Switch(
        Part.EVENT, "the event arrives this late", "dynamodb,value=5s,count=3", values.SECONDS
    ),
    "event-doubled": Switch(Part.EVENT, "the event arrives twice", "sqs,count=10"),
    "kill": Switch(
        Part.FUNCTION,
        "the function dies, this long into its tick",
        "provision/ec2:CreateFleet",
        values.SECONDS_IF_ANY,
    ),
    "buildkite-answer": Switch(
        Part.BUILDKITE,
        "the call is answered by this status instead",
        "stacks.*,value=429,count=5",
        values.STATUS,
    ),
    "buildkite-lost": Switch(
        Part.BUILDKITE, "the call is carried out, its answer lost", "stacks.batch-reserve"
    ),
    "buildkite-slow": Switch(
        Part.BUILDKITE,
        "carried out this late, maybe after a time-out",
        "stacks.batch-reserve,value=8s",
        values.SECONDS,
    ),
    "buildkite-outage": Switch(
        Part.BUILDKITE, "connections break without an answer", "*,after=5s,for=1m", count=FOREVER
    ),
    "queue-paused": Switch(Part.QUEUE, "the queue is paused", "default,for=20s", count=FOREVER),
    "queue-unknown": Switch(Part.QUEUE, "the queue is removed", "default,for=20s", count=FOREVER),
}

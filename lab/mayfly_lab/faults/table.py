"""The one table of all faults: what can be made to go wrong, where, and how it is written."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mayfly_lab.faults import values
from mayfly_lab.faults.values import Value

FOREVER: int | None = None


class Part(StrEnum):
    """Where a fault strikes; its value says what the targets of such faults are."""

    AWS = "calls to AWS (SERVICE:OPERATION)"
    CAPACITY = "room at EC2 (TYPE/ZONE or TYPE/SUBNET, then /spot or /on-demand if it matters)"
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
    """Target and options, as they are written after `NAME=`."""
    value: Value | None = None
    """What its value is; None: it has none."""
    count: int | None = 1
    """How often it strikes unless the user says."""


SWITCHES: dict[str, Switch] = {
    "throttle": Switch(Part.AWS, "refused as too frequent", "ec2:CreateFleet,count=3"),
    "bucket": Switch(
        Part.AWS,
        "throttled by a bucket of SIZE/PER_SECOND",
        "ec2:*,value=5/0.5",
        values.BUCKET,
        FOREVER,
    ),
    "error": Switch(
        Part.AWS,
        "fail inside AWS, or with this code",
        "ssm:*,value=InternalError,count=2",
        values.CODE_IF_ANY,
    ),
    "lost-answer": Switch(
        Part.AWS, "are carried out, but the answer is lost", "ec2:CreateFleet,count=2"
    ),
    "latency": Switch(
        Part.AWS, "take so much longer", "dynamodb:*,value=15ms", values.SECONDS, FOREVER
    ),
    "no-capacity": Switch(
        Part.CAPACITY, "there is none", "m7i.*/us-east-1a/spot,for=30s", count=FOREVER
    ),
    "partial-fleet": Switch(
        Part.CAPACITY, "a launch gets this many at most", "*,value=1,count=2", values.NUMBER
    ),
    "stillborn": Switch(Part.EC2, "goes from pending to terminated", "m7i.large"),
    "describe-lag": Switch(
        Part.EC2,
        "shows so late in Describe calls",
        "*,value=10s",
        values.SECONDS,
        FOREVER,
    ),
    "spot-notice": Switch(
        Part.EC2, "spot: noticed so long after it runs", "*,value=5s", values.SECONDS
    ),
    "imds-lag": Switch(
        Part.IMDS, "serves a replaced profile so late", "*,value=30s", values.SECONDS
    ),
    "imds-stuck": Switch(Part.IMDS, "never serves a replaced profile", "*,count=1"),
    "imds-slow": Switch(Part.IMDS, "answers so late", "*,value=2s,for=1m", values.SECONDS, FOREVER),
    "imds-silent": Switch(Part.IMDS, "never answers", "*,for=10s", count=FOREVER),
    "imds-flapping": Switch(
        Part.IMDS, "shows old and new profile in turn", "*,count=10", count=FOREVER
    ),
    "imds-error": Switch(
        Part.IMDS,
        "answers HTTP 500, or this status",
        "*,value=503,count=5",
        values.STATUS_IF_ANY,
    ),
    "machine-dead": Switch(Part.MACHINE, "has power and never boots", "m7i.large"),
    "machine-dies": Switch(
        Part.MACHINE, "loses its power so long after power on", "*,value=3s", values.SECONDS
    ),
    "machine-hangs": Switch(
        Part.MACHINE, "stands still so long after power on", "*,value=3s", values.SECONDS
    ),
    "clock-skew": Switch(
        Part.MACHINE, "its clock is off by so much, as AWS sees it", "*,value=-10m", values.SKEW
    ),
    "event-lost": Switch(Part.EVENT, "never arrives", "aws.ec2/*,for=1m"),
    "event-late": Switch(
        Part.EVENT, "arrives so late", "dynamodb,value=5s,count=3", values.SECONDS
    ),
    "event-doubled": Switch(Part.EVENT, "arrives twice", "sqs,count=10"),
    "kill": Switch(
        Part.FUNCTION,
        "dies in mid-tick, so long into it",
        "provision/ec2:CreateFleet",
        values.SECONDS_IF_ANY,
    ),
    "buildkite-answer": Switch(
        Part.BUILDKITE,
        "answered by this status instead",
        "stacks.*,value=429,count=5",
        values.STATUS,
    ),
    "buildkite-lost": Switch(
        Part.BUILDKITE, "carried out, but the answer is lost", "stacks.batch-reserve"
    ),
    "buildkite-slow": Switch(
        Part.BUILDKITE,
        "done so late, when nobody may wait any more",
        "stacks.batch-reserve,value=8s",
        values.SECONDS,
    ),
    "buildkite-outage": Switch(
        Part.BUILDKITE, "connections break without an answer", "*,after=5s,for=1m", count=FOREVER
    ),
    "queue-paused": Switch(Part.QUEUE, "somebody paused it", "default,for=20s", count=FOREVER),
    "queue-unknown": Switch(Part.QUEUE, "somebody removed it", "default,for=20s", count=FOREVER),
}

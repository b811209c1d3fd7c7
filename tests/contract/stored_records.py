"""The records in `stored_rows.json`: every kind in every state, bare and full.

The rows are data, written by Mayfly as of 2026-11-28, before records had a table of states. Never
generate the rows anew: the tables of running stacks hold rows like them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from mayfly.config.queue import QueueConfig, Script
from mayfly.config.rules import Condition, Rule
from mayfly.config.schedule import Schedule
from mayfly.records.ledger import Ledger
from mayfly.records.model import (
    Claim,
    Instance,
    Launch,
    Lease,
    Pinned,
    QueueRecord,
    Record,
    Shape,
    SlotKey,
    Step,
    Stray,
)
from mayfly.records.states import ClaimState, InstanceState, LaunchState

CLAIM_STATES = ("waiting", "assigned", "running", "finished", "released", "failed")
INSTANCE_STATES = (
    "requested", "launching", "booting", "bootstrapped", "swapping", "ready", "assigned",
    "running", "done", "condemned", "terminated",
)  # fmt: skip
LAUNCH_STATES = ("open", "settled")

NOW = datetime(2026, 11, 20, 9, 30, 0, 250000, tzinfo=UTC)
EARLIER = datetime(2026, 11, 20, 8, 59, 59, tzinfo=UTC)
SHAPE = Shape("deploy", "x86_64", ("m7i.large", "m7a.large"), "spot-then-on-demand")
PINNED = Pinned("arn:bootstrap", "arn:sandbox", "AROABOOT", "AROASAND", script_minutes=15)
STEPS = (Step("waiting", EARLIER, "Buildkite lists it"), Step("assigned", NOW, "bound to i-1é"))
CONFIG = QueueConfig(
    queue="deploy",
    hot=Schedule(2),
    max_idle=timedelta(hours=3),
    max_instances=9,
    max_launches_per_minute=7,
    architecture="arm64",
    instance_types=("m7g.large", "c7g.xlarge"),
    purchase="spot",
    tags={"team": "build"},
    max_minutes=300,
    attempts=2,
    root="yes",
    imds="off",
    rules=(Rule("main", (Condition("branch", ("main", "release")), Condition("fork", ("no",)))),),
    repository_from="/repositories/{pipeline}",
    paused=True,
    script=Script("s3://bucket/script", 12, 4),
    agent_config="debug=true",
    keep_failed=timedelta(minutes=20),
)


def claims() -> Iterator[Claim]:
    """Each state, bare and full; a failed claim both told to Buildkite and not yet told."""
    for state in map(ClaimState, CLAIM_STATES):
        bare = Claim(f"bare-{state}", "deploy", SHAPE, state, since=NOW, runnable_at=EARLIER)
        yield bare
        yield replace(
            bare,
            job=f"full-{state}",
            attempt=2,
            priority=-7,
            pipeline="web",
            build=41,
            step="test é",
            repository="git@example.org:acme/web.git",
            reserved_until=NOW + timedelta(minutes=5),
            slot=SlotKey("full", 3),
            token_until=NOW + timedelta(minutes=4),
            reason="bound to i-1é",
            history=STEPS,
            version=9,
        )
    failed = Claim("untold", "deploy", SHAPE, ClaimState.FAILED, NOW, EARLIER, told=False)
    yield replace(failed, reason="no rule allows it", version=1)


def launches() -> Iterator[Launch]:
    """Each state, bare and full."""
    for state in map(LaunchState, LAUNCH_STATES):
        bare = Launch(
            id=f"bare-{state}",
            queue="deploy",
            shape=SHAPE,
            state=state,
            since=NOW,
            created=EARLIER,
            request='{"LaunchTemplateConfigs":[]}',
            slots=2,
            spec="spec-1",
            market="spot",
        )
        yield bare
        yield replace(
            bare,
            id=f"full-{state}",
            errors=("InsufficientInstanceCapacity: none left", "another"),
            reason="EC2 launched 1 of 2",
            history=(Step("open", EARLIER, "more is wanted"),),
            version=2,
        )


def instances() -> Iterator[Instance]:
    """Each state, bare and full."""
    for number, state in enumerate(map(InstanceState, INSTANCE_STATES)):
        bare = Instance(
            key=SlotKey("bare", number),
            queue="deploy",
            shape=SHAPE,
            state=state,
            since=NOW,
            created=EARLIER,
            spec="spec-1",
            pinned=replace(PINNED, script_minutes=0),
        )
        yield bare
        yield replace(
            bare,
            key=SlotKey("full", number),
            pinned=PINNED,
            instance_id=f"i-{number}",
            boot="boot-1",
            job=f"job-{number}",
            max_minutes=720,
            proven=True,
            ended_job="the agent ended with exit code 0",
            unseen_since=NOW - timedelta(seconds=1),
            words_kept=True,
            reason="bound to job",
            history=STEPS,
            version=7,
        )


def others() -> Iterator[Record]:
    """Kinds without states, bare and full."""
    yield Ledger("bare", epoch=EARLIER)
    yield Ledger(
        queue="deploy",
        epoch=EARLIER,
        next_launch=3,
        live=5,
        freed=4,
        recent=((NOW, 2), (NOW - timedelta(seconds=30), 3)),
        retry_at={str(SHAPE): NOW + timedelta(seconds=5)},
        misses={str(SHAPE): 2},
        spot_dry_until={str(SHAPE): NOW + timedelta(minutes=3)},
        version=12,
    )
    yield QueueRecord("bare", infra="{}", config="", spec="")
    yield QueueRecord(
        queue="deploy",
        infra='{"architectures": {}}',
        config=CONFIG.to_json(),
        spec="spec-1",
        problems=("pool/hot: 'x' is no number",),
        active=False,
        version=3,
    )
    yield Stray("i-stray", EARLIER)
    yield Stray("i-stray-seen", EARLIER, version=1)
    yield Lease("invocation-1", 17, NOW + timedelta(seconds=15), version=4)


def all_records() -> list[Record]:
    """One record for each row, in the order of the file."""
    return [*claims(), *launches(), *instances(), *others()]

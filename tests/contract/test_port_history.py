"""History: closed records are found by queue and time, page by page, the latest first.

Held by the fake and by DynamoDB alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any, TypeAlias

import pytest

from mayfly.adapters.dynamodb.records import KEEP_CLOSED
from mayfly.ports import History
from mayfly.records.changes import Save
from mayfly.records.model import SlotKey, saved
from mayfly.records.pages import Page, read_all
from mayfly.records.phases import Phases
from mayfly.records.states import ClaimState, InstanceState, LaunchState
from tests.contract.fleet_worlds import DynamoWorld, World
from tests.contract.sample_records import (
    NOW,
    a_change,
    a_claim,
    a_launch,
    a_spec_change,
    an_instance,
)

HOUR = timedelta(hours=1)
FINISHED, TERMINATED = ClaimState.FINISHED, InstanceState.TERMINATED
Reader: TypeAlias = Callable[[History], Page[Any]]

PRICED: dict[str, Any] = {
    "instance_type": "m7i.large",
    "zone": "eu-central-1a",
    "market": "spot",
    "price": "0.0412",
    "end_price": "0.0398",
}
PHASES = Phases(reserved=NOW, assigned=NOW, accepted=NOW, finished=NOW)


@pytest.mark.parametrize(
    ("record", "read"),
    [
        (a_claim(state=FINISHED, phases=PHASES), lambda h: h.claims("deploy", NOW, NOW + HOUR)),
        (
            an_instance(state=TERMINATED, **PRICED),
            lambda h: h.instances("deploy", NOW, NOW + HOUR),
        ),
        (a_launch(state=LaunchState.SETTLED), lambda h: h.launches("deploy", NOW, NOW + HOUR)),
        (a_change(who="arn:aws:iam::1:user/bob"), lambda h: h.changes(NOW, NOW + HOUR)),
        (a_change(new=None, number=0), lambda h: h.changes(NOW, NOW + HOUR)),
        (a_spec_change(), lambda h: h.spec_changes(NOW, NOW + HOUR)),
    ],
)
def test_a_closed_record_is_found_by_the_time_of_its_end(
    fleet_world: World, record: Any, read: Reader
) -> None:
    history = fleet_world.history(10)
    assert read(history) == Page(())
    fleet_world.fleet.write([Save(record)])
    assert read(history) == Page((saved(record),))


@pytest.mark.parametrize(
    ("before", "after", "read"),
    [
        (
            a_claim(state=ClaimState.RUNNING),
            a_claim(state=FINISHED),
            lambda h: h.claims("deploy", NOW, NOW + HOUR),
        ),
        (
            a_claim(state=ClaimState.FAILED, told=False),
            a_claim(state=ClaimState.FAILED),
            lambda h: h.claims("deploy", NOW, NOW + HOUR),
        ),
        (
            an_instance(state=TERMINATED, owes_words=True),
            an_instance(state=TERMINATED),
            lambda h: h.instances("deploy", NOW, NOW + HOUR),
        ),
        (
            a_launch(),
            a_launch(state=LaunchState.SETTLED),
            lambda h: h.launches("deploy", NOW, NOW + HOUR),
        ),
    ],
)
def test_a_record_is_found_only_once_it_is_closed(
    fleet_world: World, before: Any, after: Any, read: Reader
) -> None:
    history = fleet_world.history(10)
    fleet_world.fleet.write([Save(before)])
    assert read(history) == Page(())
    fleet_world.fleet.write([Save(replace(after, version=1))])
    assert read(history).records == (replace(after, version=2),)


def test_the_start_is_in_a_span_of_time_and_the_end_is_not(fleet_world: World) -> None:
    ends = [
        NOW,
        NOW + timedelta(microseconds=1),
        NOW + HOUR - timedelta(microseconds=1),
        NOW + HOUR,
    ]
    for number, at in enumerate(ends):
        fleet_world.fleet.write([Save(a_claim(f"job-{number}", state=FINISHED, since=at))])
    history = fleet_world.history(10)

    def jobs(start: datetime, end: datetime) -> list[str]:
        return [claim.job for claim in history.claims("deploy", start, end).records]

    assert jobs(NOW, NOW + HOUR) == ["job-2", "job-1", "job-0"]
    assert jobs(NOW + HOUR, NOW + 2 * HOUR) == ["job-3"]
    assert jobs(NOW, NOW) == jobs(NOW + HOUR, NOW) == []
    elsewhere = timezone(timedelta(hours=5, minutes=30))
    assert jobs(NOW.astimezone(elsewhere), (NOW + HOUR).astimezone(elsewhere)) == jobs(
        NOW, NOW + HOUR
    )


def test_whole_seconds_sort_between_their_fractions(fleet_world: World) -> None:
    whole = NOW.replace(microsecond=0)
    for job, at in (
        ("whole", whole),
        ("before", whole - timedelta(milliseconds=1)),
        ("behind", whole + timedelta(milliseconds=1)),
    ):
        fleet_world.fleet.write([Save(a_claim(job, state=FINISHED, since=at))])
    found = fleet_world.history(10).claims("deploy", whole - HOUR, whole + HOUR)
    assert [claim.job for claim in found.records] == ["behind", "whole", "before"]


def test_kinds_and_queues_are_kept_apart(fleet_world: World) -> None:
    claim, other = a_claim(state=FINISHED), a_claim("job-2", queue="other", state=FINISHED)
    instance, launch = an_instance(state=TERMINATED), a_launch(state=LaunchState.SETTLED)
    fleet_world.fleet.write([Save(each) for each in (claim, other, instance, launch, a_change())])
    history = fleet_world.history(10)
    assert history.claims("deploy", NOW, NOW + HOUR).records == (saved(claim),)
    assert history.claims("other", NOW, NOW + HOUR).records == (saved(other),)
    assert history.instances("deploy", NOW, NOW + HOUR).records == (saved(instance),)
    assert history.launches("deploy", NOW, NOW + HOUR).records == (saved(launch),)
    assert history.changes(NOW, NOW + HOUR).records == (saved(a_change()),)
    assert history.claims("nobody", NOW, NOW + HOUR) == Page(())


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
def test_pages_together_have_every_record_once(fleet_world: World, size: int) -> None:
    # Two at each time: a page may end between records of one time.
    claims = [
        a_claim(f"job-{number}", state=FINISHED, since=NOW + timedelta(seconds=number // 2))
        for number in range(7)
    ]
    for claim in claims:
        fleet_world.fleet.write([Save(claim)])
    history = fleet_world.history(size)
    sizes = []

    def page(after: str) -> Page[Any]:
        found = history.claims("deploy", NOW, NOW + HOUR, after)
        sizes.append(len(found.records))
        return found

    read = read_all(page, most=100)
    assert read.records == tuple(saved(claim) for claim in reversed(claims))
    assert (read.complete, max(sizes)) == (True, min(size, 7))


def test_reading_ends_at_the_limit_and_says_that_older_records_are_left(fleet_world: World) -> None:
    for number in range(5):
        at = NOW + timedelta(seconds=number)
        fleet_world.fleet.write([Save(a_claim(f"job-{number}", state=FINISHED, since=at))])
    history = fleet_world.history(2)

    def read(most: int) -> tuple[list[str], bool]:
        found = read_all(lambda after: history.claims("deploy", NOW, NOW + HOUR, after), most)
        return [claim.job for claim in found.records], found.complete

    assert read(3) == (["job-4", "job-3", "job-2"], False)
    assert read(5) == (["job-4", "job-3", "job-2", "job-1", "job-0"], True)


# -- in DynamoDB -----------------------------------------------------------------------------------


def test_a_closed_row_expires_after_thirty_days_and_an_open_row_never(dynamo: DynamoWorld) -> None:
    closed = int((NOW + KEEP_CLOSED).timestamp())
    dynamo.fleet.write([Save(a_claim("open")), Save(a_claim("closed", state=FINISHED))])
    dynamo.fleet.write([Save(a_change())])
    assert "expires" not in dynamo.item("fleet", pk="claim#open")
    assert dynamo.item("fleet", pk="claim#closed")["expires"] == closed
    assert dynamo.item("fleet", pk=f"change#{a_change().id}")["expires"] == closed


def test_an_open_row_has_no_key_of_the_index_and_leaves_none_behind(dynamo: DynamoWorld) -> None:
    dynamo.fleet.write([Save(a_claim())])
    assert not {"closed_queue", "closed_at"} & dynamo.item("fleet", pk="claim#job-1").keys()
    dynamo.fleet.write([Save(a_claim(state=FINISHED, version=1))])
    row = dynamo.item("fleet", pk="claim#job-1")
    assert not {"open_queue", "open_state"} & row.keys()
    assert row["closed_at"] == "claim#2026-11-20T09:30:00.250000+00:00#job-1"


def test_a_row_that_cannot_be_read_hides_no_other(dynamo: DynamoWorld) -> None:
    dynamo.fleet.write([Save(a_claim("bad", state=FINISHED)), Save(a_claim(state=FINISHED))])
    dynamo.client.update_item(
        TableName="fleet",
        Key={"pk": {"S": "claim#bad"}},
        UpdateExpression="SET attempt = :text",
        ExpressionAttributeValues={":text": {"S": "two"}},
    )
    found = dynamo.history(10).claims("deploy", NOW, NOW + HOUR)
    assert [claim.job for claim in found.records] == ["job-1"]
    assert found.unreadable == ("claim#bad",)


def test_the_longest_name_of_a_parameter_fits_the_keys(dynamo: DynamoWorld) -> None:
    """DynamoDB: 2,048 bytes of a partition key, 1,024 of a sort key; SSM: 1,011 of a name."""
    change = a_change("/mayfly/acme/queues/" + "x" * 991)
    dynamo.fleet.write([Save(change)])
    row = dynamo.item("fleet", pk=f"change#{change.id}")
    assert len(row["closed_at"]) < 1024
    assert dynamo.history(10).changes(NOW, NOW + HOUR).records == (saved(change),)


def test_a_page_of_instances_may_be_smaller(fleet_world: World) -> None:
    for number in range(3):
        at = NOW + timedelta(minutes=number)
        key = SlotKey(f"launch-{number}", 0)
        fleet_world.fleet.write([Save(an_instance(state=TERMINATED, key=key, since=at))])
    history = fleet_world.history(10)
    page = history.instances("deploy", NOW, NOW + HOUR, most=2)
    assert [each.key.launch for each in page.records] == ["launch-2", "launch-1"]
    rest = history.instances("deploy", NOW, NOW + HOUR, page.after, most=2)
    assert [each.key.launch for each in rest.records] == ["launch-0"]
    assert len(fleet_world.history(2).instances("deploy", NOW, NOW + HOUR, most=9).records) == 2

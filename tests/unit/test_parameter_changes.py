"""Each change of a parameter is recorded: name, old, new, when, and who where AWS says so."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from mayfly.adapters.dynamodb.records import to_item
from mayfly.answers import Parameter, ParameterVersion
from mayfly.errors import Misconfigured, Transient
from mayfly.events import ParameterCall
from mayfly.provision import audit
from mayfly.provision.changes import LARGEST_GROUP, MOST_VERSIONS, changes, fitted, groups
from mayfly.records.audit import LastSeen, ParameterChange, ParametersSeen
from mayfly.records.bounds import LONGEST_VALUE
from mayfly.tick.outcome import Outcome
from tests.unit.builders import NOW, STACK, later
from tests.unit.world import World

HOT = f"/mayfly/{STACK}/queues/deploy/pool/hot"
PAUSED = f"/mayfly/{STACK}/queues/deploy/paused"
ALICE, BOB = "arn:aws:iam::1:user/alice", "arn:aws:iam::1:user/bob"


class Audited:
    """A world whose parameters were read once; `reads` reads them again and gives the changes."""

    def __init__(self) -> None:
        self.world = World()
        self.ports = self.world.provision_ports
        self.put, self.remove = self.world.parameters.put, self.world.parameters.remove
        self.outcome = Outcome()
        self.reads(NOW)

    def reads(self, at: datetime) -> None:
        read = self.world.parameters.under(f"/mayfly/{STACK}")
        audit.record_changes(self.ports, read, self.outcome, at)

    @property
    def told(self) -> list[tuple[str, str | None, str | None, datetime, str]]:
        """Last part of the name, old, new, time, who: the oldest first."""
        found = self.ports.history.changes(NOW.replace(year=1970), later(600)).records
        return [(c.name.rpartition("/")[2], c.old, c.new, c.at, c.who) for c in reversed(found)]


@pytest.fixture
def audited() -> Audited:
    return Audited()


# -- from read to read -----------------------------------------------------------------------------


def test_a_new_value_is_told_with_the_old_one_its_time_and_who_wrote_it(audited: Audited) -> None:
    audited.put(HOT, "3", later(1), ALICE)
    audited.reads(later(2))
    audited.put(HOT, "5", later(3), BOB)
    audited.reads(later(4))
    audited.reads(later(5))
    assert audited.told == [
        ("hot", None, "3", later(1), ALICE),
        ("hot", "3", "5", later(3), BOB),
    ]


def test_two_changes_between_two_reads_are_both_told(audited: Audited) -> None:
    audited.put(HOT, "3", later(1), ALICE)
    audited.reads(later(2))
    audited.put(HOT, "50", later(3), BOB)
    audited.put(HOT, "3", later(4), ALICE)  # and put back: the value alone would show nothing
    audited.reads(later(5))
    assert audited.told[1:] == [
        ("hot", "3", "50", later(3), BOB),
        ("hot", "50", "3", later(4), ALICE),
    ]


def test_a_deletion_is_told_with_the_last_value_when_it_is_missed(audited: Audited) -> None:
    audited.put(HOT, "3", later(1), ALICE)
    audited.put(PAUSED, "true", later(1), ALICE)
    audited.reads(later(2))
    audited.remove(HOT)
    audited.reads(later(3))
    audited.reads(later(4))
    assert audited.told[2:] == [("hot", "3", None, later(3), "")]


def test_the_deletion_of_all_parameters_of_a_queue_is_told_and_its_row_goes(
    audited: Audited,
) -> None:
    lonely = f"/mayfly/{STACK}/queues/lonely/pool/hot"
    before = {each.group for each in audited.world.fleet.all(ParametersSeen)}
    audited.put(lonely, "3", later(1))
    audited.reads(later(2))
    after = {each.group for each in audited.world.fleet.all(ParametersSeen)}
    assert after - before == {"lonely"}
    audited.remove(lonely)
    audited.reads(later(3))
    assert audited.told[1:] == [("hot", "3", None, later(3), "")]
    assert {each.group for each in audited.world.fleet.all(ParametersSeen)} == before


@pytest.mark.parametrize("puts", [1, 2, 4])
def test_a_parameter_that_is_deleted_and_made_anew_between_two_reads_is_told_as_such(
    audited: Audited, puts: int
) -> None:
    """Its versions begin at 1 again, and may pass the version that was seen before."""
    audited.put(HOT, "3", later(1))
    audited.put(HOT, "4", later(2))
    audited.reads(later(3))
    audited.remove(HOT)
    for number in range(puts):
        audited.put(HOT, f"new {number}", later(4 + number), BOB)
    audited.reads(later(30))
    assert audited.told[2:4] == [
        ("hot", "4", None, later(4) - timedelta(milliseconds=1), ""),
        ("hot", None, "new 0", later(4), BOB),
    ]
    assert len(audited.told) == 2 + 1 + puts


def test_the_first_read_of_all_is_only_remembered_and_later_queues_are_told() -> None:
    world = World()
    world.parameters.put(HOT, "3", later(1))
    read = world.parameters.under(f"/mayfly/{STACK}")
    audit.record_changes(world.provision_ports, read, Outcome(), later(2))
    assert world.fleet.all(ParameterChange) == []
    world.parameters.put(f"/mayfly/{STACK}/queues/new/pool/hot", "1", later(3))
    world.parameters.put(f"/mayfly/{STACK}/queue/deploy/pool/hot", "1", later(3))
    read = world.parameters.under(f"/mayfly/{STACK}")
    audit.record_changes(world.provision_ports, read, Outcome(), later(4))
    assert {change.name for change in world.fleet.all(ParameterChange)} == {
        f"/mayfly/{STACK}/queues/new/pool/hot",
        f"/mayfly/{STACK}/queue/deploy/pool/hot",
    }


def test_an_unchanged_read_writes_nothing_and_asks_for_no_history(audited: Audited) -> None:
    audited.put(HOT, "3", later(1))
    audited.reads(later(2))
    writes, asked = audited.world.fleet.calls["write"], audited.world.parameters.calls["history"]
    audited.reads(later(3))
    assert audited.world.fleet.calls["write"] == writes
    assert audited.world.parameters.calls["history"] == asked == 1


# -- what AWS does not say, or says late -----------------------------------------------------------


def test_a_stale_read_is_no_change(audited: Audited) -> None:
    """SSM may list a value, or the lack of one, that is older than what it listed before."""
    audited.put(HOT, "3", later(1))
    old = audited.world.parameters.under(f"/mayfly/{STACK}")
    audited.put(HOT, "5", later(2))
    audited.put(PAUSED, "true", later(2))
    audited.reads(later(3))
    told = audited.told
    audit.record_changes(audited.ports, old, audited.outcome, later(4))
    audited.reads(later(5))
    assert audited.told == told


def test_without_the_right_to_the_history_a_change_is_told_without_who(audited: Audited) -> None:
    audited.put(HOT, "3", later(1), ALICE)
    audited.put(HOT, "4", later(2), ALICE)
    audited.world.parameters.fail_next("history", Misconfigured("AccessDenied"))
    audited.reads(later(3))
    assert audited.told == [("hot", None, "4", later(2), "")]
    audited.put(HOT, "5", later(4), ALICE)
    audited.world.parameters.fail_next("history", Misconfigured("AccessDenied"))
    audited.reads(later(5))
    assert audited.told[1:] == [("hot", "4", "5", later(4), "")]


def test_a_throttled_history_leaves_the_change_to_the_next_tick(audited: Audited) -> None:
    audited.put(HOT, "3", later(1), ALICE)
    audited.world.parameters.fail_next("history", Transient("throttled"))
    audited.reads(later(2))
    assert audited.told == []
    assert audited.outcome.unfinished
    audited.reads(later(3))
    assert audited.told == [("hot", None, "3", later(1), ALICE)]


def test_a_lost_answer_tells_nothing_twice(audited: Audited) -> None:
    audited.put(HOT, "3", later(1), ALICE)
    audited.world.fleet.fail_next("write", Transient("lost"), done=True)
    audited.reads(later(2))
    audited.reads(later(3))
    assert audited.told == [("hot", None, "3", later(1), ALICE)]


def test_one_tick_asks_for_a_few_histories_and_the_next_go_on(audited: Audited) -> None:
    for number in range(25):
        audited.put(f"{HOT}-{number:02}", "1", later(1))
    for tick, told in ((2, 10), (3, 20), (4, 25), (5, 25)):
        audited.reads(later(tick))
        assert len(audited.told) == told


# -- who -------------------------------------------------------------------------------------------


def test_cloudtrail_names_who_deleted_a_parameter(audited: Audited) -> None:
    audited.put(HOT, "3", later(1), ALICE)
    audited.reads(later(2))
    audited.remove(HOT)
    audited.reads(later(3))
    audited.put(HOT, "7", later(4), ALICE)
    audited.reads(later(5))
    audit.name_who(audited.ports, ParameterCall((HOT,), BOB, later(2, seconds=40)), Outcome())
    assert [(new, who) for _, _, new, _, who in audited.told] == [
        ("3", ALICE),
        (None, BOB),
        ("7", ALICE),
    ]


@pytest.mark.parametrize(
    "call",
    [
        ParameterCall((HOT,), BOB, later(60)),
        ParameterCall((PAUSED,), BOB, later(3)),
        ParameterCall((HOT,), BOB, later(3), number=2),
        ParameterCall((), BOB, later(3)),
        ParameterCall(("/mayfly/other/queues/deploy/pool/hot",), BOB, later(3)),
    ],
)
def test_an_event_about_something_else_names_nobody(audited: Audited, call: ParameterCall) -> None:
    audited.put(HOT, "3", later(1), ALICE)
    audited.reads(later(2))
    audited.remove(HOT)
    audited.reads(later(3))
    audit.name_who(audited.ports, call, Outcome())
    assert [who for *_, who in audited.told] == [ALICE, ""]


def test_an_event_that_comes_twice_names_the_second_deletion_not_anew(audited: Audited) -> None:
    audited.put(HOT, "3", later(1), ALICE)
    audited.reads(later(2))
    audited.remove(HOT)
    audited.reads(later(3))
    for who in (BOB, ALICE):
        audit.name_who(audited.ports, ParameterCall((HOT,), who, later(3)), Outcome())
    assert audited.told[-1][-1] == BOB


# -- size and secrets ------------------------------------------------------------------------------


def test_values_are_cut_and_without_secrets(audited: Audited) -> None:
    token = "bkua_" + "a1" * 20
    audited.put(HOT, f"token {token} " + "é" * 3000, later(1))
    audited.reads(later(2))
    ((_, _, new, _, _),) = audited.told
    assert new is not None
    assert token not in new
    assert len(new.encode()) <= LONGEST_VALUE
    assert token not in str([to_item(each) for each in audited.world.fleet.all(ParametersSeen)])


def test_the_row_of_a_queue_has_room_for_whatever_people_write() -> None:
    """An item has at most 400 KB; SSM takes 10,000 parameters with names of 1,011 characters."""
    for count, name, value in ((1, 10, 8000), (400, 60, 4096), (10_000, 1000, 4096)):
        seen = {
            f"{number:05}{'n' * name}": LastSeen(1, "é" * (value // 2), NOW)
            for number in range(count)
        }
        row = ParametersSeen("deploy", fitted(seen))
        assert len(str(to_item(row)).encode()) < 390_000
        assert len(row.parameters) == count or count == 10_000


def test_of_many_versions_the_latest_are_told() -> None:
    versions = [ParameterVersion(n, str(n), later(n)) for n in range(1, 101)]
    found = changes(HOT, LastSeen(50, "50", later(50)), Parameter("100", 100), versions, NOW)
    assert [change.number for change in found] == [*range(101 - MOST_VERSIONS, 101)]
    assert (found[0].old, found[0].new) == ("80", "81")


def test_parameters_are_grouped_by_queue() -> None:
    one = Parameter("1", 1)
    read = {HOT: one, f"/mayfly/{STACK}/x": one, f"/mayfly/{STACK}/queues/deploy": one}
    assert {group: set(names) for group, names in groups(STACK, read).items()} == {
        "deploy": {HOT},
        "": {f"/mayfly/{STACK}/x", f"/mayfly/{STACK}/queues/deploy"},
    }
    assert LARGEST_GROUP < 400_000


def test_a_tick_records_changes_after_everything_else(audited: Audited) -> None:
    """Through the function's own tick, whose reads of SSM are the ones that are compared."""
    world = audited.world
    world.provision()
    world.parameters.put(HOT, "1", later(1), ALICE)
    world.fleet.fail_next("parameters_seen", Transient("throttled"))
    world.provision()
    world.provision()
    assert [(new, who) for name, _, new, _, who in audited.told if name == "hot"] == [("1", ALICE)]

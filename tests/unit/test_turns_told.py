"""Whoever is told of a job's place is told the order in which jobs get instances."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mayfly.dispatch import notes
from mayfly.dispatch.notes import PATIENCE
from mayfly.records.model import Claim, QueueRecord
from mayfly.records.states import ClaimState
from mayfly_cli.explain.result import explain_job
from mayfly_cli.operations.reading import QueueView
from tests.unit.builders import QUEUE
from tests.unit.world import World, a_world

LIMITED = {"limits/max-instances": "2"}
IN_TURN = ["urgent-1", "api-1", "web-3", "web-4", "web-5"]
"""The order of the waiting jobs below: web has two jobs on instances. By age alone all of web's
jobs would come before the job of api."""


def a_full_queue() -> World:
    """A queue with two instances on their way for web, and five jobs that wait for places."""
    world = a_world(**LIMITED)
    world.schedule("web-1", "web-2", pipeline="web")
    world.dispatch()
    world.provision()
    world.make_ready()
    world.dispatch()
    for name in ("web-3", "web-4", "web-5"):
        world.after(seconds=1).schedule(name, pipeline="web")
    world.after(seconds=1).schedule("api-1", pipeline="api")
    world.after(seconds=1).schedule("urgent-1", pipeline="web", priority=1)
    world.dispatch()
    return world


def test_the_log_names_the_jobs_that_a_limit_holds_in_turn() -> None:
    world = a_full_queue()
    (held,) = world.provision().held.values()
    assert [claim.job for claim in held.jobs] == IN_TURN


def test_jobs_over_the_limit_of_their_pipeline_do_not_wait_for_the_limit_of_the_queue() -> None:
    world = a_full_queue()
    world.configure(**{"limits/per-pipeline": "2"})
    (held,) = world.provision().held.values()
    assert [claim.job for claim in held.jobs] == ["api-1"]


def test_a_page_tells_a_jobs_place_in_turn() -> None:
    world = a_full_queue()
    for _ in range(2):
        world.provision()
        world.after(seconds=PATIENCE.total_seconds()).dispatch()
    said = [world.buildkite.known[job].notes[-1] for job in IN_TURN]
    places = ["1st", "2nd", "3rd", "4th", "5th"]
    assert [note.rpartition("its limit. ")[2] for note in said] == [
        f"{place} in line." for place in places
    ]


def test_the_jobs_whose_turn_is_first_are_told_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "SAVED_AT_ONCE", 2)
    world = a_full_queue()
    world.provision()
    world.after(seconds=(PATIENCE + timedelta(seconds=1)).total_seconds()).dispatch()
    assert [job for job in IN_TURN if world.buildkite.known[job].notes] == IN_TURN[:2]


def test_explain_tells_a_jobs_place_in_turn() -> None:
    world = a_full_queue()
    (record,) = world.fleet.all(QueueRecord)
    view = QueueView(record, None, tuple(world.fleet.claims(QUEUE, frozenset(ClaimState))))
    explained = [
        explain_job(world.claim(job), None, view, world.clock.now).place for job in IN_TURN
    ]
    assert explained == [1, 2, 3, 4, 5]
    assert {c.job for c in world.fleet.all(Claim) if c.state.traits.waits} == set(IN_TURN)

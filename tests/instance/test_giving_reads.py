"""Reads of a job's secrets by the whole supervisor: pages, limits, throttling."""

from __future__ import annotations

from typing import Any

import pytest

from mayfly_instance.aws import Unavailable
from mayfly_instance.parameter_store import Reader
from tests.instance.fakes import FakeCloud, credentials
from tests.instance.giving import PATH, at_the_start, policy
from tests.instance.worlds import World


def test_a_folder_of_many_pages_is_read_whole(ready: World) -> None:
    ready.cloud.page = 3
    for number in range(10):
        ready.cloud.lay_down(f"{PATH}/app/env/a{number}", "x")

    assert at_the_start(ready)["variables"].count("export A") == 10


def test_a_folder_without_end_refuses_the_job(ready: World) -> None:
    ready.cloud.page = 0
    ready.cloud.lay_down(f"{PATH}/app/env/a", "x")
    ready.run()

    assert policy(ready)["refused"].endswith(f"{PATH}/app has more than 100 pages of parameters")


def test_a_folder_with_too_much_refuses_the_job(ready: World) -> None:
    for number in range(130):
        ready.cloud.lay_down(f"{PATH}/app/env/a{number}", "x" * 8192)
    ready.run()

    assert policy(ready)["refused"].endswith(f"{PATH}/app has more than 1024 KB of values")


class Throttled(FakeCloud):
    """Refuses the first calls of each kind."""

    refusals = 3

    def parameters_below(self, *args: Any, **more: Any) -> Any:
        if self.refusals:
            self.refusals -= 1
            raise Unavailable("ssm: 400 ThrottlingException: Rate exceeded")
        return super().parameters_below(*args, **more)


def test_throttling_is_waited_out(ready: World) -> None:
    ready.cloud.__class__ = Throttled
    ready.cloud.lay_down(f"{PATH}/app/env/a", "x")

    assert at_the_start(ready)["variables"] == "export A=x\n"


def test_throttling_without_end_refuses_the_job(ready: World) -> None:
    ready.cloud.throttled = {"parameters_below"}
    ready.run()

    assert "cannot be read: 400 ThrottlingException" in policy(ready)["refused"]
    assert ready.phases[-1] == "done"


def test_a_throttled_call_is_tried_again_for_its_limit(ready: World) -> None:
    ready.cloud.throttled = {"parameters_below"}
    reader = Reader(ready.cloud, credentials("sandbox"), ready.clock, patience=30)
    with pytest.raises(Unavailable):
        reader.folder(PATH)

    assert 10 < ready.clock.seconds() <= 30
    assert 4 <= ready.cloud.asked.count("parameters_below") <= 20

"""What commands say of queues that go, and of changes whose end is not seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mayfly.records.changes import Save
from mayfly_cli.operations.tuning import StackParameters
from tests.cli.operations import faults
from tests.cli.operations.conftest import StackInMoto
from tests.cli.operations.faults import (
    CHANGING,
    OPERATORS,
    run,
    struck,
)
from tests.cli.real_account import Run, one_line


def test_a_queue_that_is_being_deleted_is_shown_and_takes_no_change(busy: StackInMoto) -> None:
    busy.fleet.write([Save(replace(busy.row(), active=False))])
    for name in OPERATORS:
        ended = run(busy, name)
        if name in CHANGING:
            assert "queue deploy is being deleted: its stack is gone" in one_line(ended)
        else:
            assert ended.status in {0, 1}, ended
            assert ended.err == ""


def test_status_says_that_a_queue_is_being_deleted(busy: StackInMoto) -> None:
    busy.fleet.write([Save(replace(busy.row(), active=False))])
    assert "BEING DELETED" in run(busy, "status").out


@pytest.mark.parametrize("name", ["get", *CHANGING])
def test_a_queue_that_has_been_deleted_is_unknown(busy: StackInMoto, name: str) -> None:
    words = ("gone", *OPERATORS[name][1:])
    assert "the stack has no queue gone" in one_line(busy.run(name, *words))


def test_a_queue_that_is_deleted_while_the_tool_waits_is_told(busy: StackInMoto) -> None:
    def delete(seconds: float = 0) -> None:
        busy.fleet.write([Save(replace(busy.row(), active=False))])

    busy.provision_runs = False
    busy.provision = delete  # type: ignore[method-assign]
    ended = run(busy, "set")
    assert ended.status == 1
    assert "written, but the queue has been deleted meanwhile" in ended.out


# -- what was written is never hidden --------------------------------------------------------------


class ThrottledAfterWrite:
    """Throttles every read of a record once a parameter has been written."""

    def __init__(self) -> None:
        self.written = False

    def __call__(self, model: Any, **_: Any) -> Any:
        self.written = self.written or model.name == "PutParameter"
        throttled = self.written and model.name == "GetItem"
        return faults.answered("ThrottlingException", "") if throttled else None


@pytest.mark.parametrize("name", ["set", "pause", "recycle"])
def test_an_error_after_the_write_does_not_hide_the_write(busy: StackInMoto, name: str) -> None:
    busy.provision_runs = False
    with struck(busy.account, "before-call", ThrottledAfterWrite()):
        ended = run(busy, name)
    assert ended.status == 1
    said = " ".join(ended.out.split())
    assert "written; whether it is in force is not known: AWS answers ThrottlingException" in said


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("set", "stopped; pool/hot is written, and mayfly get deploy says whether it is in force"),
        ("pause", "stopped; paused is written, and mayfly get deploy says whether it is in force"),
    ],
)
def test_ctrl_c_after_the_write_does_not_hide_the_write(
    busy: StackInMoto, name: str, says: str
) -> None:
    def stop(seconds: float = 0) -> None:
        raise KeyboardInterrupt

    busy.provision = stop  # type: ignore[method-assign]
    ended = run(busy, name)
    assert ended == Run(130, "", f"mayfly {name}: {says}\n")


def test_a_write_whose_answer_was_lost_is_no_change_of_somebody_else(
    busy: StackInMoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = StackParameters._unchanged

    def first(self: StackParameters, queue: str, name: str, known: Any) -> None:
        checked(self, queue, name, known)
        busy.put(name, "7")

    monkeypatch.setattr(StackParameters, "_unchanged", first)
    ended = run(busy, "set")
    assert (ended.status, "lost" in ended.out) == (0, False)
    ended = busy.run("set", "deploy", "job/attempts", "7")
    assert ended.status == 0


@pytest.mark.parametrize("name", ["status --watch=1s", "explain app/812 --watch=1s"])
def test_ctrl_c_ends_a_watch_in_one_line(busy: StackInMoto, name: str) -> None:
    def stop(seconds: float = 0) -> None:
        raise KeyboardInterrupt

    busy.provision = stop  # type: ignore[method-assign]
    ended = busy.run(*name.split())
    assert (ended.status, ended.err) == (130, f"mayfly {name.split(maxsplit=1)[0]}: stopped\n")


def test_ctrl_c_while_a_drain_waits_says_that_the_queue_stays_paused(busy: StackInMoto) -> None:
    provision = busy.provision

    def stop(seconds: float = 0) -> None:
        provision(seconds)
        if seconds >= 2:
            raise KeyboardInterrupt

    busy.provision = stop  # type: ignore[method-assign]
    ended = busy.run("drain", "deploy", "--wait")
    assert ended.status == 130
    assert ended.err == "mayfly drain: stopped; queue deploy stays paused: mayfly resume deploy\n"
    assert busy.value("paused") == "true"


def test_a_drain_ends_when_somebody_resumes_the_queue(busy: StackInMoto) -> None:
    provision = busy.provision

    def resume(seconds: float = 0) -> None:
        if seconds >= 2:
            busy.put("paused", "false")
        provision(seconds)

    busy.provision = resume  # type: ignore[method-assign]
    ended = busy.run("drain", "deploy", "--wait")
    assert ended.status == 1
    assert "not drained: somebody has resumed the queue meanwhile" in ended.out


def test_a_drain_tells_each_change_once(busy: StackInMoto) -> None:
    provision, looks = busy.provision, list[float]()

    def look(seconds: float = 0) -> None:
        provision(seconds)
        looks.append(seconds)
        if looks.count(2.0) == 5:
            raise KeyboardInterrupt

    busy.provision = look  # type: ignore[method-assign]
    ended = busy.run("drain", "deploy", "--wait")
    assert ended.out.count("1 running") == 1

"""Log lines of the control plane carry allow-listed fields, and never a record."""

from __future__ import annotations

import ast
import logging
import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path

import pytest

from mayfly.errors import Misconfigured, Transient
from mayfly.records.model import Shape, SlotKey
from mayfly.records.states import InstanceState
from tests.architecture.modules import MAYFLY, ROOT, tree
from tests.unit.builders import QUEUE
from tests.unit.world import a_warm_world, wanting

SUBJECTS = {
    "queue", "queues", "job", "jobs", "pipeline", "pipelines",
    "instance", "instances", "launch", "launches", "code", "codes",
}  # fmt: skip
ALLOWED = {*SUBJECTS, "outcome"}
"""Every field that a line may have besides those of Powertools; docs/operating.md has them all."""
MAKERS = {"fields", "about", "about_changes", "merged"}
"""The functions of `records/about.py`, which take names out of records and nothing else."""
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
NAMES = (Shape, SlotKey)
"""Values that are names of things."""
STANDARD = set(vars(logging.makeLogRecord({})))


def log_calls(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(tree(path)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=attr)) if (
                attr in LEVELS
            ):
                yield node
            case _:
                continue


def is_allowed(extra: ast.expr) -> bool:
    """Whether the expression can only be fields of SUBJECTS, or names its fields itself."""
    match extra:
        case ast.Call(func=ast.Name(id=name)):
            return name in MAKERS
        case ast.Attribute(attr="about") | ast.Name(id="about"):
            return True  # `Fields` by its type: mypy holds it, the next test holds its makers.
        case ast.Dict(keys=keys):
            return {key.value for key in keys if isinstance(key, ast.Constant)} <= ALLOWED
        case _:
            return False


def test_extra_fields_of_a_log_line_are_made_by_the_allow_list() -> None:
    extra = {
        f"{name}:{call.lineno}": keyword.value
        for name, path in MAYFLY.items()
        for call in log_calls(path)
        for keyword in call.keywords
        if keyword.arg == "extra"
    }
    assert len(extra) > 10
    assert [place for place, value in extra.items() if not is_allowed(value)] == []


def test_a_module_logs_only_through_its_logger() -> None:
    calls = [call for path in MAYFLY.values() for call in log_calls(path)]
    assert len(calls) > 20
    for name, path in MAYFLY.items():
        text = path.read_text()
        assert not re.search(r"\bprint\(|logging\.(info|warning|error|debug|exception)\(", text), (
            name
        )


def test_the_documented_fields_are_those_of_the_allow_list() -> None:
    page = (ROOT / "docs/operating.md").read_text("utf-8")
    table = page[page.index("\n## Logs\n") : page.index("The way of one job through all functions")]
    assert set(re.findall(r"`(\w+)`", table)) >= ALLOWED


def test_lines_of_whole_stories_have_allowed_fields_and_no_records(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "mayfly")
    world = wanting("job-1", "job-2")
    world.configure(**{"bootstrap/script": "s3://scripts/mayfly/x.sh"})
    world.machines.fail_next("create_fleet", Transient("500"))
    for _ in range(2):
        world.provision()
    world.make_ready()
    world.dispatch()
    for instance in world.instances(InstanceState.ASSIGNED):
        world.report(instance, "failed", reason="no space left")
    world.reap()
    world.configure(**{"pool/hot": "many"})
    world.provision()
    warm = a_warm_world()
    warm.schedule("job-3")
    for error in (Transient("503"), Misconfigured("403"), None):
        if error is not None:
            warm.buildkite.fail_next("reserve", error)
        warm.dispatch()
    assert len(caplog.records) > 15
    for line in caplog.records:
        values = line.args if isinstance(line.args, tuple) else (line.args,)
        records = [v for v in (line.msg, *values) if is_dataclass(v) and not isinstance(v, NAMES)]
        assert records == [], line.getMessage()
        extra = set(vars(line)) - STANDARD - {"message", "asctime", "taskName"}
        assert extra <= ALLOWED, line.getMessage()
    assert {QUEUE} == {line.__dict__["queue"] for line in caplog.records if "queue" in vars(line)}

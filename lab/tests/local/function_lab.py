"""A small function with everything that its worker needs, without the rest of AWS."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from local.aws_lab import FAST
from mayfly_lab.aws.cloud import Cloud
from mayfly_lab.aws.config import LabConfig
from mayfly_lab.aws.front.journal import Journal
from mayfly_lab.aws.functions.environment import ExecutionEnvironment, FunctionSpec, Outcome
from mayfly_lab.aws.functions.fork_server import ForkServer
from mayfly_lab.aws.functions.functions import Functions
from mayfly_lab.aws.world import World
from mayfly_lab.contracts import Keys

FAILED = Outcome("r", error={"errorType": "E", "errorMessage": "m"})
ARN = "arn:aws:lambda:us-east-1:123456789012:function:mayfly-echo"
CODE = """
import json, os, pathlib, subprocess, sys, time
import helper

def handler(event, context):
    print("handling", json.dumps(event))
    match event.get("do"):
        case "fail":
            raise ValueError("as asked")
        case "sleep":
            pathlib.Path(event["file"]).write_text(str(os.getpid()))
            time.sleep(event["seconds"])
        case "spawn":
            child = subprocess.Popen(["sleep", "300"])
            pathlib.Path(event["file"]).write_text(str(child.pid))
            time.sleep(300)
        case "exit":
            os._exit(3)
        case "environment":
            return dict(os.environ)
        case "path":
            return sys.path
        case "context":
            return {
                "request": context.aws_request_id,
                "left": context.get_remaining_time_in_millis(),
                "arn": context.invoked_function_arn,
                "name": context.function_name,
                "memory": context.memory_limit_in_mb,
            }
        case "unserialisable":
            return object()
    return {"echo": event, "helper": helper.NAME, "pid": os.getpid()}
"""


def spec(home: Path, **changes: Any) -> FunctionSpec:
    """The function `mayfly-echo`; its code and a layer are written below `home`."""
    code, layer = home / "task", home / "layer"
    code.mkdir(exist_ok=True)
    layer.mkdir(exist_ok=True)
    (code / "app.py").write_text(textwrap.dedent(CODE))
    (layer / "helper.py").write_text("NAME = 'from the layer'\n")
    plain = FunctionSpec(
        name="mayfly-echo",
        arn=ARN,
        handler="app.handler",
        timeout=30.0,
        memory=512,
        variables={"GREETING": "hello"},
        role_arn="arn:aws:iam::123456789012:role/echo",
        code=code,
        layers=(layer,),
        log=home / "echo.log",
        log_group="/aws/lambda/mayfly-echo",
    )
    return replace(plain, **changes)


def keys(number: int = 0) -> Keys:
    expires = datetime.now(UTC) + timedelta(hours=1)
    return Keys(f"ASIA{number:016}", "secret", "token", expires)


def environment(
    a_spec: FunctionSpec, fork_server: ForkServer, number: int = 0
) -> ExecutionEnvironment:
    return ExecutionEnvironment(
        a_spec, keys(number), "us-east-1", "http://127.0.0.1:1", fork_server
    )


@contextmanager
def a_world(home: Path, **options: Any) -> Iterator[World]:
    """The parts of a local AWS for functions and triggers; moto is not started."""
    config = LabConfig(home=home, delays=FAST, **options)
    world = World(config, Cloud(config.region), Journal(home / "journal.jsonl"))
    world.timers.start()
    yield world
    world.timers.stop()
    world.journal.close()
    assert world.timers.failures == []


@contextmanager
def functions(world: World, *specs: FunctionSpec) -> Iterator[Functions]:
    """The functions of an account."""
    numbers = iter(range(1000))
    running = Functions(
        world, lambda each, fork_server: environment(each, fork_server, next(numbers))
    )
    for each in specs:
        running.add(each)
    yield running
    running.close()


class CountedFunctions:
    """Functions that end with the given results in order, and with success after those."""

    def __init__(self, a_spec: FunctionSpec, *ends: Outcome | type[Exception]) -> None:
        self._spec = a_spec
        self._ends = list(ends)
        self.events: list[Any] = []

    def spec(self, name: str) -> FunctionSpec:
        assert name in {self._spec.name, self._spec.arn}
        return self._spec

    def invoke(self, name: str, event: Any) -> Outcome:
        self.events.append(event)
        end = self._ends.pop(0) if self._ends else Outcome("r")
        if isinstance(end, Outcome):
            return end
        raise end(name)

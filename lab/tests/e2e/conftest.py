"""A lab for each file and agent; the jobs of all selected kinds run concurrently in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import ModuleType

import pytest

from buildkite_emulator import PipelineError
from e2e.kinds import KINDS, Kind
from e2e.runs import Run, Runs
from mayfly_lab.lab import LabChoices
from stories.stage import BOOT, QUICK, a_stage

REAL, STAND_IN = "buildkite-agent", "stand-in"
_AGENT = shutil.which(REAL)
_NO_AGENT = f"there is no {REAL} on PATH: only the stand-in shows what it can"
QUEUE = "jobs"
POOL, AT_MOST = "3", "6"
"""Hot machines, and the limit of machines at a time: as many as two cores run without delay."""


def pytest_report_header() -> str:
    return f"agents: {STAND_IN}, {_AGENT or f'no {REAL} on PATH'}"


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(REAL, marks=pytest.mark.skipif(not _AGENT, reason=_NO_AGENT)),
        STAND_IN,
    ],
)
def runs(request: pytest.FixtureRequest) -> Iterator[Runs]:
    """The file's lab, with a build of every selected kind already pushed."""
    with ExitStack() as closing:
        choices = _choices(request.module, request.param)
        arrange = getattr(request.module, "arrange", None)
        if arrange is not None:
            choices = arrange(choices, closing)
        stage = closing.enter_context(a_stage(choices))
        runs = Runs(stage)
        prepare = getattr(request.module, "prepare", None)
        if prepare is not None:
            prepare(runs)
        stage.ready(QUEUE, int(choices.parameters[QUEUE]["pool/hot"]))
        # Slow kinds are last in their file, so the reverse order starts them first.
        for kind in reversed(list(_wanted(request))):
            if not runs.against(kind):
                with suppress(PipelineError):  # the kind's own test raises the error again
                    runs.start(kind)
        yield runs


@pytest.fixture
def run(runs: Runs, request: pytest.FixtureRequest) -> Run:
    """The build of the test's kind."""
    kind = KINDS[request.function.__name__]
    if against := runs.against(kind):
        pytest.skip(against)
    return runs.start(kind)


def _choices(module: ModuleType, agent: str) -> LabChoices:
    asked: Mapping[str, Mapping[str, str]] = getattr(module, "PARAMETERS", {})
    jobs = {"pool/hot": POOL, "limits/max-instances": AT_MOST, **asked.get(QUEUE, {})}
    parameters = {QUEUE: jobs, **{queue: asked[queue] for queue in asked if queue != QUEUE}}
    return LabChoices(
        queues=tuple(parameters),
        agent=Path(_AGENT) if _AGENT and agent == REAL else None,
        delays=QUICK,
        boot_seconds=BOOT,
        parameters=parameters,
    )


def _wanted(request: pytest.FixtureRequest) -> Iterator[Kind]:
    """The kinds of this file and agent with a selected test."""
    for item in request.session.items:
        if isinstance(item, pytest.Function) and item.module is request.module:
            # A story without a kind checks the whole lab.
            kind = KINDS.get(item.originalname)
            if kind and item.callspec.params["runs"] == request.param:
                yield kind

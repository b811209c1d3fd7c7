"""Labs for attacks in both places, and the matrix at the end of the run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from attacks.attempts import Attempt, Attempts
from attacks.collector import Collector
from attacks.matrix import Matrix, Result, Tries, Try
from attacks.rows import Chapter, Code, Place, chapters, row_of
from mayfly_lab.lab import LabChoices
from mayfly_lab.machines.ground import Ground, Kind
from stories.stage import BOOT, QUICK, Stage, a_stage
from whole.machines import a_whole_stage

_AGENT = shutil.which("buildkite-agent")
_SEEN = "seen"
PATIENCE = 300.0
"""Seconds until a wait gives up: an attack that is refused late is refused, too."""
_PLACES = {
    Place.LAB: pytest.param(Place.LAB, id=str(Place.LAB)),
    Place.WHOLE: pytest.param(Place.WHOLE, id=str(Place.WHOLE), marks=pytest.mark.whole),
}
Seen = Callable[[str], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-attacks", action="store_true", help="fail if an attack that can be tried was not"
    )


class _ByFileAndPlace(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """The attacks of a file in one place share a lab, so one process tries them."""

    def _split_scope(self, nodeid: str) -> str:
        return f"{nodeid.partition('::')[0]} {nodeid.rpartition('[')[2]}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return _ByFileAndPlace(config, log)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Try each attack in all of its places; other tests where any attack of the file is tried."""
    if "place" not in metafunc.fixturenames:
        return
    row = row_of(metafunc.function)
    every = [each.places for value in vars(metafunc.module).values() if (each := row_of(value))]
    wanted = set(row.places if row else [place for places in every for place in places])
    places = [_PLACES[place] for place in Place if place in wanted]
    metafunc.parametrize("place", places, scope="module", indirect=True)


@pytest.fixture(scope="module")
def place(request: pytest.FixtureRequest) -> Place:
    return Place(request.param)


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """The attacker's own server."""
    found = Collector()
    yield found
    found.stop()


@pytest.fixture(scope="module")
def stage(place: Place, collector: Collector, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A lab with the queues of the file: `PARAMETERS`, and its `SCRIPTS` and `STACKS`, if any.

    `furnish` of the file, if there is one, makes what its jobs need before they are pushed.
    """
    choices = choices_of(request.module, collector)
    opened = a_namespace_stage(choices) if place is Place.LAB else a_container_stage(choices)
    with opened as stage:
        stage.patience = max(stage.patience, PATIENCE)
        getattr(request.module, "furnish", lambda _: None)(stage)
        yield stage


def choices_of(module: ModuleType, collector: Collector) -> LabChoices:
    scripts: Mapping[str, str] = getattr(module, "SCRIPTS", {})
    return LabChoices(
        queues=tuple(module.PARAMETERS),
        agent=Path(_AGENT) if _AGENT else None,
        delays=getattr(module, "DELAYS", QUICK),
        boot_seconds=BOOT,
        parameters=module.PARAMETERS,
        stacks=getattr(module, "STACKS", {}),
        scripts={queue: s.replace("$COLLECTOR", collector.url) for queue, s in scripts.items()},
        doors=[collector.door],
        further_queues=getattr(module, "FURTHER_QUEUES", ()),
    )


@contextmanager
def a_namespace_stage(choices: LabChoices) -> Iterator[Stage]:
    if os.geteuid() != 0:
        pytest.skip("machines with users and a network of their own need root")
    with a_stage(choices) as stage:
        ground = stage.lab.ground
        if not isinstance(ground, Ground) or ground.kind is not Kind.NAMESPACES:
            pytest.skip(f"no machines with users and a network of their own: {stage.lab.machines}")
        yield stage


@contextmanager
def a_container_stage(choices: LabChoices) -> Iterator[Stage]:
    with a_whole_stage(
        queues=choices.queues,
        parameters=choices.parameters,
        scripts=choices.scripts,
        delays=choices.delays,
        doors=choices.doors,
    ) as stage:
        yield stage


@pytest.fixture(scope="module")
def attempts(
    stage: Stage, place: Place, collector: Collector, request: pytest.FixtureRequest
) -> Iterator[Attempts]:
    """The job code of all selected attacks of the file in this place, already pushed.

    `step` of the file, if there is one, returns more attributes of the step.
    """
    step: Mapping[str, Any] = getattr(request.module, "step", lambda _: {})(stage)
    found = Attempts(stage, collector, dict(_codes(request, place)), step)
    found.push()
    yield found
    found.let_go()


def _codes(request: pytest.FixtureRequest, place: Place) -> Iterator[tuple[str, Code]]:
    for item in request.session.items:
        if isinstance(item, pytest.Function) and item.module is request.module:
            row = row_of(item.function)
            if row and row.code and item.callspec.params["place"] is place:
                yield item.originalname, row.code


@pytest.fixture
def attempt(attempts: Attempts, request: pytest.FixtureRequest) -> Attempt:
    """The attack of this test, by job code."""
    name = request.function.__name__
    return Attempt(attempts, name, attempts.codes[name])


@pytest.fixture
def seen(request: pytest.FixtureRequest) -> Seen:
    """Keeps what a test has seen, for the matrix."""

    def keep(text: str) -> None:
        request.node.user_properties.append((_SEEN, text))

    return keep


# ---------------------------------------------------------------- the matrix


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run of all attacks fails for an attack that was not tried."""
    config = session.config
    if _shows(config) and session.exitstatus == 0 and _matrix(config).bad():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if _shows(config):
        for line in _matrix(config).lines():
            terminalreporter.write_line(line)


def _tries_all(config: pytest.Config) -> bool:
    """Whether this run selects every attack."""
    some = config.option.lf or config.option.keyword or config.option.markexpr
    return not some and any(Path(arg).resolve() == Path(__file__).parent for arg in config.args)


def _shows(config: pytest.Config) -> bool:
    """Whether this is the process that shows results, in a run of all attacks."""
    return bool(config.getoption("--all-attacks")) and not hasattr(config, "workerinput")


def _matrix(config: pytest.Config) -> Matrix:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    assert isinstance(reporter, pytest.TerminalReporter)
    reports = {
        kind: [each for each in reporter.stats.get(kind, ()) if hasattr(each, "nodeid")]
        for kind in ("passed", "failed", "error", "skipped")
    }
    tries = dict(_tries(reports))
    return Matrix(list(chapters()) if _tries_all(config) else _only(tries), tries)


def _only(tries: Tries) -> list[Chapter]:
    """The rows that were tried."""
    return [
        replace(chapter, rows=rows)
        for chapter in chapters()
        if (
            rows := [
                (n, r) for n, r in chapter.rows if any((chapter.name, n, p) in tries for p in Place)
            ]
        )
    ]


def _tries(
    reports: Mapping[str, list[pytest.TestReport]],
) -> Iterator[tuple[tuple[str, str, Place], Try]]:
    """A later try of the same attack in the same place replaces an earlier one."""
    rows = {(c.name, name): row for c in chapters() for name, row in c.rows}
    for kind, each in ((kind, report) for kind, found in reports.items() for report in found):
        file, _, name = each.nodeid.partition("::")
        test, _, parameter = name.partition("[")
        key = (Path(file).stem, test)
        if key not in rows:
            continue
        place = Place(parameter.removesuffix("]")) if parameter else rows[key].places[0]
        yield (*key, place), _try(kind, each, remains=bool(rows[key].remains))


def _try(kind: str, report: pytest.TestReport, *, remains: bool) -> Try:
    seen = "; ".join(str(text) for name, text in report.user_properties if name == _SEEN)
    match kind:
        case "passed" if seen:
            return Try(Result.REMAINS if remains else Result.REFUSED, seen)
        case "skipped":
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
            return Try(Result.IMPOSSIBLE, str(reason).removeprefix("Skipped: "))
        case "failed":
            return Try(Result.SUCCEEDED, f"the test failed: {_last_line(report)}")
        case _:
            return Try(Result.UNTRIED, f"the test did not come to its end: {_last_line(report)}")


def _last_line(report: pytest.TestReport) -> str:
    return (report.longreprtext.strip().splitlines() or ["no result"])[-1]

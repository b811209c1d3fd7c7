"""Direction of imports, purity of decisions, place of clock and environment."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.modules import (
    CONTROL_PLANE_RUNS,
    HOST,
    MAYFLY,
    ROOT,
    SHARED,
    every_import,
    imported,
    modules,
    part,
    reach,
    roots,
    tracked,
    tree,
)

OURS = {
    "mayfly", "mayfly_protocol", "mayfly_instance", "mayfly_lab", "mayfly_fakes", "mayfly_cli",
    "buildkite_emulator", "functions", "build", "tests",
}  # fmt: skip

FUNCTIONS = ("dispatch", "provision", "sandbox", "reap")
IMPURE = {
    "asyncio", "boto3", "botocore", "http", "io", "logging", "multiprocessing", "os", "pathlib",
    "random", "requests", "secrets", "shutil", "socket", "ssl", "subprocess", "sys", "tempfile",
    "threading", "time", "urllib", "uuid",
}  # fmt: skip
CLOCKS = {"now", "utcnow", "today", "monotonic", "time_ns", "perf_counter"}
WORLD = {"boto3", "botocore", "requests", "urllib3", "aws_lambda_powertools"}


A_FUNCTION_MAY_IMPORT = {
    "answers", "batched", "config", "errors", "events", "iam", "metrics", "ports", "protocol",
    "records", "scrubbing", "tick",
}  # fmt: skip
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "records": {"errors", "protocol"},
    "answers": set(),
    "iam": {"answers", "protocol"},
    "batched": set(),
    "ports": {"answers", "errors", "protocol", "records"},
    "metrics": set(),
    "tick": {"answers", "errors", "metrics", "ports", "records"},
    "config": {"answers", "errors", "protocol", "records", "scrubbing"},
    "adapters": {
        "answers",
        "batched",
        *("errors", "iam", "metrics", "observe", "protocol", "records", "scrubbing"),
    },
    **{function: A_FUNCTION_MAY_IMPORT for function in FUNCTIONS},  # noqa: C420 - sets are not copied
}
"""By part: the other parts that it may import. docs/architecture.md has the same table."""

REACHES_OUT = {
    "apply", "audit", "candidates", "confirmed", "environments", "gather", "gather_power",
    "job_states", "lease", "long_reads", "loop", "parameter_reads", "power", "read_roles",
    "refresh", "refresh_prices", "rhythm", "state_reads", "tick", "unlisted",
}  # fmt: skip
"""Modules of a function that call ports or log. Every other module of a function is pure."""
PURE = {
    *(
        name
        for name in MAYFLY
        if part(name) in FUNCTIONS and name.split(".")[-1] not in REACHES_OUT
    ),
    *(name for name in MAYFLY if part(name) in {"answers", "batched", "iam", "metrics", "records"}),
    *SHARED,
    "mayfly.config.rules",
    "mayfly.config.shapes",
    "mayfly.tick.actions",
    "mayfly.tick.purchase",
}
"""Modules of decisions and of their values: no clock, no environment, no randomness, no I/O."""


# -- one way ---------------------------------------------------------------------------------------


def test_the_control_plane_imports_only_itself_and_the_protocol() -> None:
    assert len(MAYFLY) > 200
    others = OURS - {"mayfly", "mayfly_protocol"}
    assert {name for name, path in MAYFLY.items() if roots(path) & others} == set()


def test_the_protocol_imports_only_the_standard_library() -> None:
    assert strange(SHARED.values(), {"mayfly_protocol"}) == {}


def test_the_host_imports_only_the_protocol_and_the_standard_library() -> None:
    assert strange(HOST.rglob("*.py"), {"mayfly_instance", "mayfly_protocol"}) == {}


def strange(paths: Iterable[Path], ours: set[str]) -> dict[str, set[str]]:
    """By file: what it imports besides these packages and the standard library."""
    known = ours | set(sys.stdlib_module_names)
    found = {str(path.relative_to(ROOT)): roots(path) - known for path in paths}
    assert len(found) > 20
    return {name: imports for name, imports in found.items() if imports}


def test_the_file_of_handlers_is_short_and_imports_only_mayfly() -> None:
    path = ROOT / "functions/app.py"
    assert roots(path) & OURS == {"mayfly"}
    assert len(path.read_text().splitlines()) < 20


def test_each_function_has_a_handler() -> None:
    found = {name.rpartition(".")[2] for name in imported(ROOT / "functions/app.py")}
    assert found >= set(FUNCTIONS)
    assert [path.name for path in tracked("functions/**.py")] == ["app.py"]


EMULATOR = modules(ROOT / "lab/buildkite_emulator")


@pytest.mark.parametrize("name", sorted(EMULATOR))
def test_the_emulator_of_buildkite_knows_nothing_of_mayfly(name: str) -> None:
    """Imports for type checkers alone count too."""
    found = {module.partition(".")[0] for module in every_import(EMULATOR[name])}
    assert found & OURS <= {"buildkite_emulator"}
    assert "mayfly" not in EMULATOR[name].read_text().lower()


LAB = {"mayfly_lab", "buildkite_emulator", *(path.name for path in ROOT.glob("lab/tests/*"))}
"""Packages of `lab/`, with its tests, which are packages too."""


MENTION = re.compile(rf"^\s*(?:from|import)\s.*\b(?:{'|'.join(sorted(LAB))})\b", re.MULTILINE)
"""What every import of the lab matches, and little else: a file is parsed only then."""


def test_nothing_imports_the_lab() -> None:
    """Imports for type checkers alone count too."""
    others = [
        path for path in tracked("*.py", "scripts/*") if "lab" not in path.relative_to(ROOT).parts
    ]
    assert len(others) > 200
    found = {
        f"{path.relative_to(ROOT)}: {module}"
        for path in others
        if MENTION.search(path.read_text())
        for module in every_import(path)
        if module.partition(".")[0] in LAB
    }
    assert not found


@pytest.mark.parametrize(
    ("folder", "below"),
    [
        ("cli", {"mayfly", "mayfly_instance", "mayfly_protocol", "mayfly_cli"}),
        ("build", {"build", "mayfly", "mayfly_protocol", "mayfly_cli"}),
        ("lab/mayfly_fakes", {"mayfly_fakes", "mayfly", "mayfly_protocol"}),
    ],
)
def test_tools_import_only_the_parts_below_them(folder: str, below: set[str]) -> None:
    strange = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in tracked(f"{folder}/**.py")
        for name in (roots(path) & OURS) - below
    }
    assert not strange


COMMAND_LINE_FILES = {
    "command.py", "command_line.py", "completion.py", "main.py", "options.py", "parameter_types.py",
}  # fmt: skip


def test_operators_commands_import_click_only_in_their_command_line_files() -> None:
    found = {path for path in tracked("cli/**.py") if "click" in roots(path)}
    assert {path.name for path in found} == COMMAND_LINE_FILES
    ours = {
        path: {name for name in imported(path) if name.split(".")[-1] in {"command", "main"}}
        for path in tracked("cli/**.py")
        if path.name not in COMMAND_LINE_FILES
    }
    assert not {path: names for path, names in ours.items() if names}


def test_only_adapters_observe_and_wiring_import_aws_and_http_libraries() -> None:
    found = {name for name, path in MAYFLY.items() if roots(path) & WORLD}
    assert any(name.startswith("mayfly.adapters.") for name in found)
    inner = {name for name in found if not name.startswith("mayfly.adapters.")}
    assert inner <= {"mayfly.observe", "mayfly.wiring"}


FUNCTION_MODULES = sorted(name for name in MAYFLY if part(name) in FUNCTIONS)


def test_a_part_imports_only_the_parts_below_it() -> None:
    wrong = {}
    for name in (name for name in MAYFLY if part(name) in MAY_IMPORT):
        parts = {part(each) for each in imported(MAYFLY[name]) if each in CONTROL_PLANE_RUNS}
        wrong[name] = parts - {"", part(name)} - MAY_IMPORT[part(name)]
    assert len(wrong) > 150
    assert {name: parts for name, parts in wrong.items() if parts} == {}


def test_a_function_imports_no_adapter() -> None:
    assert len(FUNCTION_MODULES) > 80
    imports = {name: imported(MAYFLY[name]) for name in FUNCTION_MODULES}
    wrong = {(n, each) for n, found in imports.items() for each in found if "adapters" in each}
    assert wrong == set()


# -- pure decisions --------------------------------------------------------------------------------


DISPATCH_DECIDES = ("settled", "opened", "bound")
"""Modules of dispatch with a decision, one for each of its questions; other functions have one."""


def test_every_function_decides_in_a_pure_module() -> None:
    questions = {f"mayfly.dispatch.{name}" for name in DISPATCH_DECIDES}
    others = {f"mayfly.{function}.decide" for function in FUNCTIONS if function != "dispatch"}
    assert questions | others <= PURE


def test_the_reach_of_a_decision_includes_the_protocol() -> None:
    shared = {"mayfly_protocol.rules", "mayfly_protocol.repository"}
    assert shared <= reach("mayfly.dispatch.opened")
    assert "mayfly_protocol.phases" in reach("mayfly.sandbox.decide")


def test_a_decision_reaches_no_clock_no_environment_and_no_randomness() -> None:
    assert len(PURE) > 100
    for name in sorted(PURE):
        for module in reach(name):
            path = CONTROL_PLANE_RUNS[module]
            impure = roots(path) & IMPURE
            assert not impure, f"{name} reaches {module}, which imports {impure}"
            assert not clocks(path), f"{name} reaches {module}, which reads a clock"
            assert not environment(path), f"{name} reaches {module}, which reads the environment"


@cache
def clocks(path: Path) -> set[str]:
    """Clock functions that a file calls."""
    calls = (node for node in ast.walk(tree(path)) if isinstance(node, ast.Call))
    called = (call.func.attr for call in calls if isinstance(call.func, ast.Attribute))
    return set(called) & CLOCKS


@cache
def environment(path: Path) -> set[str]:
    """Attributes of `os` by which a file reads the environment."""
    names = (node.attr for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute))
    return set(names) & {"environ", "getenv", "environb"}


READS_THE_CLOCK = {
    "mayfly.invoke",
    "mayfly.adapters.aws.prices",
    "mayfly.adapters.dynamodb.fleet",
}
"""The edge of an invocation, and default clocks of adapters, for dates that decide nothing."""


def test_the_clock_is_read_only_at_the_edge() -> None:
    assert {name for name, path in MAYFLY.items() if clocks(path)} == READS_THE_CLOCK


def test_the_environment_is_read_in_one_place() -> None:
    assert {name for name, path in MAYFLY.items() if environment(path)} == {"mayfly.wiring"}

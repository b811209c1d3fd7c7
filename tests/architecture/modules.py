"""The code of the checkout, as the tests of this folder read it: modules, imports, names."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONTROL_PLANE = ROOT / "layers/mayfly/mayfly"
PROTOCOL = ROOT / "layers/protocol/mayfly_protocol"
HOST = ROOT / "layers/instance/mayfly_instance"
TOOLS = ROOT / "cli"
ON_INSTANCE = TOOLS / "mayfly_cli/check_image/on_instance"
"""Runs on an instance under another package's name, so its modules import each other relatively."""


def part(name: str) -> str:
    """The part of a module: `dispatch` for `mayfly.dispatch.tick`.

    All modules of `mayfly_protocol` are one part, `protocol`.
    """
    package, _, rest = name.partition(".")
    return "protocol" if package == PROTOCOL.name else rest.partition(".")[0]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def modules(package: Path) -> dict[str, Path]:
    """Every module of a package, by its dotted name."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = (package.name, *path.relative_to(package).with_suffix("").parts)
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


MAYFLY = modules(CONTROL_PLANE)
SHARED = modules(PROTOCOL)
CONTROL_PLANE_RUNS = MAYFLY | SHARED


@cache
def imported(path: Path) -> frozenset[str]:
    """Dotted names that a file imports at run time; imports under TYPE_CHECKING are omitted."""
    names = set[str]()
    for node in _at_run_time(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 or path.parent == ON_INSTANCE, f"{path}: a relative import"
            module = _absolute(path, node)
            names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return frozenset(names)


def _absolute(path: Path, node: ast.ImportFrom) -> str:
    """The dotted name of a module in `from MODULE import …`; relative ones are of a tool."""
    if not node.level:
        return node.module or ""
    package = path.parent.relative_to(TOOLS).parts
    return ".".join((*package, *([node.module] if node.module else [])))


def every_import(path: Path) -> set[str]:
    """Dotted names of the modules that a file imports from, at run time or not."""
    nodes = list(ast.walk(tree(path)))
    plain = {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
    given = (node for node in nodes if isinstance(node, ast.ImportFrom))
    return plain | {node.module or "" for node in given if node.level == 0}


def _at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _at_run_time(child)


def roots(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imported(path)}


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *patterns],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).exists()]


def reach(name: str) -> set[str]:
    """This module, and every module of the control plane or the protocol that its import loads."""
    found, rest = {name}, [name]
    while rest:
        path = CONTROL_PLANE_RUNS[rest.pop()]
        new = {other for other in imported(path) if other in CONTROL_PLANE_RUNS} - found
        found |= new
        rest.extend(new)
    return found

"""`python -m build.audit PIP_AUDIT`: asks for known vulnerabilities of every locked package.

Exit status: 0 every package was looked up and none has a known vulnerability, 1 some have, 2 some
could not be looked up. pip-audit itself passes over packages that its service does not know.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from build.blocks import ROOT

LOCKS = (
    "layers/dependencies/requirements.txt",
    "requirements/dev.txt",
    "requirements/sam.txt",
    "requirements/audit.txt",
    "requirements/browser.txt",
)
"""Every lock of the repository, that of the shipped layer first."""
CLEAN, VULNERABLE, UNKNOWN = 0, 1, 2


def findings(report: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Status and line of each package that is not known to be clean, from pip-audit's JSON.

    An empty report says nothing about any package.
    """
    packages = report.get("dependencies") or []
    if not packages:
        yield UNKNOWN, "the report names no package"
    for package in packages:
        if "skip_reason" in package or "vulns" not in package:
            yield UNKNOWN, f"{package['name']}: {package.get('skip_reason', 'no answer')}"
            continue
        for known in package["vulns"]:
            mended = ", ".join(known.get("fix_versions") or ()) or "no version"
            line = f"{package['name']} {package['version']}: {known['id']}, mended in {mended}"
            yield VULNERABLE, line


def audit(pip_audit: Path, lock: str) -> list[tuple[int, str]]:
    """The findings of one lock."""
    options = ["--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json"]
    done = subprocess.run(
        [pip_audit, *options, "--requirement", ROOT / lock],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        return list(findings(json.loads(done.stdout)))
    except ValueError:
        said = done.stderr.strip().splitlines() or [f"pip-audit exited with {done.returncode}"]
        return [(UNKNOWN, said[-1])]


def told(found: Mapping[str, Sequence[tuple[int, str]]]) -> tuple[int, list[str]]:
    """Exit status and lines for the findings of each lock. A vulnerability outweighs the rest."""
    every = [(status, f"{lock}: {line}") for lock in found for status, line in found[lock]]
    states = {status for status, _ in every}
    status = next((each for each in (VULNERABLE, UNKNOWN) if each in states), CLEAN)
    counts = [[each for each, _ in every].count(kind) for kind in (VULNERABLE, UNKNOWN)]
    end = f"{len(found)} locks: {counts[0]} vulnerabilities, {counts[1]} packages without an answer"
    return status, [*(line for _, line in every), end]


if __name__ == "__main__":
    code, lines = told({lock: audit(Path(sys.argv[1]), lock) for lock in LOCKS})
    sys.stdout.write("\n".join(lines) + "\n")
    sys.exit(code)

"""What the lab writes into documents; `make docs` runs this beside `build.docs`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from attacks.rows import chapters
from build.blocks import ROOT, Documents, main, table
from buildkite_emulator.pipelines.keys import table as key_rows
from e2e.kinds import KINDS
from judges.differences import rows
from mayfly_lab.agents.notice import LIMITS
from mayfly_lab.faults.table import SWITCHES
from mayfly_lab.sim.faults import FAULTS as SIMULATED
from mayfly_lab.sim.invariants import NAMES


def kinds_of_job() -> str:
    """The kinds of job of the end-to-end tests, and which agent runs them."""
    return table(
        ("kind of job", "real agent", "stand-in"),
        (
            (kind.story, "yes", f"no: {kind.stand_in}" if kind.stand_in else "yes")
            for kind in KINDS.values()
        ),
    )


def faults() -> str:
    """The faults of the lab, as its commands take them."""
    return table(
        ("example", "what happens", "target"),
        (
            (f"`{name}={each.example}`", each.explained, each.part)
            for name, each in SWITCHES.items()
        ),
    )


def faults_of_the_simulator() -> str:
    """The faults of `mayfly-lab sim`, with their rates."""
    return table(
        ("fault", "rate", "what happens"),
        ((f"`{name}`", f"{each.rate:g}", each.meaning) for name, each in SIMULATED.items()),
    )


def invariants() -> str:
    """What holds in every run of the simulator."""
    return table(("invariant", "what holds"), ((f"`{n}`", text) for n, text in NAMES.items()))


def metadata_differences() -> str:
    """Where AWS's metadata mock and the lab differ, and who is right."""
    return table(("question", "AWS's mock", "the lab", "who is right"), rows())


def keys_of_pipelines() -> str:
    """Every key of a pipeline and its steps, and what the emulator does with it."""
    return table(("where", "keys", "the emulator"), key_rows())


def attacks() -> str:
    """Every attack of the matrix, by the file that tries it."""
    parts = []
    for chapter in chapters():
        rows = (
            (row.what, row.refused_by, row.mechanism, ", ".join(row.places))
            for _, row in chapter.rows
        )
        test = f"Tried by `lab/tests/attacks/{chapter.name}.py`."
        head = ("attack", "what refuses it", "mechanism", "tried on")
        parts += [f"### {chapter.title}", test, table(head, rows)]
    return "\n\n".join(parts)


def attacks_that_remain() -> str:
    """Attacks that have an effect, and what closes them."""
    rows = [(row.what, row.remains) for c in chapters() for _, row in c.rows if row.remains]
    return table(("attack", "what remains, and what closes it"), rows)


def limits() -> str:
    """What the stand-in cannot do, as a run says at its start."""
    return "\n".join(f"- {limit}" for limit in LIMITS.values())


def unchecked() -> str:
    """What the emulator's own tests expect of it, a sentence for each test."""
    return "\n".join(f"- {sentence}" for sentence in sorted(set(_sentences())))


def _sentences() -> Iterator[str]:
    for path in (ROOT / "lab/tests/emulator").glob("test_buildkite_*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield node.name.removeprefix("test_").replace("_", " ")


DOCUMENTS = Documents(
    ("docs/attacks.md", "docs/lab.md", "cli/mayfly_cli/check_buildkite/unchecked.md"),
    {
        "attacks": attacks,
        "attacks-that-remain": attacks_that_remain,
        "faults": faults,
        "faults-of-the-simulator": faults_of_the_simulator,
        "invariants": invariants,
        "limits-of-the-stand-in": limits,
        "metadata-differences": metadata_differences,
        "keys-of-pipelines": keys_of_pipelines,
        "kinds-of-job": kinds_of_job,
        "unchecked": unchecked,
    },
)

if __name__ == "__main__":
    main(DOCUMENTS)

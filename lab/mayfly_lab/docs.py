"""Generated blocks of docs/lab.md; `make docs` runs this beside `build.docs`, in the checkout."""

from __future__ import annotations

import sys

from build.blocks import Documents, main, table
from mayfly_lab.faults.table import SWITCHES
from mayfly_lab.kinds import KINDS


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
        ((f"`{name}={each.example}`", each.meaning, each.part) for name, each in SWITCHES.items()),
    )


DOCUMENTS = Documents(("docs/lab.md",), {"kinds-of-job": kinds_of_job, "faults": faults})

if __name__ == "__main__":
    sys.exit(main(DOCUMENTS))

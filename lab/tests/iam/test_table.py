"""Both evaluators agree about the table of permissions."""

from __future__ import annotations

import os
import random
from collections import Counter

from iam.agreement import Compared, compare
from iam.conftest import Tell
from iam.known import OF_TABLE
from iam.simulator import Simulator
from iam.table import sentences, swept

SEED = int(os.environ.get("MAYFLY_IAM_SEED", "1"))
SAMPLE = 4000
"""Cases of the sweep in one run; MAYFLY_IAM_SEED draws others."""


def unknown(compared: list[Compared]) -> list[str]:
    """The differences that are not on the list."""
    different = [each for each in compared if each.difference]
    return [str(c) for c in different if not any(each.concerns(c.case) for each in OF_TABLE)]


def test_both_evaluators_agree_about_every_case_of_the_table(
    simulator: Simulator, tell: Tell
) -> None:
    compared = compare(simulator, list(sentences()))
    assert len(compared) >= 150
    assert not unknown(compared), "\n".join(unknown(compared))
    assert not [str(each) for each in compared if each.theirs.ignored], "keys that no type has"
    tell(f"cases of the table of permissions: {len(compared)}")


def test_both_evaluators_agree_about_what_administrators_may_do(
    simulator: Simulator, tell: Tell
) -> None:
    every = list(swept())
    drawn = random.Random(SEED).sample(every, min(SAMPLE, len(every)))
    compared = compare(simulator, drawn)
    assert not unknown(compared), f"seed {SEED}:\n" + "\n".join(unknown(compared))
    assert not [str(each) for each in compared if each.theirs.ignored], "keys that no type has"
    results = Counter(each.theirs.result or "refused" for each in compared)
    told = ", ".join(f"{number} {word}" for word, number in sorted(results.items()))
    tell(f"actions on protected things, by administrators: {len(drawn)} of {len(every)} ({told})")

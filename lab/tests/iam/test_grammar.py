"""Both evaluators agree about random policies and requests."""

from __future__ import annotations

import os
import random
from collections import Counter

from iam.agreement import compare
from iam.conftest import Tell
from iam.grammar import Grammar
from iam.known import OF_GRAMMAR
from iam.simulator import Simulator

NUMBER = 6000
SEED = int(os.environ.get("MAYFLY_IAM_SEED", "1"))
"""Other random numbers give other cases; a difference names its case by number and seed."""


def test_both_evaluators_agree_about_random_cases(simulator: Simulator, tell: Tell) -> None:
    compared = compare(simulator, list(Grammar(random.Random(SEED)).cases(NUMBER)))
    results = Counter(each.theirs.result for each in compared)
    assert min(results[each] for each in ("Allowed", "ExplicitlyDenied", "ImplicitlyDenied")) > 500
    assert not [str(each) for each in compared if each.theirs.ignored], "keys that no type has"
    different = [each for each in compared if each.difference]
    known = {each.title: [c for c in different if each.concerns(c.case)] for each in OF_GRAMMAR}
    unknown = [str(c) for c in different if not any(each.concerns(c.case) for each in OF_GRAMMAR)]
    assert not unknown, f"seed {SEED}:\n" + "\n".join(unknown)
    # A difference that is gone must not stay on the list, where it would hide others.
    assert not [title for title, cases in known.items() if not cases]
    tell(
        f"random cases: {NUMBER} ({', '.join(f'{n} {word}' for word, n in results.items())}), "
        f"{len(different)} differ, all by {len(OF_GRAMMAR)} known differences"
    )

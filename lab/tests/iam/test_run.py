"""A run of the lab, replayed: both evaluators agree, and every right is used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from iam import deployed
from iam.agreement import compare
from iam.conftest import Tell
from iam.replay import cases, decided, exercised, who, without_mapping
from iam.scenario import a_run
from iam.simulator import Simulator
from iam.unexercised import DENIED, unexercised
from mayfly_lab.aws.front.journal import Journal


@pytest.fixture(scope="module")
def journal() -> Iterator[Journal]:
    with a_run() as stage:
        yield stage.lab.aws.journal


def test_both_evaluators_agree_about_every_call_of_a_run(
    journal: Journal, simulator: Simulator, tell: Tell
) -> None:
    asked = list(cases(journal))
    compared = compare(simulator, asked)
    different = [str(each) for each in compared if each.difference]
    assert not different, "\n".join(different)
    assert not [str(each) for each in compared if each.theirs.ignored], "keys that no type has"
    calls = sum(1 for entry in journal if entry.iam)
    tell(f"a run of the lab: {calls} calls, {len(asked)} decisions, none differs")


def test_every_call_of_a_run_has_a_mapping_to_requests_of_iam(journal: Journal) -> None:
    assert Counter(without_mapping(journal)) == Counter()


def test_no_call_of_a_run_is_denied_but_those_that_must_be(journal: Journal) -> None:
    found = {
        (who(entry, each), each.action) for entry, each in decided(journal) if not each.allowed
    }
    assert found == set(DENIED)


def test_every_allow_is_exercised_or_has_its_reason(journal: Journal, tell: Tell) -> None:
    every, used = exercised(journal)
    assert every >= used
    unused = every - used
    assert not sorted(map(str, unused - unexercised())), "rights that no call of the run needed"
    assert not sorted(unexercised() - unused), "listed rights that the run used, or nobody has"
    tell(f"rights of the deployed policies: {len(used)} used, {len(unused)} listed with a reason")


def test_the_run_has_a_caller_for_every_policy_of_the_templates(journal: Journal) -> None:
    """A role that never calls would hide all of its rights."""
    every, _ = exercised(journal)
    sids = {(right.sid, right.action) for right in every}
    deployed_rights = {
        (str(statement.get("Sid")), action)
        for policy in deployed.policies()
        for statement in policy.statements
        if statement["Effect"] == "Allow" and "Principal" not in statement
        for action in deployed.actions(statement)
    }
    # Only a function in subnets has these, and the lab has no subnets that lead anywhere.
    in_subnets = {each for each in deployed_rights if each[0] == "NetworkInterfaces"}
    assert deployed_rights - sids == in_subnets

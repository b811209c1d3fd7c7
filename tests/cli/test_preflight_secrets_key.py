"""Preflight of a queue whose stack makes a KMS key for secrets of jobs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mayfly_cli.findings import Unknown, Verdict
from mayfly_cli.preflight.answers import read_answers
from mayfly_cli.preflight.checks_account import rights
from mayfly_cli.preflight.survey import decide
from mayfly_cli.templates.reading import read
from tests.cli.real_account import ROOT
from tests.cli.test_preflight_checks import GOOD, answers, found

OWN_KEY = (
    "SecretsPath=/vendors/ci",
    "SecretsKey=own",
    "SecretsKeyAdministrators=arn:aws:iam::123456789012:role/other,arn:aws:iam::123456789012:user/m*",
    "SecretsOwners=arn:aws:iam::123456789012:role/owner",
)
NOBODY = Unknown("the caller may not iam:GetRole")


@pytest.mark.parametrize(
    ("words", "more"),
    [
        ((), 0),
        (("SecretsPath=/vendors/ci",), 0),
        (("SecretsPath=/vendors/ci", "SecretsKey=arn:aws:kms:eu-1:123456789012:key/k"), 0),
        (OWN_KEY, 10),
    ],
)
def test_the_rights_on_a_key_are_asked_where_the_queues_stack_makes_one(
    words: tuple[str, ...], more: int
) -> None:
    asked = rights(answers(*words))
    assert len([each for each in asked.create | asked.later if each.startswith("kms:")]) == more
    told = f"all {len(rights(answers()).create | rights(answers()).later) + more} actions"
    assert told in found("rights", GOOD, *words).detail


def test_a_caller_who_may_make_no_key_is_told() -> None:
    denied = ("kms:CreateKey", "kms:UpdateKeyDescription")
    finding = found("rights", replace(GOOD, denied=denied), *OWN_KEY)
    assert finding.verdict is Verdict.WRONG
    assert "the caller may not kms:CreateKey; for an upgrade" in finding.detail
    assert finding.detail.endswith("the caller may not kms:UpdateKeyDescription")


def test_without_a_queue_no_key_is_made() -> None:
    asked = rights(read_answers("mayfly", OWN_KEY))
    assert not [each for each in asked.create if each.startswith("kms:")]


def test_what_the_stack_needs_besides_is_what_its_rule_says() -> None:
    finding = found("secrets key", GOOD, "SecretsKey=own")
    assert finding.verdict is Verdict.WRONG
    assertions = read(ROOT / "stacks/queue.yaml")["Rules"]["OwnKeyIsComplete"]["Assertions"]
    needed = [each["Assert"]["Fn::Not"][0]["Fn::Equals"][0]["Ref"] for each in assertions]
    assert finding.remedy == f"answer {', '.join(needed)}"
    assert found("secrets key", GOOD, *OWN_KEY).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("principal", "verdict", "says"),
    [
        ("arn:aws:iam::123456789012:user/me", Verdict.OK, "user/me may administer"),
        ("arn:aws:iam::123456789012:root", Verdict.OK, "root may administer"),
        ("arn:aws:iam::123456789012:role/other", Verdict.OK, "role/other may"),
        ("arn:aws:iam::123456789012:user/you", Verdict.WRONG, "user/you is not in SecretsKeyAd"),
        ("arn:aws:iam::123456789012:role/path/other", Verdict.WRONG, "KMS refuses a key"),
        (NOBODY, Verdict.UNKNOWN, NOBODY.reason),
    ],
    ids=lambda each: None if isinstance(each, str) else str(getattr(each, "reason", each)),
)
def test_who_deploys_must_be_among_the_administrators_of_the_key(
    principal: str | Unknown, verdict: Verdict, says: str
) -> None:
    finding = found("secrets key", replace(GOOD, principal=principal), *OWN_KEY)
    assert finding.verdict is verdict
    assert says in finding.detail


def test_nothing_is_said_of_a_key_where_the_stack_makes_none() -> None:
    given = ("SecretsPath=/vendors/ci", "SecretsKey=arn:aws:kms:eu-1:123456789012:key/k")
    for words in ((), given[:1], given):
        subjects = [each.subject for each in decide(answers(*words), GOOD)]
        assert "secrets key" not in subjects

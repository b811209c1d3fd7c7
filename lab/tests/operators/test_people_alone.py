"""A security owner and an operator, each with the deployed policy of the duty alone, use the tool.

The commands are processes of their own, against a lab whose functions run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from mayfly_lab.commands.lines import keys_of
from mayfly_lab.contracts import Keys
from mayfly_lab.lab import STACK, LabChoices
from stories import tool
from stories.stage import BOOT, QUICK, Stage, a_stage
from stories.tool import Answer

QUEUE, RULE = "default", "policy/rules/main"
STRAY = f"/mayfly/{STACK}/queues/nosuch"
PATIENCE = 45.0
"""Seconds until the functions have written what a command shows: they write once a minute."""


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    choices = LabChoices(
        queues=(QUEUE,), delays=replace(QUICK, minute=8.0), boot_seconds=BOOT, parameters={}
    )
    with a_stage(choices) as stage:
        yield stage


def asked(stage: Stage, keys: Keys, *words: str) -> Answer:
    """Run the tool with these credentials."""
    variables = keys_of(stage.lab, keys)
    variables["BUILDKITE_AGENT_RELEASES"] = "http://127.0.0.1:9/releases"
    return tool.asked(words, variables, width=200)


def until_said(stage: Stage, keys: Keys, wanted: str, *words: str) -> Answer:
    """Run the tool until it says this."""
    end = time.monotonic() + PATIENCE
    while wanted not in (said := asked(stage, keys, *words)).words:
        assert time.monotonic() < end, said.words
        time.sleep(1)
    return said


def test_a_security_owner_decides_by_policy_sees_whom_it_denies_and_who_changed_it(
    stage: Stage,
) -> None:
    owner = stage.lab.aws.security_owner
    made = asked(stage, owner, "set", QUEUE, RULE, "pipeline=app branch=main")
    assert made.ended == 0, made.words
    assert "(default none: every job) -> pipeline=app branch=main in force" in made.words
    shown = asked(stage, owner, "get", QUEUE, RULE)
    assert (
        shown.ended,
        f"{RULE} " in shown.words and "pipeline=app branch=main" in shown.words,
    ) == (0, True), shown.words
    job = stage.build("app", QUEUE, branch="feature")
    assert stage.ended(job).outcome == "failed"
    why = asked(stage, owner, "explain", "app/1")
    assert "asks for another branch" in why.words, why.words
    assert "unable" not in why.words
    status = asked(stage, owner, "status")
    assert status.ended in {0, 1}, status.words
    gone = asked(stage, owner, "unset", QUEUE, RULE)
    assert (gone.ended, "-> (default none: every job) in force" in gone.words) == (0, True), (
        gone.words
    )
    deleted = f"{QUEUE}/{RULE} security-owner pipeline=app branch=main -> (default)"
    until_said(stage, owner, deleted, "changes")
    doctor = asked(stage, owner, "doctor")
    assert "Not looked at" in doctor.words
    assert "could not ask" not in doctor.words


def test_a_security_owner_tunes_nothing_and_is_told_which_policy_does(stage: Stage) -> None:
    owner = stage.lab.aws.security_owner
    for words in (("set", QUEUE, "pool/hot", "1"), ("pool", QUEUE, "1"), ("pause", QUEUE)):
        said = asked(stage, owner, *words)
        assert said.ended == 2
        assert "you may not ssm:PutParameter" in said.words
        assert f"OperatorsPolicy allows it (output of the stack {STACK})" in said.words
    logs = asked(stage, owner, "logs", stage.push(QUEUE))
    assert logs.ended == 2


def test_an_operator_removes_a_parameter_of_a_queue_that_does_not_exist(stage: Stage) -> None:
    operator, path = stage.lab.aws.operator, f"{STRAY}/pool/hot"
    ssm = stage.lab.aws.client("ssm")
    ssm.put_parameter(Name=path, Value="5", Type="String")
    until_said(stage, operator, f"-> mayfly unset {path}", "doctor")
    until_said(stage, operator, "nosuch/pool/hot", "changes")
    removed = asked(stage, operator, "unset", path)
    assert removed.ended == 0, removed.words
    assert f"{path} 5 -> removed no queue read it: " in removed.words
    assert ssm.get_parameters(Names=[path])["Parameters"] == []
    until_said(stage, operator, "nosuch/pool/hot operator 5 -> (default)", "changes")

"""The demo's check of what its jobs were given tells each secret that did not arrive."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from buildkite_emulator import JobView
from mayfly_lab.demo.given import (
    PIPELINE,
    STEP,
    Canaries,
    Canary,
    check_given,
    given_table,
    new_canaries,
    proof_of,
    told,
    with_given,
)
from mayfly_lab.lab import LabChoices
from mayfly_lab.report.collect import PROCESS_LIST, log_of
from mayfly_lab.report.evidence import Evidence
from mayfly_lab.report.seeking import Secret

GIVEN = new_canaries("http://127.0.0.1:4711/git/example.git", has_ssh=True)
JOB = cast("JobView", SimpleNamespace(id="j-1", name="Deploy", pipeline=PIPELINE, step_key=STEP))
STS = frozenset({"answers to sandbox for sts:AssumeRole"})
ROLE = [
    Secret("the secret key of AROA:release-1-j-1", "secret-key", STS),
    Secret("the session token of AROA:release-1-j-1", "session-token", STS),
]
PROOFS = [*(each.proof for each in GIVEN.laid_down), *(proof_of("role", r.value) for r in ROLE)]
CARRIED = {
    place: "\n".join(s.value for s in (*GIVEN.secrets, *ROLE) if place in s.carriers)
    for place in {place for s in (*GIVEN.secrets, *ROLE) for place in s.carriers}
}
TEXTS = {**CARRIED, log_of(JOB): "\n".join(PROOFS), PROCESS_LIST: "/sbin/init"}
WHOLE = Evidence(
    0, (JOB,), {}, {}, {}, (), (), {}, {}, texts=TEXTS, secrets=(*GIVEN.secrets, *ROLE)
)


def broken(evidence: Evidence) -> tuple[str, ...]:
    return check_given(evidence, GIVEN).broken


def test_a_job_that_proves_everything_holds() -> None:
    assert broken(WHOLE) == ()


@pytest.mark.parametrize("proof", PROOFS, ids=[str(n) for n in range(len(PROOFS))])
def test_each_proof_that_is_missing_is_told(proof: str) -> None:
    log = "\n".join(each for each in PROOFS if each != proof)
    (line,) = broken(replace(WHOLE, texts={**TEXTS, log_of(JOB): log}))
    assert line.startswith("job j-1 does not prove that it got the ")


def test_a_job_without_a_session_of_its_role_is_told() -> None:
    (line,) = broken(replace(WHOLE, secrets=GIVEN.secrets))
    assert line == "job j-1 does not prove that it got a session of its role"


def test_a_run_without_the_job_is_told() -> None:
    assert broken(replace(WHOLE, jobs=())) == (f"no job of step {STEP} exists",)


@pytest.mark.parametrize("place", sorted(CARRIED))
def test_a_search_that_could_not_find_a_secret_where_it_is_carried_is_told(place: str) -> None:
    lines = broken(replace(WHOLE, texts={**TEXTS, place: "another answer"}))
    carried = [secret.what for secret in WHOLE.secrets if place in secret.carriers]
    assert [line.partition(" is not in what carries it")[0] for line in lines] == carried


def test_an_empty_process_list_is_told() -> None:
    (line,) = broken(replace(WHOLE, texts={**TEXTS, PROCESS_LIST: ""}))
    assert "process list is empty" in line


def test_every_kind_has_a_value_and_a_place_of_its_own() -> None:
    again = new_canaries("http://127.0.0.1:4711/git/example.git", has_ssh=True)
    values = [each.value for each in (*GIVEN.secrets, *again.secrets)]
    assert len(set(values)) == len(values) == 10
    path = "/vendors/buildkite/deploy"
    assert [each.parameter for each in GIVEN.laid_down] == [
        f"{path}/global/env/proxy-password",
        f"{path}/127.0.0.1-4711_git_example.git/env/package-token",
        f"{path}/release/env/release-token",
        f"{path}/release/env/signing-note",
        f"{path}/plugins/ssh-key",
    ]


def test_a_machine_without_ssh_gets_no_key_and_the_screen_says_so() -> None:
    without = new_canaries("http://127.0.0.1:4711/git/example.git", has_ssh=False)
    assert without.laid_down == [c for c in without.laid_down if "ssh" not in c.secret.what]
    assert "no key for ssh is given" in " ".join(told(without))
    assert "warning" not in " ".join(told(GIVEN))
    choices = with_given(LabChoices(queues=("deploy",)), has_ssh=False)
    assert "secrets/shared-ssh-keys" not in choices.parameters["deploy"]
    assert "secrets/shared-ssh-keys" in with_given(choices, has_ssh=True).parameters["deploy"]


@pytest.mark.parametrize("canary", GIVEN.laid_down, ids=lambda each: each.secret.what)
def test_the_screen_shows_each_kind_and_no_value(canary: Canary) -> None:
    shown = "\n".join([*told(GIVEN), *given_table(GIVEN)])
    assert canary.secret.what in shown
    assert canary.parameter in shown
    assert canary.secret.value not in shown + repr(GIVEN)


def test_nothing_given_proves_nothing() -> None:
    assert check_given(WHOLE, Canaries((), has_key=False)).held

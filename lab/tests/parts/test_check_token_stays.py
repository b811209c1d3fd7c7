"""The check `token-stays` finds a secret of each kind in each place, however it was written."""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote, quote_plus

import pytest

from buildkite_emulator.serving.server import Answer, Request
from mayfly_lab.aws.front.call import Call, Kind, Principal
from mayfly_lab.aws.front.traffic import Traffic, answers_to, requests_of
from mayfly_lab.demo.given import new_canaries
from mayfly_lab.report.checks import check_all
from mayfly_lab.report.collect import PROCESS_LIST
from mayfly_lab.report.evidence import Evidence
from mayfly_lab.report.seeking import Secret, forms, holds

URL = "http://127.0.0.1:4711/git/example.git"
GIVEN = new_canaries(URL, has_ssh=True).secrets
ISSUED = [
    Secret("the cluster's agent token", "bkct_" + "4f" * 20),
    Secret("acquisition token 0", "bkjat_" + "e3.x-" * 20),
    Secret("the secret key of a session", "Zm9v-YmFy_" * 4),
    Secret("the session token of a session", "QUJD_REVG-" * 24),
    Secret("a value that every form writes in another way", "~?>?/>+<&%'\\\"\u00e9" * 3),
]
KINDS = [*GIVEN, *ISSUED]
CARRIER = "answers to sandbox for ssm:GetParametersByPath"
PLACES = (
    "the log of dispatch",
    "the fleet table",
    "the journal",
    "the user data of i-1",
    "the console of i-1",
    "the log of job Deploy to staging (j-1)",
    "the page of job Deploy to staging (j-1)",
    "the last words",
    requests_of("provision", "ec2:CreateFleet"),
    requests_of("sandbox", "dynamodb:UpdateItem"),
    answers_to("dispatch", "ssm:GetParameters"),
    PROCESS_LIST,
)
WRITTEN: dict[str, Callable[[str], str]] = {
    "plain": str,
    "as JSON": json.dumps,
    "as JSON in JSON": lambda value: json.dumps({"text": json.dumps({"value": value})}),
    "as Python": repr,
    "as XML": lambda value: html.escape(value, quote=False),
    "in a URL": lambda value: quote(value, safe=""),
    "in a path": quote,
    "in a query": quote_plus,
    "in a query, lower case": lambda value: re.sub(
        "%..", lambda found: found[0].lower(), quote_plus(value)
    ),
    "in Base64": lambda value: b64encode(value.encode()).decode(),
    "in Base64 of a longer text": lambda value: b64encode(f"x={value}\n".encode()).decode(),
    "in Base64, two bytes on": lambda value: b64encode(f"xy{value};".encode()).decode(),
    "in URL-safe Base64": lambda value: urlsafe_b64encode(f"{value}!".encode()).decode(),
}
LINES = [each for each in GIVEN if "\n" in each.value.strip()]
EMPTY = Evidence(0, (), {}, {}, {}, (), (), {}, {}, {})


def found(secret: Secret, place: str, text: str) -> tuple[str, ...]:
    texts = dict.fromkeys(PLACES, "nothing to see") | {place: text}
    evidence = replace(EMPTY, texts=texts, secrets=(secret,))
    (check,) = (each for each in check_all(evidence) if each.name == "token-stays")
    return check.broken


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("secret", KINDS, ids=[each.what for each in KINDS])
def test_a_secret_of_each_kind_is_found_in_each_place(secret: Secret, place: str) -> None:
    text = f"before {secret.value} after"
    assert found(secret, place, text) == (f"{secret.what} was found in {place}",)


@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN.keys())
@pytest.mark.parametrize("secret", KINDS, ids=[each.what for each in KINDS])
def test_a_secret_is_found_however_it_is_written(
    secret: Secret, write: Callable[[str], str]
) -> None:
    assert holds(f"before {write(secret.value)} after", forms(secret.value))


@pytest.mark.parametrize("secret", LINES, ids=[each.what for each in LINES])
def test_one_line_of_a_secret_with_several_is_found(secret: Secret) -> None:
    secret_lines = [line for line in secret.value.splitlines() if len(line) > 30]
    for line in (each for each in secret_lines if "PRIVATE KEY" not in each):
        assert found(secret, "the journal", f"... {line} ...")


@pytest.mark.parametrize("secret", KINDS, ids=[each.what for each in KINDS])
def test_a_text_with_other_secrets_holds_none(secret: Secret) -> None:
    others = "\n".join(
        write(o.value) for o in KINDS if o is not secret for write in WRITTEN.values()
    )
    assert found(secret, "the journal", others) == ()


def test_only_the_place_that_carries_a_secret_may_hold_it() -> None:
    secret = replace(GIVEN[0], carriers=frozenset({CARRIER}))
    assert found(secret, CARRIER, json.dumps(secret.value)) == ()
    other = CARRIER.replace("sandbox", "dispatch")
    assert found(secret, other, json.dumps(secret.value)) == (
        f"{secret.what} was found in {other}",
    )


def a_caller(kind: Kind, name: str) -> Principal:
    return Principal(f"AROA:{name}", f"arn:aws:sts::123456789012:assumed-role/x/{name}", kind, name)


def test_calls_are_kept_word_for_word_with_the_answers_of_services_that_hand_out_secrets() -> None:
    traffic = Traffic()
    request = Request("POST", "/?Version=1", {}, b"Value=canary-1")
    answer = Answer(200, b"canary-2", {})
    for kind, name in ((Kind.SANDBOX, "i-1"), (Kind.FUNCTION, "reap"), (Kind.LAB, "lab")):
        for service, operation in (("ec2", "RunInstances"), ("ssm", "GetParameter")):
            traffic.carried(a_caller(kind, name), Call(service, operation, {}), request, answer)
    sent = "/?Version=1\nValue=canary-1"
    assert traffic.texts() == {
        "requests of sandbox for ec2:RunInstances": sent,
        "requests of sandbox for ssm:GetParameter": sent,
        "answers to sandbox for ssm:GetParameter": "canary-2",
        "requests of reap for ec2:RunInstances": sent,
        "requests of reap for ssm:GetParameter": sent,
        "answers to reap for ssm:GetParameter": "canary-2",
    }

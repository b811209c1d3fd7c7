"""Answers of the front door itself, and its memory of transactions and secrets."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from buildkite_emulator.serving.server import Answer, Request
from local.aws_lab import principal
from mayfly_lab.aws.front.call import Call, Kind, Refusal
from mayfly_lab.aws.front.own import Layers, LayerVersion, TransactionTokens
from mayfly_lab.aws.front.scrub import Scrubber


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


# ------------------------------------------------------------------ layers

ARN = "arn:aws:lambda:us-east-1:123456789012:layer:mayfly-instance:3"


class Shelf:
    def layer_version(self, arn: str) -> LayerVersion | None:
        return LayerVersion(ARN, 3, "d", b"zip") if arn == ARN else None


def a_request(path: str = "/") -> Request:
    return Request("GET", path, {"host": "10.0.0.1:80"}, b"")


@pytest.mark.parametrize(
    "parameters",
    [{"Arn": ARN}, {"LayerName": ARN.rpartition(":")[0], "VersionNumber": 3}],
)
def test_a_layer_can_be_fetched_from_the_url_of_its_description(parameters: dict[str, Any]) -> None:
    clock = Clock()
    layers = Layers(Shelf(), clock)
    answer = json.loads(layers.get(Call("lambda", "GetLayerVersion", parameters), a_request()).body)
    content = answer["Content"]
    assert content["CodeSha256"] == base64.b64encode(hashlib.sha256(b"zip").digest()).decode()
    assert (content["CodeSize"], answer["Version"]) == (3, 3)
    host, path = content["Location"][:20], content["Location"][20:]
    assert host == "http://10.0.0.1:80/l"
    assert layers.download(f"/l{path}").body == b"zip"
    clock.now += 601
    assert layers.download(f"/l{path}").status == 403


def test_a_guessed_layer_url_is_refused() -> None:
    assert Layers(Shelf()).download("/layer-downloads/guess").status == 403


def test_a_layer_that_does_not_exist_is_refused() -> None:
    call = Call("lambda", "GetLayerVersionByArn", {"Arn": f"{ARN}1"})
    with pytest.raises(Refusal, match="does not exist"):
        Layers(Shelf()).get(call, a_request())


# ------------------------------------------------------------------ transactions


def test_a_transaction_is_remembered_for_ten_minutes() -> None:
    clock = Clock()
    tokens = TransactionTokens(clock)
    who = principal(Kind.FUNCTION, "dispatch")
    call = Call("dynamodb", "TransactWriteItems", {"ClientRequestToken": "t"})
    request, other = a_request(), Request("POST", "/", {}, b"other")
    assert tokens.answered(who, call, request) is None
    tokens.remember(who, call, request, Answer(200, b"first"))
    assert tokens.answered(who, call, request) == Answer(200, b"first")
    with pytest.raises(Refusal, match="IdempotentParameterMismatch"):
        tokens.answered(who, call, other)
    clock.now += 600
    assert tokens.answered(who, call, request) is None


def test_a_transaction_that_failed_is_not_remembered() -> None:
    tokens = TransactionTokens()
    who = principal(Kind.FUNCTION, "dispatch")
    call = Call("dynamodb", "TransactWriteItems", {"ClientRequestToken": "t"})
    tokens.remember(who, call, a_request(), Answer(400, b"cancelled"))
    assert tokens.answered(who, call, a_request()) is None


# ------------------------------------------------------------------ secrets


def test_secrets_are_blanked_in_every_part_of_a_request() -> None:
    scrubber = Scrubber()
    scrubber.learn("the-token")
    clean = scrubber.scrubbed(
        "dynamodb",
        "UpdateItem",
        {"a": ["x bkjat_abcdefgh01234 y"], "b": {"c": "has the-token inside"}, "n": 1},
    )
    assert clean == {"a": ["x (secret) y"], "b": {"c": "has (secret) inside"}, "n": 1}


def test_values_of_secure_parameters_are_blanked_and_plain_ones_are_not() -> None:
    scrubber = Scrubber()
    secure = {"Name": "/t", "Value": "hush-hush", "Type": "SecureString"}
    scrubber.learn_from("ssm", "PutParameter", secure)
    assert scrubber.scrubbed("ssm", "PutParameter", secure)["Value"] == "(secret)"
    assert scrubber.text("it was hush-hush") == "it was (secret)"
    plain = {"Name": "/t", "Value": "3", "Type": "String"}
    assert scrubber.scrubbed("ssm", "PutParameter", plain)["Value"] == "3"


def test_a_secret_shorter_than_eight_characters_is_blanked_in_its_call_but_not_learned() -> None:
    scrubber = Scrubber()
    for value in ("default", "e", ""):
        secure = {"Name": "/t", "Value": value, "Type": "SecureString"}
        scrubber.learn_from("ssm", "PutParameter", secure)
        scrubber.learn(value)
        assert scrubber.scrubbed("ssm", "PutParameter", secure)["Value"] == "(secret)"
    assert scrubber.text("the default queue") == "the default queue"


def test_parameters_keep_their_secrets_when_a_copy_of_them_is_blanked() -> None:
    scrubber = Scrubber()
    parameters = {"Type": "SecureString", "Value": "hush-hush", "Tags": ["hush-hush"]}
    scrubber.learn_from("ssm", "PutParameter", parameters)
    assert scrubber.scrubbed("ssm", "PutParameter", parameters)["Tags"] == ["(secret)"]
    assert parameters == {"Type": "SecureString", "Value": "hush-hush", "Tags": ["hush-hush"]}


def test_nothing_remains_of_a_secret_that_holds_another_one() -> None:
    for secrets in (["hush-hush", "lt-hush-hush"], ["lt-hush-hush", "hush-hush"]):
        scrubber = Scrubber()
        for secret in secrets:
            scrubber.learn(secret)
        assert (
            scrubber.text("it was lt-hush-hush, not hush-hush") == "it was (secret), not (secret)"
        )

"""The journal's file shows allow-listed parameters of a call, and no secret in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mayfly_lab.aws.front.call import Call
from mayfly_lab.aws.front.door import NOBODY
from mayfly_lab.aws.front.journal import _STATE, _TELLING, Journal
from tests.protocol.secret_samples import SECRETS


def written(path: Path, call: Call) -> str:
    journal = Journal(path)
    journal.called(NOBODY, call, 400, f"Refused {next(iter(call.parameters.values()))}")
    journal.happened("ec2", "terminated", reason=str(call.parameters))
    journal.close()
    return path.read_text("utf-8")


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
def test_no_secret_of_a_call_reaches_the_file(tmp_path: Path, secret: str) -> None:
    parameters = dict.fromkeys((*_TELLING, "Value", "Body", "UserData"), f"before\n{secret}")
    text = written(tmp_path / "journal", Call("ssm", "PutParameter", parameters))
    assert secret not in text
    assert [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
def test_no_secret_of_a_row_reaches_the_file(tmp_path: Path, secret: str) -> None:
    report = {"M": {name: {"S": secret} for name in (*_STATE, "token", "words")}}
    item = {
        "key": {"S": "AROA:i-1"},
        "report": report,
        "assignment": report,
        "status": {"S": secret},
    }
    call = Call("dynamodb", "PutItem", {"TableName": "mayfly-mailbox", "Item": item})
    text = written(tmp_path / "journal", call)
    assert secret not in text


def test_parameters_that_are_not_on_the_list_do_not_reach_the_file(tmp_path: Path) -> None:
    parameters = {"Name": "/mayfly/x", "Value": "correct-horse", "Tags": ["battery-staple"]}
    journal = Journal(tmp_path / "journal")
    journal.called(NOBODY, Call("ssm", "PutParameter", parameters), 200)
    journal.close()
    text = (tmp_path / "journal").read_text("utf-8")
    assert "/mayfly/x" in text
    assert not [word for word in ("correct-horse", "battery-staple") if word in text]

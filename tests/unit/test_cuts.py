"""Texts from outside are cut after their secrets are removed: half a token is a secret, too."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from mayfly.adapters import elements
from mayfly.dispatch import policy
from mayfly.events import read_messages
from mayfly_cli import account
from tests.unit.secret_kinds import SECRETS

PART = 12


def of_message(text: str) -> str:
    (line,) = read_messages({"Records": [{"messageId": text, "body": "{"}]}).unreadable
    return line


def of_account(text: str) -> str:
    error = ClientError({"Error": {"Code": "Strange", "Message": text}}, "GetThings")
    meta = SimpleNamespace(service_model=SimpleNamespace(signing_name="ssm", service_id="SSM"))
    return account._error_text(SimpleNamespace(meta=meta), error)


CUTS: dict[str, Callable[[str], Any]] = {
    "an unreadable element": elements._shown,
    "what a policy shows of a job": policy._printable,
    "an unreadable message": of_message,
    "an error of AWS": of_account,
}
BY_SHAPE = [secret for kind, secret in SECRETS.items() if kind != "old agent token"]


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
@pytest.mark.parametrize("secret", BY_SHAPE, ids=[kind for kind in SECRETS if "old" not in kind])
def test_a_secret_at_the_cut_leaves_no_half(cut: Callable[[str], Any], secret: str) -> None:
    longest = len(cut("x " * 2000))
    for before in range(max(0, longest - len(secret) - 60), longest, 7):
        shown = cut("x " * (before // 2) + secret)
        parts = [secret[at : at + PART] for at in range(len(secret) - PART)]
        assert not [part for part in parts if part in shown]

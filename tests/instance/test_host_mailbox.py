"""A report fits into its row, and carries no secret."""

from __future__ import annotations

import json

import pytest

from mayfly_instance.mailbox import LARGEST, fitted
from mayfly_instance.scrub import Scrubber


def size(report: object) -> int:
    return len(json.dumps(report))


def test_a_small_report_stays_as_it_is() -> None:
    assert fitted({"phase": "done", "exit": 0, "words": "fine"}) == {
        "protocol": 1,
        "phase": "done",
        "exit": 0,
        "words": "fine",
    }


@pytest.mark.parametrize("letter", ["x", "é", "𝄞", "\n", '"', "\x00"])
def test_words_are_cut_from_their_front_and_fill_what_is_left(letter: str) -> None:
    words = letter * 9000 + "the end"
    report = fitted({"phase": "failed", "reason": "it broke", "words": words})

    assert report["reason"] == "it broke"
    assert words.endswith(report["words"])
    assert report["words"].endswith("the end")
    assert LARGEST - 24 <= size(report) <= LARGEST


def test_a_reason_is_cut_from_its_end_once_there_are_no_words_left() -> None:
    report = fitted({"phase": "failed", "reason": "because " + "é" * 9000, "words": "w" * 50})

    assert report["reason"].startswith("because é")
    assert report["words"] == ""
    assert size(report) <= LARGEST


TOKENS = [
    "bkct_" + "A" * 24,
    "bkat_" + "a-_.9" * 10,
    "bkaj_" + "eyJhbGciOi.eyJzdWIi.c2ln" * 80,
    "bkjat_" + "Zz09-_" * 6,
    "bkua_" + "f" * 40,
    "bkaa_" + "f" * 3000,
]


@pytest.mark.parametrize("token", TOKENS, ids=lambda token: token[:6])
@pytest.mark.parametrize("around", ["{}", "token={} x", '{{"t":"{}"}}', "Token {}\n", "a/{}/b"])
def test_no_buildkite_token_is_ever_shown(token: str, around: str) -> None:
    shown = Scrubber()(around.format(token))

    assert token[:12] not in shown
    assert token[-12:] not in shown
    assert "[secret]" in shown


@pytest.mark.parametrize(
    "text",
    [
        "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        'export AWS_SESSION_TOKEN="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"',
        '"SecretAccessKey" : "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",',
        '"Token":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"',
        "X-Amz-Security-Token: wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    ],
)
def test_no_labelled_aws_secret_is_ever_shown(text: str) -> None:
    assert "wJalr" not in Scrubber()(text)


def test_a_secret_that_is_known_is_not_shown_without_its_label() -> None:
    scrub = Scrubber()
    scrub.learn("wJalrXUtnFEMI", "")

    assert scrub("the key wJalrXUtnFEMI does not work") == "the key [secret] does not work"


@pytest.mark.parametrize(
    "text",
    [
        "fetching bk_builds_of_everything_that_was_ever_built",
        "commit 0123456789abcdef0123456789abcdef01234567",
        "token expired after 300 s",
        "book_keeping_of_many_many_many_things",
    ],
)
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert Scrubber()(text) == text

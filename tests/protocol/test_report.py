"""A report fits into its row."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from mayfly_protocol.phases import Phase
from mayfly_protocol.report import LARGEST, Report, written

BOOT = "0f3b"


def size(report: object) -> int:
    """Bytes, counted here by hand: compact JSON in UTF-8."""
    return len(json.dumps(report, ensure_ascii=False, separators=(",", ":")).encode())


def test_a_small_report_stays_as_it_is() -> None:
    at = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
    assert written(Report(Phase.DONE, BOOT, at, exit=0, words="fine")) == {
        "protocol": 1,
        "phase": "done",
        "boot": BOOT,
        "at": "2026-11-20T09:30:00.000Z",
        "exit": 0,
        "words": "fine",
    }


@pytest.mark.parametrize("phase", list(Phase))
def test_a_phase_travels_as_its_word(phase: Phase) -> None:
    sent = json.dumps(written(Report(phase, BOOT)))
    assert f'"{phase.value}"' in sent
    assert f"{phase}" == str(phase) == phase.value


def test_a_time_is_written_in_utc() -> None:
    east = timezone(timedelta(hours=2))
    report = Report(Phase.DONE, BOOT, datetime(2026, 11, 20, 11, 30, 0, 123456, tzinfo=east))
    assert written(report)["at"] == "2026-11-20T09:30:00.123Z"


@pytest.mark.parametrize("letter", ["x", "é", "𝄞", "\n", '"', "\x00"])
def test_words_are_cut_from_their_front_and_fill_what_is_left(letter: str) -> None:
    words = letter * 9000 + "the end"
    report: dict[str, Any] = written(Report(Phase.FAILED, BOOT, reason="it broke", words=words))

    assert report["reason"] == "it broke"
    assert words.endswith(report["words"])
    assert report["words"].endswith("the end")
    assert LARGEST - 24 <= size(report) <= LARGEST


def test_a_reason_is_cut_from_its_end_once_there_are_no_words_left() -> None:
    reason = "because " + "é" * 9000
    report: dict[str, Any] = written(Report(Phase.FAILED, BOOT, reason=reason, words="w" * 50))

    assert report["reason"].startswith("because é")
    assert report["words"] == ""
    assert size(report) <= LARGEST


def test_a_path_that_is_no_text_does_not_keep_a_report_from_going() -> None:
    reason = b"no such file: \xff".decode("utf-8", "surrogateescape")
    assert written(Report(Phase.FAILED, BOOT, reason=reason, words="w" * 9000))["reason"] == reason

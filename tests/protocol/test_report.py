"""Reports as rows: which fields are written, and what is cut to keep them below the limit."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from mayfly_protocol.phases import Phase
from mayfly_protocol.report import LARGEST, Report, to_row

BOOT = "0f3b"


def size(report: object) -> int:
    """Bytes as compact JSON in UTF-8, counted independently of `encoded`."""
    return len(json.dumps(report, ensure_ascii=False, separators=(",", ":")).encode())


def test_a_small_report_is_written_uncut() -> None:
    at = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
    assert to_row(Report(Phase.DONE, BOOT, at, exit=0, words="fine")) == {
        "protocol": 1,
        "phase": "done",
        "boot": BOOT,
        "at": "2026-11-20T09:30:00.000Z",
        "exit": 0,
        "words": "fine",
    }


@pytest.mark.parametrize("phase", list(Phase))
def test_a_phase_is_written_and_formatted_as_its_value(phase: Phase) -> None:
    sent = json.dumps(to_row(Report(phase, BOOT)))
    assert f'"{phase.value}"' in sent
    assert f"{phase}" == str(phase) == phase.value


def test_a_report_time_is_written_in_utc() -> None:
    east = timezone(timedelta(hours=2))
    report = Report(Phase.DONE, BOOT, datetime(2026, 11, 20, 11, 30, 0, 123456, tzinfo=east))
    assert to_row(report)["at"] == "2026-11-20T09:30:00.123Z"


@pytest.mark.parametrize("letter", ["x", "é", "𝄞", "\n", '"', "\x00"])
def test_words_are_cut_from_the_front_and_fill_the_remaining_bytes(letter: str) -> None:
    words = letter * 9000 + "the end"
    report: dict[str, Any] = to_row(Report(Phase.FAILED, BOOT, reason="it broke", words=words))

    assert report["reason"] == "it broke"
    assert words.endswith(report["words"])
    assert report["words"].endswith("the end")
    assert LARGEST - 24 <= size(report) <= LARGEST


def test_a_reason_is_cut_from_its_end_once_all_words_are_cut() -> None:
    reason = "because " + "é" * 9000
    report: dict[str, Any] = to_row(Report(Phase.FAILED, BOOT, reason=reason, words="w" * 50))

    assert report["reason"].startswith("because é")
    assert report["words"] == ""
    assert size(report) <= LARGEST


def test_a_report_with_a_path_that_is_not_utf8_is_written() -> None:
    reason = b"no such file: \xff".decode("utf-8", "surrogateescape")
    assert to_row(Report(Phase.FAILED, BOOT, reason=reason, words="w" * 9000))["reason"] == reason

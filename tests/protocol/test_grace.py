"""The grace period that an agent's settings give to a cancelled job."""

from __future__ import annotations

import pytest

from mayfly_protocol.agent_settings import parse_agent_settings
from mayfly_protocol.grace import DELIVERY, LOOK, MOST, NOTICE, grace_seconds


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [
        ("", 15),
        ("no-plugins=true", 15),
        ("cancel-grace-period=10", 10),
        ("cancel-grace-period=60", 60),
        ('cancel-grace-period="60"', 60),
        ("cancel-grace-period=60\nsignal-grace-period-seconds=59", 60),
        ("cancel-grace-period=60\nsignal-grace-period-seconds=-60", 60),
        ("signal-grace-period-seconds=9", 10),
        ("cancel-signal-timeout=30s", 35),
        ("cancel-cleanup-timeout=1m10s", 80),
        ("cancel-signal-timeout=1.5m\ncancel-cleanup-timeout=500ms", 90.5),
        ("cancel-signal-timeout=0\ncancel-cleanup-timeout=0s", 15),
        ("cancel-grace-period=100", 100),
    ],
)
def test_the_grace_period_follows_from_the_settings_of_v3_and_v4(
    settings: str, seconds: float
) -> None:
    assert grace_seconds(settings) == seconds
    assert parse_agent_settings(settings) == settings


def test_the_longest_grace_period_leaves_time_for_the_notice_and_the_log() -> None:
    assert MOST + LOOK + DELIVERY == NOTICE


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ("cancel-grace-period=101", "cancel-grace-period may be at most 100 seconds"),
        ("cancel-signal-timeout=2m", "cancel-signal-timeout may be at most 100 seconds"),
        (
            "cancel-signal-timeout=60s\ncancel-cleanup-timeout=41s",
            "cancel-signal-timeout and cancel-cleanup-timeout may be at most 100 seconds",
        ),
        ("cancel-signal-timeout=98s", "cancel-signal-timeout may be at most 100 seconds"),
        ("cancel-grace-period=5\nsignal-grace-period-seconds=5", "must be less than"),
        ("cancel-grace-period=5\nsignal-grace-period-seconds=6", "must be less than"),
        ("cancel-grace-period=5\nsignal-grace-period-seconds=-6", "must be less than"),
        ("cancel-grace-period=0", "must be less than"),
        ("signal-grace-period-seconds=10", "must be less than"),
        ("cancel-grace-period=soon", "cancel-grace-period is not a whole number"),
        ("cancel-grace-period=10s", "cancel-grace-period is not a whole number"),
        ("cancel-signal-timeout=10", "cancel-signal-timeout is not a duration"),
        ("cancel-signal-timeout=-5s", "cancel-signal-timeout is not a duration"),
        ("cancel-cleanup-timeout=5 s", "cancel-cleanup-timeout is not a duration"),
    ],
)
def test_periods_that_cannot_fit_are_refused_by_name_and_without_the_value(
    settings: str, why: str
) -> None:
    for refuses in (grace_seconds, parse_agent_settings):
        with pytest.raises(ValueError, match=why) as refused:
            refuses(settings)
        assert "soon" not in str(refused.value)

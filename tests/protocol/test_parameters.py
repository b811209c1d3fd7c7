"""Control plane and host parse the parameters that both read in the same way."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mayfly.config import values
from mayfly_protocol.parameters import (
    SCRIPT_MINUTES,
    ScriptPlace,
    keep_failed_minutes,
    script_place,
)

PLACES = [
    ("s3://bucket/key", ScriptPlace("bucket", "key")),
    (" s3://bucket/key \n", ScriptPlace("bucket", "key")),
    ("s3://b.c-1/a/b_!*'().sh minutes=7", ScriptPlace("b.c-1", "a/b_!*'().sh", 7)),
    ("s3://bucket/key minutes=1", ScriptPlace("bucket", "key", 1)),
    ("s3://bucket/key  minutes=60", ScriptPlace("bucket", "key", 60)),
]
NO_PLACES = [
    "",
    "s3://bucket",
    "s3://bucket/",
    "https://bucket/key",
    "s3://Bucket/key",
    "s3://bucket/../key",
    "s3://bucket/a key",
    "s3://bucket/key minutes=",
    "s3://bucket/key minutes=0",
    "s3://bucket/key minutes=61",
    "s3://bucket/key minutes=100",
    "s3://bucket/key minutes=007",
    "s3://bucket/key minutes=١٢",
    "s3://bucket/keyminutes=7",
]


@pytest.mark.parametrize(("text", "place"), PLACES)
def test_control_plane_and_host_parse_a_script_parameter_alike(
    text: str, place: ScriptPlace
) -> None:
    assert script_place(text) == place
    assert values.script(text) == (place.url, place.minutes or SCRIPT_MINUTES)


@pytest.mark.parametrize("text", NO_PLACES)
def test_control_plane_and_host_refuse_an_invalid_script_parameter(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not s3://BUCKET/KEY|not from 1 to 60"):
        script_place(text)
    with pytest.raises(ValueError):  # noqa: PT011 - the parameter's description is the message
        values.script(text)


@pytest.mark.parametrize(("text", "minutes"), [("0", 0), ("60", 60), (" 1440\n", 1440)])
def test_control_plane_and_host_parse_keep_failed_minutes_alike(text: str, minutes: int) -> None:
    assert keep_failed_minutes(text) == minutes
    assert values.minutes(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["", "-1", "1441", "1.5", "1h", "00060", "١٢"])
def test_control_plane_and_host_refuse_invalid_keep_failed_minutes(text: str) -> None:
    with pytest.raises(ValueError, match="not a number of minutes from 0 to 1440"):
        keep_failed_minutes(text)
    with pytest.raises(ValueError):  # noqa: PT011 - the parameter's description is the message
        values.minutes(text)

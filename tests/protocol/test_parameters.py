"""Control plane and host parse the parameters that both read in the same way."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mayfly.config import values
from mayfly_protocol.parameters import (
    ScriptPlace,
    keep_failed_minutes,
    script_place,
)

VERSION = "3sL4k.qt_J~l-p+R/o="
DIGEST = "0123456789abcdef" * 4
PINNED = ScriptPlace("bucket", "key", 7, VERSION, DIGEST)
PLACES = [
    ("s3://bucket/key", ScriptPlace("bucket", "key")),
    (" s3://bucket/key \n", ScriptPlace("bucket", "key")),
    ("s3://b.c-1/a/b_!*'().sh minutes=7", ScriptPlace("b.c-1", "a/b_!*'().sh", 7)),
    ("s3://bucket/key minutes=1", ScriptPlace("bucket", "key", 1)),
    ("s3://bucket/key  minutes=60", ScriptPlace("bucket", "key", 60)),
    ("s3://bucket/key version=3sL4k.qt_J~l-p+R/o=", ScriptPlace("bucket", "key", None, VERSION)),
    (f"s3://bucket/key sha256={DIGEST}", ScriptPlace("bucket", "key", sha256=DIGEST)),
    (f"s3://bucket/key sha256={DIGEST.upper()}", ScriptPlace("bucket", "key", sha256=DIGEST)),
    (f"s3://bucket/key version={VERSION} sha256={DIGEST} minutes=7", PINNED),
    (f"s3://bucket/key minutes=7\tsha256={DIGEST}\n version={VERSION}", PINNED),
    (f"s3://bucket/key version={'v' * 1024}", ScriptPlace("bucket", "key", None, "v" * 1024)),
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
    "s3://bucket/key minutes=7 minutes=7",
    "s3://bucket/key minutes=7 minutes=8",
    f"s3://bucket/key sha256={DIGEST} sha256={DIGEST}",
    "s3://bucket/key version=a version=b",
    f"s3://bucket/key sha256={DIGEST[1:]}",
    f"s3://bucket/key sha256={DIGEST}0",
    f"s3://bucket/key sha256={DIGEST[1:]}g",
    f"s3://bucket/key sha256={DIGEST[:-2]}١٢",
    "s3://bucket/key sha256=",
    f"s3://bucket/key SHA256={DIGEST}",
    f"s3://bucket/key md5={DIGEST}",
    f"s3://bucket/key {DIGEST}",
    f"sha256={DIGEST} s3://bucket/key",
    "s3://bucket/key version=",
    "s3://bucket/key version=null",
    "s3://bucket/key version=a&b",
    "s3://bucket/key version=a?b",
    "s3://bucket/key version=ä",
    f"s3://bucket/key version={'v' * 1025}",
    "s3://bucket/key?versionId=a",
]


@pytest.mark.parametrize(("text", "place"), PLACES)
def test_control_plane_and_host_parse_a_script_parameter_alike(
    text: str, place: ScriptPlace
) -> None:
    assert script_place(text) == place
    assert values.script(text) == place


@pytest.mark.parametrize("text", NO_PLACES)
def test_control_plane_and_host_refuse_an_invalid_script_parameter(text: str) -> None:
    said = r"is not s3://BUCKET/KEY|not from 1 to 60|which the next upload replaces"
    with pytest.raises(ValueError, match=said):
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

"""Queue parameters that the host reads from SSM itself: they apply before the host has a job."""

from __future__ import annotations

import re
from dataclasses import dataclass

SCRIPT_MINUTES = 15
"""Time limit of the bootstrap script when `bootstrap/script` names none."""
_LONGEST_SCRIPT = 60
_LONGEST_KEPT = 24 * 60
_PLACE = re.compile(r"s3://(?P<bucket>[a-z0-9.-]+)/(?P<key>[A-Za-z0-9!_.*'()/-]+)")
# S3's user guide, "Working with version IDs": opaque, ready for URLs, at most 1,024 bytes. Its
# examples have characters of base64.
_OPTIONS = {
    "minutes": re.compile(r"[0-9]{1,2}"),
    "version": re.compile(r"[A-Za-z0-9._~+/=-]{1,1024}"),
    "sha256": re.compile(r"[0-9A-Fa-f]{64}"),
}
_FORM = "s3://BUCKET/KEY [minutes=N] [version=ID] [sha256=HEX]"
_MINUTES = re.compile(r"[0-9]{1,4}")


@dataclass(frozen=True)
class ScriptPlace:
    """The S3 object of the operator's bootstrap script, its time limit, and what pins it."""

    bucket: str
    key: str
    minutes: int | None = None
    """Time limit from the parameter; None when the parameter names none."""
    version: str = ""
    """Id of the object's version at S3; empty for the latest one."""
    sha256: str = ""
    """Digest of the content in lower-case hex; empty for any content."""

    @property
    def url(self) -> str:
        """`s3://bucket/key`."""
        return f"s3://{self.bucket}/{self.key}"


def script_place(text: str) -> ScriptPlace:
    """The value of `bootstrap/script`: `s3://bucket/key [minutes=N] [version=ID] [sha256=HEX]`.

    The options stand in any order, each at most once. Raises ValueError for any other text.
    """
    place, *words = text.split() or [""]
    found = _PLACE.fullmatch(place)
    parts = f"{found['bucket']}/{found['key']}".split("/") if found else []
    options = dict(word.partition("=")[::2] for word in words)
    known = all(
        name in _OPTIONS and _OPTIONS[name].fullmatch(value) for name, value in options.items()
    )
    if found is None or not all(part.strip(".") for part in parts) or not known:
        raise ValueError(f"{text!r} is not {_FORM}")
    if len(options) < len(words):
        raise ValueError(f"{text!r} is not {_FORM}: an option is given twice")
    minutes = int(options["minutes"]) if "minutes" in options else None
    if minutes is not None and not 1 <= minutes <= _LONGEST_SCRIPT:
        raise ValueError(f"{text!r} has minutes that are not from 1 to {_LONGEST_SCRIPT}")
    version = options.get("version", "")
    if version == "null":
        # S3's user guide, "Using versioning": without versioning, an upload replaces this one.
        raise ValueError(f"{text!r} has version=null, which the next upload replaces")
    return ScriptPlace(
        found["bucket"], found["key"], minutes, version, options.get("sha256", "").lower()
    )


def keep_failed_minutes(text: str) -> int:
    """The value of `debug/keep-failed-minutes`: 0 to 1440. Raises ValueError for any other text."""
    found = _MINUTES.fullmatch(text.strip())
    if found is None or int(found[0]) > _LONGEST_KEPT:
        raise ValueError(f"{text!r} is not a number of minutes from 0 to {_LONGEST_KEPT}")
    return int(found[0])

"""Reads a secrets bucket, and changes nothing in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mayfly_cli.ends import UsageError
from mayfly_cli.import_secrets.layout import Kind, Listed, Placed

_URL = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")
LONGEST = 262_144
"""Bytes of an object that is read; a longer one is no secret, and no file of secrets."""
MOST = 10_000
"""Objects that are listed."""


@dataclass(frozen=True, slots=True)
class BucketUrl:
    """A bucket, and a prefix that is empty or ends with a slash."""

    bucket: str
    prefix: str


def bucket_url(text: str) -> BucketUrl:
    """The bucket and prefix of `s3://bucket[/prefix]`. Raises UsageError for another text."""
    found = _URL.fullmatch(text)
    if found is None:
        raise UsageError(
            f"{text!r} is not an address of a bucket, as s3://bucket or s3://bucket/app"
        )
    prefix = (found[2] or "").strip("/")
    return BucketUrl(found[1], f"{prefix}/" if prefix else "")


class Bucket:
    """The objects below a prefix. Every method raises boto3's errors."""

    def __init__(self, client: Any, where: BucketUrl) -> None:
        self._client = client
        self._where = where

    def objects(self) -> Sequence[Listed]:
        """Every object below the prefix. Raises UsageError for too many."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._where.bucket, Prefix=self._where.prefix
        )
        found: list[Listed] = []
        for page in pages:
            found += [Listed(each["Key"], int(each["Size"])) for each in page.get("Contents", ())]
            if len(found) > MOST:
                raise UsageError(
                    f"the bucket has more than {MOST:,} objects, so it is more than secrets: name "
                    "a prefix"
                )
        return found

    def contents(self, objects: Sequence[Placed]) -> Mapping[str, bytes]:
        """The contents of those objects that mean something and are not too long, by key."""
        wanted = [each for each in objects if each.kind is not Kind.OTHER and each.size <= LONGEST]
        return {each.key: self._content(each.key) for each in wanted}

    def _content(self, key: str) -> bytes:
        answer = self._client.get_object(Bucket=self._where.bucket, Key=key)
        with answer["Body"] as body:
            return bytes(body.read(LONGEST + 1))

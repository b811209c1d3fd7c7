"""What the objects of a secrets bucket are, by their names. Pure.

The layout is that of `elastic-ci-stack-s3-secrets-hooks` (s3secrets-helper/secrets/secrets.go): for
all pipelines at the root, and for one pipeline below its slug: `private_ssh_key`, `id_rsa_github`,
`env`, `environment`, `git-credentials`, and variables in `secret-files/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mayfly_cli.ends import UsageError
from mayfly_protocol.slugs import GLOBAL, pipeline_slug


class Kind(StrEnum):
    """What an object is for the hooks."""

    SSH_KEY = "ssh key"
    ENVIRONMENT = "environment file"
    GIT_CREDENTIALS = "git credentials"
    VARIABLE = "variable"
    OTHER = "other"


# In the hooks' order: of two that set the same, the later one wins.
_FILES = {
    "private_ssh_key": Kind.SSH_KEY,
    "id_rsa_github": Kind.SSH_KEY,
    "env": Kind.ENVIRONMENT,
    "environment": Kind.ENVIRONMENT,
    "git-credentials": Kind.GIT_CREDENTIALS,
}
_ORDER = tuple(_FILES)
_VARIABLES = "secret-files"
_SUFFIXES = ("_SECRET", "_SECRET_KEY", "_PASSWORD", "_TOKEN", "_ACCESS_KEY")


@dataclass(frozen=True, slots=True)
class Listed:
    """An object of the bucket."""

    key: str
    size: int


@dataclass(frozen=True, slots=True)
class Placed:
    """An object with its meaning."""

    key: str
    size: int
    kind: Kind
    folder: str = ""
    """`global`, or the slug of a pipeline; empty for an object that means nothing."""
    name: str = ""
    """The file's name; of a variable, the variable's."""
    why: str = ""
    """Why the object means nothing; else empty."""


def placed(
    objects: Iterable[Listed], prefix: str, pipeline: str | None
) -> tuple[Sequence[Placed], str]:
    """The objects below the prefix, in the hooks' order; and how the prefix was understood.

    `pipeline` says that the prefix is this pipeline's folder. Otherwise the prefix is a pipeline's
    folder if its last part is a slug, and no file of a pipeline lies in a folder below; else it is
    a root with folders of pipelines.

    Raises UsageError for a pipeline that is no slug.
    """
    if pipeline is not None and pipeline_slug(pipeline) is None:
        raise UsageError(f"{pipeline!r} is not the slug of a pipeline")
    found = [each for each in objects if not each.key.endswith("/")]
    name = pipeline or _pipeline_of(found, prefix)
    if name is not None:
        said = f"{prefix} is taken as the folder of pipeline {name}" if prefix else ""
        said = said or f"everything is taken as of pipeline {name}"
        parts = [_in_folder(each, name, each.key.removeprefix(prefix)) for each in found]
    else:
        said = f"{prefix} is taken as a root with folders of pipelines" if prefix else ""
        parts = [_below_root(each, each.key.removeprefix(prefix)) for each in found]
    return sorted(parts, key=_rank), said


def _pipeline_of(objects: Sequence[Listed], prefix: str) -> str | None:
    if not prefix:
        return None
    below = [_below_root(each, each.key.removeprefix(prefix)) for each in objects]
    if any(each.folder not in {"", GLOBAL} for each in below):
        return None
    return pipeline_slug(prefix.rstrip("/").rpartition("/")[2])


def _below_root(each: Listed, relative: str) -> Placed:
    first, _, rest = relative.partition("/")
    if not rest or first == _VARIABLES:
        return _in_folder(each, GLOBAL, relative)
    slug = pipeline_slug(first)
    if slug is None:
        return Placed(each.key, each.size, Kind.OTHER, why=f"{first} is no slug of a pipeline")
    return _in_folder(each, slug, rest)


def _in_folder(each: Listed, folder: str, relative: str) -> Placed:
    kind = _FILES.get(relative)
    if kind is not None:
        return Placed(each.key, each.size, kind, folder, relative)
    first, _, rest = relative.partition("/")
    if first != _VARIABLES or not rest:
        return Placed(each.key, each.size, Kind.OTHER, why="the hooks do not read this name")
    name = rest.rpartition("/")[2]
    if not name.endswith(_SUFFIXES):
        why = f"the hooks read names that end in {', '.join(_SUFFIXES)}"
        return Placed(each.key, each.size, Kind.OTHER, why=why)
    return Placed(each.key, each.size, Kind.VARIABLE, folder, name)


def _rank(each: Placed) -> tuple[bool, str, int, str]:
    """Global before pipelines, then the hooks' order; what means nothing comes last."""
    at = _ORDER.index(each.name) if each.name in _ORDER else len(_ORDER)
    first = "" if each.folder == GLOBAL else each.folder
    return (not each.folder, first, at, each.key)

"""Tells changes of parameters from two reads and SSM's history. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from mayfly.answers import Parameter, ParameterVersion
from mayfly.records.audit import LastSeen, ParameterChange
from mayfly.records.bounds import LONGEST_VALUE, cut

MOST_VERSIONS = 20
"""Versions of one parameter that are recorded from one read; of more, the latest."""
LARGEST_GROUP = 200_000
"""Bytes of names and values that one row keeps. Each parameter counts `_OVERHEAD` besides."""
_OVERHEAD = 150

Versions = Sequence[ParameterVersion]


def groups(stack: str, read: Mapping[str, Parameter]) -> dict[str, dict[str, Parameter]]:
    """The parameters below the stack's path by queue; the others are in the group without name."""
    found: dict[str, dict[str, Parameter]] = {"": {}}
    root = f"/mayfly/{stack}/queues/"
    for name, parameter in read.items():
        queue, below, _ = name.removeprefix(root).partition("/")
        mine = queue if name.startswith(root) and below else ""
        found.setdefault(mine, {})[name] = parameter
    return found


def suspects(seen: Mapping[str, LastSeen], read: Mapping[str, Parameter]) -> tuple[str, ...]:
    """Names whose history tells whether, how often and by whom they were changed, sorted.

    An older version than the one seen before is a stale read: SSM's reads by path are not
    consistent. So a name that is missing counts as deleted only once its history is gone too.
    """
    put = {name for name, now in read.items() if _is_newer(now, seen.get(name))}
    return tuple(sorted(put | (seen.keys() - read.keys())))


def changes(
    name: str,
    old: LastSeen | None,
    read: Parameter | None,
    versions: Versions | None,
    now: datetime,
) -> tuple[ParameterChange, ...]:
    """The changes of one suspect, the oldest first.

    `versions` is SSM's history, empty for a parameter that does not exist, and None where SSM does
    not let it be read: then of several changes the last alone is known, and nobody who made it.
    """
    if read is None:
        gone = old is not None and not versions
        return (_deletion(name, old, now),) if gone and old is not None else ()
    if not versions:
        unknown = ParameterVersion(read.version, read.value, read.modified or now)
        return tuple(_told(name, old, (unknown,), remade=_is_remade(old, read, ())))
    return tuple(_told(name, old, versions, remade=_is_remade(old, read, versions)))


def _told(
    name: str, old: LastSeen | None, versions: Versions, *, remade: bool
) -> Iterator[ParameterChange]:
    """The changes that lead from `old` to the last of the versions."""
    if old is not None and remade:
        # SSM does not say when, but it was before the first version of the new one.
        yield _deletion(name, old, versions[0].at - timedelta(milliseconds=1))
        old = None
    known = {each.number: each.value for each in versions}
    if old is not None:
        known[old.number] = old.value
    later = [each for each in versions if old is None or each.number > old.number]
    for each in later[-MOST_VERSIONS:]:
        before = known.get(each.number - 1)
        yield ParameterChange(
            name=name,
            at=each.at,
            old=None if before is None else shown(before),
            new=shown(each.value),
            number=each.number,
            who=each.who,
        )


def _deletion(name: str, old: LastSeen, at: datetime) -> ParameterChange:
    return ParameterChange(name=name, at=at, old=old.value)


def _is_newer(now: Parameter, seen: LastSeen | None) -> bool:
    """Whether SSM has taken another value since; a parameter that is made anew begins at 1."""
    if seen is None:
        return True
    if now.modified is not None and seen.modified is not None:
        return now.modified > seen.modified
    return now.version > seen.number


def _is_remade(old: LastSeen | None, read: Parameter, versions: Versions) -> bool:
    """Whether the parameter was deleted and made anew since it was seen."""
    if old is None:
        return False
    if read.version <= old.number:
        return True
    same = [each for each in versions if each.number == old.number]
    return any(old.modified is not None and each.at != old.modified for each in same)


def shown(value: str) -> str:
    """A value as records keep it: cut."""
    return cut(value, LONGEST_VALUE)


def seen_now(parameter: Parameter) -> LastSeen:
    """What a row keeps of a parameter that has just been read."""
    return LastSeen(parameter.version, shown(parameter.value), parameter.modified)


def fitted(seen: Mapping[str, LastSeen]) -> dict[str, LastSeen]:
    """What a row keeps of these parameters, within `LARGEST_GROUP`; the first by name come first.

    A value gets its share of the room, and the parameters beyond the room are left out: their
    deletion is not told.
    """
    room, found = LARGEST_GROUP, dict[str, LastSeen]()
    share = max(16, min(LONGEST_VALUE, LARGEST_GROUP // (2 * max(1, len(seen)))))
    for name, each in sorted(seen.items()):
        kept = replace(each, value=cut(each.value, share))
        room -= len(name.encode()) + len(kept.value.encode()) + _OVERHEAD
        if room < 0:
            break
        found[name] = kept
    return found

"""Rules of time zones from the locked package `tzdata`: the same on every machine.

A machine's own files may be older, or absent, as in Lambda's image.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from zoneinfo import ZoneInfo

NO_ZONE = "UTC"
"""The zone of a window for which an operator names none."""


def _files() -> Traversable:
    # Imported late: few queues have a schedule, and every function's start loads this module.
    from importlib.resources import files

    return files("tzdata")


@cache
def zone_names() -> frozenset[str]:
    """The names of all zones in IANA's database, the older names included."""
    return frozenset(_files().joinpath("zones").read_text(encoding="ascii").split())


@cache
def zone(name: str) -> ZoneInfo:
    """The rules of a zone. Raises ValueError for a name that `zone_names` does not have."""
    if name not in zone_names():
        raise ValueError(f"{name!r} is no time zone")
    from zoneinfo import ZoneInfo

    with _files().joinpath("zoneinfo", *name.split("/")).open("rb") as stored:
        return ZoneInfo.from_file(stored, key=name)


def near_zone(text: str) -> str:
    """The name of the zone that a text probably means; empty where none is near.

    A city alone means its zone, and case does not matter.
    """
    from difflib import get_close_matches

    plain = {name.casefold(): name for name in zone_names()}
    cities = {name.rpartition("/")[2]: name for name in sorted(plain)}
    wanted = text.casefold().replace(" ", "_")
    found = get_close_matches(wanted, plain, n=1, cutoff=0.8)
    if not found:
        found = [cities[city] for city in get_close_matches(wanted, cities, n=1, cutoff=0.8)]
    return plain[found[0]] if found else ""

"""Parts of a template that stand in it more than once, each written once in a folder `parts`.

A place in the template names its part, and the word that differs there:

    # BEGIN parts/NAME.yaml WORD=value
    ...the part, with `value` where it says __WORD__...
    # END parts/NAME.yaml
"""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import indent

_PLACE = re.compile(
    r"^(?P<begin>(?P<margin> *)# BEGIN parts/(?P<name>\S+)"
    r"(?: (?P<word>[A-Z_]+)=(?P<value>[^\n]+))?\n)"
    r".*?"
    r"^(?P<end> *# END parts/(?P=name)\n)",
    re.DOTALL | re.MULTILINE,
)
_MARKER = re.compile(r"^ *# (?:BEGIN|END) parts/", re.MULTILINE)
_WORD = re.compile(r"__([A-Z_]+)__")


class BadPart(Exception):
    """A place in a template and its part do not fit."""


def filled(text: str, folder: Path) -> str:
    """The template with every part of `folder` in its places.

    Raises:
        BadPart: markers do not pair, there is no such part, a part has no place, or the word that
            a place gives is not the word that the part leaves open.
    """
    used = set()

    def place(match: re.Match[str]) -> str:
        used.add(match["name"])
        return match["begin"] + indent(_part(folder, match), match["margin"]) + match["end"]

    new, count = _PLACE.subn(place, text)
    if len(_MARKER.findall(text)) != 2 * count:
        raise BadPart("markers do not pair: # BEGIN parts/NAME … # END parts/NAME")
    if unused := {path.name for path in folder.iterdir()} - used:
        raise BadPart(f"no place for {', '.join(sorted(unused))}")
    return new


def _part(folder: Path, place: re.Match[str]) -> str:
    try:
        part = (folder / place["name"]).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise BadPart(f"there is no part {place['name']}") from error
    wanted, given = set(_WORD.findall(part)), {place["word"]} - {None}
    if wanted != given:
        raise BadPart(
            f"{place['name']} leaves open {', '.join(sorted(wanted)) or 'no word'},"
            f" its place gives {', '.join(given) or 'none'}"
        )
    return _WORD.sub(lambda _: place["value"], part)

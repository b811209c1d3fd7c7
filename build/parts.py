"""Fills parts that a template repeats; the source of each part is one file in a folder `parts`.

Each place in the template names the part, and the value of the one word that differs:

    # BEGIN parts/NAME.yaml WORD=value
    ...the part, with `value` in place of __WORD__...
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
    """The markers in a template and the parts do not fit."""


def filled(text: str, folder: Path) -> str:
    """The template's text with the parts of `folder` filled into their places.

    Raises:
        BadPart: the markers do not pair, a marker names an unknown part, a part has no place, or a
            marker gives another word than the part has.
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
            f"{place['name']} needs {', '.join(sorted(wanted)) or 'no word'},"
            f" its place gives {', '.join(given) or 'none'}"
        )
    return _WORD.sub(lambda _: place["value"], part)

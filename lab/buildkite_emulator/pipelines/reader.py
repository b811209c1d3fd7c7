"""Typed reading of a section's attributes; errors and notices name line and place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .sections import PipelineError, Section, scalar_text

GREATEST = 2**31 - 1
_WHOLE = re.compile(r"-?[0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class PipelineNotice:
    """A part of a valid pipeline that the emulator does not carry out, or that needs a person."""

    words: str
    place: str
    """The step, such as `step 2`; `pipeline` for the file itself."""
    line: int | None
    """None for JSON."""
    answer: str = ""
    """The key of the field that a person has to answer; empty for any other notice."""


class Reader:
    """Typed access to the attributes of one Section; names the section in errors."""

    def __init__(
        self,
        section: Section,
        what: str,
        line: int | None = None,
        notices: list[PipelineNotice] | None = None,
    ) -> None:
        self._section = section
        self._what = what
        self._line = section.line if section.line is not None else line
        self._notices = [] if notices is None else notices

    @property
    def line(self) -> int | None:
        """The first line of the section; None for JSON."""
        return self._line

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the given attributes, in order."""
        return tuple(self._section)

    def nested(self, what: str, section: Section) -> Reader:
        """A reader of a nested section."""
        return Reader(section, f"{self._what}: {what}", self._line, self._notices)

    def error(self, reason: str) -> PipelineError:
        """An error about this section."""
        return PipelineError(reason, self.line, self._what)

    def notice(self, name: str, words: str, answer: str = "") -> None:
        """Keep a notice about an attribute, with the attribute's line."""
        line = self._section.lines.get(name, self._line)
        self._notices.append(PipelineNotice(f"`{name}`: {words}", self._what, line, answer))

    def refuse_unknown(self, known: Iterable[str], kind: str | None = None) -> None:
        """Refuse unknown attributes: ignoring them would look like support.

        Words of Buildkite, from saymedia/jobsworth pull request 7 and sourcegraph/
        sourcegraph-public-snapshot pull request 52275.

        Raises:
            PipelineError: the section has an attribute that is not in `known`.
        """
        for name in sorted(set(self._section) - set(known)):
            owner = f"on the `{kind}` step" if kind else f"of `{self._what.rsplit(': ', 1)[-1]}`"
            alike = difflib.get_close_matches(name, list(known), n=1, cutoff=0.8)
            hint = (
                f", perhaps you meant `{alike[0]}`?"
                if alike
                else ". Please check the documentation to get a full list of supported properties."
            )
            raise self.error(f"`{name}` is not a valid property {owner}{hint}")

    def has(self, name: str) -> bool:
        """True if the attribute is given, even as null."""
        return name in self._section

    def raw(self, *names: str) -> Any:
        """The value of the first given name; None if no name is given."""
        return next((self._section[name] for name in names if name in self._section), None)

    def text(self, *names: str) -> str | None:
        """The attribute as text, numbers included; None without it.

        Raises:
            PipelineError: the value is neither text nor a number.
        """
        value = self.raw(*names)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        raise self.error(f"{names[0]} must be text")

    def texts(self, *names: str) -> list[str] | None:
        """The attribute as texts, from one text or a list of texts; None without it.

        Raises:
            PipelineError: the value is neither.
        """
        value = self.raw(*names)
        if value is None:
            return None
        entries = value if isinstance(value, list) else [value]
        if not all(isinstance(entry, str) for entry in entries):
            raise self.error(f"{names[0]} must be text, or a list of texts")
        return entries

    def section(self, name: str) -> Section | None:
        """The attribute as a mapping; None without it.

        Raises:
            PipelineError: the value is not a mapping.
        """
        value = self.raw(name)
        if value is not None and not isinstance(value, Section):
            raise self.error(f"{name} must be a mapping")
        return value

    def integer(self, name: str, *, minimum: int, maximum: int = GREATEST) -> int | None:
        """The attribute as an integer, also from a string of digits; None without it.

        Raises:
            PipelineError: the value is not an integer, or is out of bounds.
        """
        value = self.raw(name)
        if value is None:
            return None
        if isinstance(value, str) and _WHOLE.fullmatch(value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise self.error(f"{name} must be a whole number, at least {minimum}")
        if value > maximum:
            raise self.error(f"{name} must be a whole number, at most {maximum}")
        return value

    def flag(self, name: str) -> bool:
        """The attribute as a boolean; False without it.

        Raises:
            PipelineError: the value is not true or false.
        """
        value = self.raw(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        if value in ("true", "false"):
            return str(value) == "true"
        raise self.error(f"{name} must be true or false")

    def variables(self, name: str) -> dict[str, str]:
        """The attribute as environment variables; empty without it.

        Raises:
            PipelineError: the value is not a mapping, or one of its values is not a scalar.
        """
        value = self.raw(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise self.error(f"{name} must be a mapping of names to values")
        return {key: self._variable(name, key, content) for key, content in value.items()}

    def _variable(self, name: str, key: str, content: object) -> str:
        text = scalar_text(content)
        if text is None:
            raise self.error(f"{name}: the value of {key} must be text, a number or true/false")
        return text

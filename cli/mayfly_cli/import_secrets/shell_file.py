"""Reads plain assignments of a file that shells source, and runs nothing of it. Pure.

The hooks of the Elastic CI Stack evaluate the file in bash with `allexport`, so it may hold any
program. What is read here is what bash would do for sure: NAME=VALUE with quotes and comments,
several in a line, and `export` in front. Everything else is left to a person, by its line and
without its text. Source: bash(1), "QUOTING", "Simple Commands", "EXPANSION".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EXPORT = re.compile(r"export(?=[ \t])")
_EXPANDS = re.compile(r"\$[A-Za-z0-9_{(\[?!@*#$-]")
_QUOTES = re.compile(r"\$['\"]")  # of ANSI C, or to be translated; inside quotes it is a dollar
_WHITE = " \t"
# Words and signs by which a line reaches over further lines, or after which those are not reached.
_REACHES = re.compile(
    r"(?:^|[\s;&|(])(?:if|then|elif|else|fi|for|while|until|do|done|case|esac|select|function|coproc"
    r"|exit|return|exec|break|continue)(?:$|[\s;&|)])|<<|(?:\\|&&|\|\|?)\s*$"
)
_PAIRS = (("(", ")"), ("{", "}"), ("[[", "]]"))


@dataclass(frozen=True, slots=True)
class Assignment:
    """A variable that bash would set."""

    line: int
    name: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unread:
    """A line that a person has to look at."""

    line: int
    why: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file says, in order."""

    assignments: tuple[Assignment, ...]
    unread: tuple[Unread, ...]


def parse(text: str) -> Contents:
    """The assignments of a file, and the lines that are more than assignments."""
    reader = _Reader(text.removeprefix("\ufeff").replace("\r\n", "\n"))
    reader.read()
    return Contents(tuple(reader.assignments), tuple(reader.unread))


class _NotPlain(Exception):
    """The statement is no plain assignment."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self.assignments: list[Assignment] = []
        self.unread: list[Unread] = []

    def read(self) -> None:
        while self._to_statement():
            begun = self._at
            try:
                self.assignments += self._statement()
            except _NotPlain as error:
                self._left(begun, error.why)

    def _to_statement(self) -> bool:
        """Skip blanks, empty lines and comments; False at the end of the text."""
        while (char := self._next) and char in {*_WHITE, "\n", "#"}:
            self._at = self._end_of_line() if char == "#" else self._at + 1
        return bool(self._next)

    def _statement(self) -> list[Assignment]:
        """The assignments up to the end of a line, or to a semicolon."""
        exported = self._exported()
        found = []
        while True:
            found.append(self._assignment(exported=exported))
            blanks = self._skip_blanks()
            char = self._next
            if char in {"", "\n", ";"}:
                self._at += bool(char)
                return found
            if char == "#" and blanks:
                self._at = self._end_of_line()
                return found

    def _exported(self) -> bool:
        if _EXPORT.match(self._text, self._at) is None:
            return False
        self._at += len("export")
        self._skip_blanks()
        return True

    def _assignment(self, *, exported: bool) -> Assignment:
        line = self._text.count("\n", 0, self._at) + 1
        name = _NAME.match(self._text, self._at)
        if name is None:
            raise _NotPlain("a command")
        self._at = name.end()
        match self._text[self._at : self._at + 2]:
            case "+=":
                raise _NotPlain("adds to a value")
            case following if following[:1] == "[":
                raise _NotPlain("an array")
            case following if following[:1] != "=":
                raise _NotPlain("export of a name without a value" if exported else "a command")
        self._at += 1
        return Assignment(line, name[0], self._value(exported=exported))

    def _value(self, *, exported: bool) -> str:
        parts: list[str] = []
        colon = True  # bash expands ~ at the begin of a value and after each colon
        while (char := self._next) not in {"", "\n", ";", *_WHITE}:
            if char in "&|<>()":
                raise _NotPlain("an array or a command" if char == "(" else "a command")
            if char == "~" and colon:
                raise _NotPlain("a home directory (~)")
            if char == "{" and exported:
                raise _NotPlain("braces, which bash may expand after export")
            colon = char == ":"
            parts.append(self._part(char))
        return "".join(parts)

    def _part(self, char: str) -> str:
        """One character or one quoted part of a value."""
        match char:
            case "'":
                return self._single_quoted()
            case '"':
                return self._double_quoted()
            case "\\":
                return self._escaped()
            case "\0":
                raise _NotPlain("a NUL, which no variable can have")
        if _QUOTES.match(self._text, self._at):
            raise _NotPlain("a quote after a dollar")
        self._expands_nothing()
        self._at += 1
        return char

    def _single_quoted(self) -> str:
        end = self._text.find("'", self._at + 1)
        if end < 0:
            raise _NotPlain("a quote without its end")
        found = self._text[self._at + 1 : end]
        self._at = end + 1
        return found

    def _double_quoted(self) -> str:
        self._at += 1
        parts: list[str] = []
        while (char := self._next) != '"':
            if not char:
                raise _NotPlain("a quote without its end")
            if char == "\\" and self._text[self._at + 1 : self._at + 2] in {*'$`"\\\n'}:
                parts.append(self._escaped())
                continue
            self._expands_nothing()
            parts.append(char)
            self._at += 1
        self._at += 1
        return "".join(parts)

    def _escaped(self) -> str:
        """The character behind a backslash; nothing for a line that goes on in the next one."""
        found = self._text[self._at + 1 : self._at + 2]
        if not found:
            raise _NotPlain("a backslash at the end")
        self._at += 2
        return "" if found == "\n" else found

    def _expands_nothing(self) -> None:
        if self._next == "`":
            raise _NotPlain("the output of a command")
        found = _EXPANDS.match(self._text, self._at)
        if found is not None:
            raise _NotPlain(
                "the output of a command" if found[0] == "$(" else "a variable in its value"
            )

    def _left(self, begun: int, why: str) -> None:
        """Leave the statement to a person, and all that the statement may reach over."""
        line = self._text.count("\n", 0, begun) + 1
        self.unread.append(Unread(line, why))
        end = self._text.find("\n", begun)
        end = len(self._text) if end < 0 else end
        statement = self._text[begun:end]
        if not _reaches(statement):
            self._at = end
            return
        rest = self._text[end:]
        if rest.strip():
            self.unread.append(
                Unread(line + 1, f"to the end, because line {line} may reach over these lines")
            )
        self._at = len(self._text)

    @property
    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip_blanks(self) -> bool:
        begun = self._at
        while (char := self._next) and (char in _WHITE or self._goes_on()):
            self._at += 1 if char in _WHITE else 2
        return self._at > begun

    def _goes_on(self) -> bool:
        return self._text.startswith("\\\n", self._at)

    def _end_of_line(self) -> int:
        end = self._text.find("\n", self._at)
        return len(self._text) if end < 0 else end


def _reaches(statement: str) -> bool:
    """Whether a statement may change the meaning of further lines."""
    open_quotes = any(statement.count(quote) % 2 for quote in "'\"`")
    open_pairs = any(statement.count(first) != statement.count(last) for first, last in _PAIRS)
    return open_quotes or open_pairs or _REACHES.search(statement) is not None

"""CloudWatch Logs Insights in its simple form: SOURCE, fields, filter, sort and limit.

moto sorts and limits, but filters nothing and shows no field of a JSON line. Source: CloudWatch
Logs user guide, "CloudWatch Logs Insights language query syntax".
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.logs import models
from moto.logs.exceptions import InvalidParameterException

from mayfly_lab.aws.patches import Patch

LIMIT = 10_000
"""Lines without `limit` (CloudWatch Logs quotas, "Query results")."""
_WORDS = re.compile(
    r'"((?:[^"\\]|\\.)*)"|\'([^\']*)\'|/((?:[^/\\]|\\.)*)/|([()\[\],|])|(!=|<=|>=|[=<>])|([^\s()\[\],|=!<>"\']+)'
)
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
Row = Mapping[str, Any]
Test = Callable[[Row], bool]
Value = Callable[[Row], Any]


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a query, and its kind: text, regex, mark, sign or name."""

    kind: str
    text: str


@dataclass(slots=True)
class Query:
    """A query that was read."""

    shown: list[tuple[str, Value]] = field(default_factory=list)
    tests: list[Test] = field(default_factory=list)
    sort: tuple[str, bool] | None = None
    """The field, and whether the highest comes first."""
    limit: int = LIMIT


class _Reader:
    """Reads the words of one command, from the first on."""

    def __init__(self, words: Sequence[Word]) -> None:
        self._words, self._at = words, 0

    def next(self) -> Word | None:
        return self._words[self._at] if self._at < len(self._words) else None

    def take(self, *texts: str) -> bool:
        """Whether the next word is one of these; if so, it is read."""
        word = self.next()
        found = word is not None and word.kind != "text" and word.text.lower() in texts
        self._at += found
        return found

    def word(self) -> Word:
        word = self.next()
        if word is None:
            raise InvalidParameterException(msg="the query ends too soon")
        self._at += 1
        return word

    def either(self) -> Test:
        tests = [self.both()]
        while self.take("or"):
            tests.append(self.both())
        return lambda row: any(test(row) for test in tests)

    def both(self) -> Test:
        tests = [self.negated()]
        while self.take("and"):
            tests.append(self.negated())
        return lambda row: all(test(row) for test in tests)

    def negated(self) -> Test:
        if self.take("not"):
            test = self.negated()
            return lambda row: not test(row)
        if self.take("("):
            test = self.either()
            self.close(")")
            return test
        return self.comparison()

    def comparison(self) -> Test:
        left = self.value()
        negative = self.take("not")
        if self.take("like"):
            test = _like(left, self.word())
        elif self.take("in"):
            test = _in(left, self.list())
        else:
            test = _compared(left, self.word().text, self.value())
        return (lambda row: not test(row)) if negative else test

    def list(self) -> Sequence[Value]:
        if not self.take("["):
            raise InvalidParameterException(msg="`in` needs a list in [ ]")
        return self.values("]")

    def values(self, end: str) -> Sequence[Value]:
        """The values up to the mark that ends a list."""
        values = [self.value()]
        while self.take(","):
            values.append(self.value())
        self.close(end)
        return values

    def value(self) -> Value:
        word = self.word()
        if word.kind == "text":
            return lambda _: word.text
        if word.text == "coalesce" and self.take("("):
            values = self.values(")")
            return lambda row: next((v for each in values if (v := each(row)) is not None), None)
        if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", word.text):
            return lambda _: float(word.text)
        if word.kind != "name":
            raise InvalidParameterException(msg=f"unexpected {word.text!r} in the query")
        return _field(word.text)

    def close(self, mark: str) -> None:
        if not self.take(mark):
            raise InvalidParameterException(msg=f"{mark} is missing in the query")

    def shown(self) -> Iterator[tuple[str, Value]]:
        while (first := self.next()) is not None:
            value, name = self.value(), first.text
            if self.take("as"):
                name = self.word().text
            yield name, value
            if not self.take(","):
                break


def parse(text: str) -> Query:
    """The query of a text.

    Raises:
        InvalidParameterException: the text is no query, or has a command that the lab lacks.
    """
    query = Query()
    for words in _commands(text):
        reader = _Reader(words)
        command = reader.word().text.lower()
        match command:
            case "source":
                continue
            case "fields" | "display":
                query.shown += reader.shown()
            case "filter":
                query.tests.append(reader.either())
            case "sort":
                name = reader.word().text
                query.sort = (name, reader.take("desc"))
                reader.take("asc")
            case "limit" | "head":
                query.limit = min(int(reader.word().text), LIMIT)
            case _:
                raise InvalidParameterException(msg=f"the lab's queries have no command {command}")
        if (rest := reader.next()) is not None:
            raise InvalidParameterException(msg=f"unexpected {rest.text!r} after {command}")
    return query


def execute_query(
    log_groups: Sequence[Any], query: str, start_time: int, end_time: int
) -> list[dict[str, str]]:
    """The rows that a query finds between two times in seconds, in the form of moto's function."""
    read = parse(query)
    rows = [
        row for row in _rows(log_groups, start_time, end_time) if all(t(row) for t in read.tests)
    ]
    name, highest_first = read.sort or ("@timestamp", True)
    rows.sort(key=lambda row: _order(row.get(name)), reverse=highest_first)
    shown = read.shown or [(n, _field(n)) for n in ("@timestamp", "@message")]
    return [
        {n: str(v) for n, value in shown if (v := value(row)) is not None} | {"@ptr": row["@ptr"]}
        for row in rows[: read.limit]
    ]


def _field(name: str) -> Value:
    return lambda row: row.get(name)


def _rows(log_groups: Sequence[Any], start: int, end: int) -> Iterator[Row]:
    for group in log_groups:
        for stream in group.streams.values():
            for event in stream.events:
                if start * 1000 <= event.timestamp <= end * 1000 + 999:
                    yield {
                        **_fields(event.message),
                        "@timestamp": _moment(event.timestamp),
                        "@message": event.message,
                        "@log": group.name,
                        "@logStream": stream.log_stream_name,
                        "@ptr": str(event.event_id),
                    }


def _fields(message: str) -> Row:
    """The fields that Insights discovers in a JSON line, `queues.0` for an element of a list."""
    try:
        content = json.loads(message)
    except ValueError:
        return {}
    return dict(_flat("", content)) if isinstance(content, dict) else {}


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, each in items:
        if isinstance(each, dict | list):
            yield from _flat(f"{prefix}{name}.", each)
        elif each is not None:
            yield f"{prefix}{name}", each


def _like(left: Value, word: Word) -> Test:
    pattern = re.compile(word.text if word.kind == "regex" else re.escape(word.text))
    return lambda row: (value := left(row)) is not None and bool(pattern.search(str(value)))


def _in(left: Value, allowed: Sequence[Value]) -> Test:
    return lambda row: any(_equal(left(row), each(row)) for each in allowed)


def _compared(left: Value, sign: str, right: Value) -> Test:
    if sign == "=":
        return lambda row: _equal(left(row), right(row))
    if sign == "!=":
        return lambda row: not _equal(left(row), right(row))
    if sign not in _ORDERS:
        raise InvalidParameterException(msg=f"unexpected {sign!r} in the query")
    holds = _ORDERS[sign]
    return lambda row: holds(_order(left(row)), _order(right(row)))


def _equal(left: Any, right: Any) -> bool:
    return left is not None and _order(left) == _order(right)


def _order(value: Any) -> tuple[int, float, str]:
    """Numbers before texts; what is missing comes first."""
    if value is None:
        return (0, 0.0, "")
    try:
        return (1, float(value), "")
    except (TypeError, ValueError):
        return (2, 0.0, str(value))


def _moment(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{milliseconds % 1000:03}"


def _commands(text: str) -> Iterator[Sequence[Word]]:
    """The words of each command; a `|` in a text or a regular expression ends none."""
    words: list[Word] = []
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            continue
        for match in _WORDS.finditer(line):
            double, single, regex, mark, sign, name = match.groups()
            if mark == "|":
                yield words
                words = []
            elif double is not None or single is not None:
                words.append(Word("text", double if double is not None else single))
            elif regex is not None:
                words.append(Word("regex", regex))
            else:
                words.append(
                    Word("mark" if mark else "sign" if sign else "name", mark or sign or name)
                )
    if words:
        yield words


def patches() -> list[Patch]:
    """The patch of the function that moto's queries call."""
    wanted = "log_groups, query, start_time, end_time"
    return [Patch(models, "execute_query", execute_query, wanted)]

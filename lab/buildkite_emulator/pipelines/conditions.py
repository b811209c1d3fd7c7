"""`if` of a step: a parser and evaluator of Buildkite's conditional expressions.

Source: buildkite/docs pipelines/configure/conditionals.md. The page does not settle the following,
so they are assumed: `&&` binds tighter than `||`; values of different types are not equal; a
regular expression does not match null; the whole condition, and the operands of `&&`, `||` and `!`,
must be true, false or null.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Value = str | int | bool | None | tuple[str, ...]

_TOKEN = re.compile(
    r"""\s+ | //[^\n]*
    | (?P<regex>/(?:\\.|[^/\\\n])+/[a-z]*)
    | (?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
    | (?P<number>-?[0-9]{1,18}(?![0-9]))
    | (?P<name>[A-Za-z_][\w]*(?:\.[A-Za-z_]\w*)*)
    | (?P<sign>==|!=|=~|!~|&&|\|\||[!(),])
    """,
    re.VERBOSE,
)
MAX_DEPTH = 50
_LITERALS: Mapping[str, Value] = {"true": True, "false": False, "null": None}
_FLAGS = {"i": re.IGNORECASE, "m": re.DOTALL, "x": re.VERBOSE}


class ConditionError(Exception):
    """The expression is invalid or cannot be evaluated."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The values that a condition may use."""

    variables: Mapping[str, Value]
    """Values of `build.branch` and the other variables."""
    env: Mapping[str, str]
    """The environment for `build.env()`."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def holds(expression: str, facts: Facts) -> bool:
    """True if the condition is true.

    Raises:
        ConditionError: the expression is invalid; the message names the position.
    """
    parser = _Parser(expression, facts)
    value = parser.whole()
    if value is None or isinstance(value, bool):
        return bool(value)
    raise ConditionError(f"the condition is {value!r}, neither true nor false")


class _Parser:
    """A recursive descent parser that evaluates while it parses, without short-circuit."""

    def __init__(self, expression: str, facts: Facts) -> None:
        self._tokens = list(_tokens(expression))
        self._next = 0
        self._depth = 0
        self._end = len(expression)
        self._facts = facts

    def whole(self) -> Value:
        """The value of the whole expression.

        Raises:
            ConditionError: the expression is invalid; the message names the position.
        """
        value = self._disjunction()
        if self._next < len(self._tokens):
            raise self._unexpected()
        return value

    def _disjunction(self) -> Value:
        value = self._conjunction()
        while self._accept("||"):
            left, right = self._truth(value), self._truth(self._conjunction())
            value = left or right
        return value

    def _conjunction(self) -> Value:
        value = self._comparison()
        while self._accept("&&"):
            left, right = self._truth(value), self._truth(self._comparison())
            value = left and right
        return value

    def _comparison(self) -> Value:
        left = self._unary()
        for sign, decide in _COMPARISONS.items():
            if self._accept(sign):
                return decide(left, self._unary())
        for sign in ("=~", "!~"):
            if self._accept(sign):
                return self._matches(left) is (sign == "=~")
        if self._accept("includes"):
            right = self._unary()
            if left is not None and not isinstance(left, tuple):
                raise ConditionError("`includes` needs a list on its left")
            return right in (left or ())
        return left

    def _matches(self, left: Value) -> bool:
        token = self._expect_kind("regex", "a regular expression")
        body, _, flags = token.text[1:].rpartition("/")
        options = 0
        for flag in flags:
            if flag not in _FLAGS:
                raise ConditionError(f"unknown flag {flag!r} of the regular expression")
            options |= _FLAGS[flag]
        try:
            # Buildkite uses Ruby's expressions: ^ and $ match at every line.
            pattern = re.compile(body.replace("\\/", "/"), options | re.MULTILINE)
        except (re.error, RecursionError, OverflowError) as error:
            raise ConditionError(f"bad regular expression: {error}") from None
        return isinstance(left, str) and pattern.search(left) is not None

    def _unary(self) -> Value:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ConditionError(f"more than {MAX_DEPTH} levels of brackets and negations")
        value: Value
        if self._accept("!"):
            value = not self._truth(self._unary())
        elif self._accept("("):
            value = self._disjunction()
            self._expect(")")
        else:
            value = self._operand()
        self._depth -= 1
        return value

    def _operand(self) -> Value:
        if self._next == len(self._tokens):
            raise self._unexpected()
        token = self._tokens[self._next]
        self._next += 1
        if token.kind == "number":
            return int(token.text)
        if token.kind == "text":
            return re.sub(r"\\(.)", r"\1", token.text[1:-1])
        if token.kind == "name":
            return self._name_or_call(token)
        self._next -= 1
        raise self._unexpected()

    def _name_or_call(self, token: _Token) -> Value:
        if token.text in _LITERALS:
            return _LITERALS[token.text]
        if self._accept("("):
            name = self._expect_kind("text", "the name of a variable in quotes").text[1:-1]
            self._expect(")")
            if token.text not in {"build.env", "env"}:
                raise ConditionError(f"unknown function {token.text}() at {token.at + 1}")
            return self._facts.env.get(name)
        if token.text not in self._facts.variables:
            raise ConditionError(f"unknown variable {token.text} at {token.at + 1}")
        return self._facts.variables[token.text]

    def _truth(self, value: Value) -> bool:
        if value is None or isinstance(value, bool):
            return bool(value)
        raise ConditionError(f"{value!r} is neither true nor false")

    def _accept(self, text: str) -> bool:
        if self._next < len(self._tokens):
            token = self._tokens[self._next]
            if token.text == text and token.kind in {"sign", "name"}:
                self._next += 1
                return True
        return False

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            raise self._unexpected()

    def _expect_kind(self, kind: str, what: str) -> _Token:
        if self._next == len(self._tokens) or self._tokens[self._next].kind != kind:
            at = self._tokens[self._next].at if self._next < len(self._tokens) else self._end
            raise ConditionError(f"expected {what} at {at + 1}")
        self._next += 1
        return self._tokens[self._next - 1]

    def _unexpected(self) -> ConditionError:
        if self._next == len(self._tokens):
            return ConditionError("the expression ends too early")
        token = self._tokens[self._next]
        return ConditionError(f"unexpected {token.text} at {token.at + 1}")


def _equal(left: Value, right: Value) -> bool:
    # In Python True == 1.
    return type(left) is type(right) and left == right


_COMPARISONS: Mapping[str, Callable[[Value, Value], bool]] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
}


def _tokens(expression: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while at < len(expression):
        match = _TOKEN.match(expression, at)
        if match is None:
            raise ConditionError(f"unexpected {expression[at]} at {at + 1}")
        if match.lastgroup:
            tokens.append(_Token(match.lastgroup, match[0], at))
        at = match.end()
    return tokens

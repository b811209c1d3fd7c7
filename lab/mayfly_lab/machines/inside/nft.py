"""Parses firewall rules that cut users off from the metadata service, where the host has no nft.

Other expressions than these rules use are refused, so that no rule is silently ignored.
`uid_rules` applies the result.
"""

from __future__ import annotations

import ipaddress
import pwd
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

SERVICE = "169.254.169.254"
LAST_USER = 2**32 - 2
"""The highest user id. The next number means "no user" in the kernel."""

_WORD = re.compile(r'"[^"]*"|[{};,\n]|!=|==|[^\s{};,"]+')
_VERDICTS = ("accept", "return", "drop", "reject")


class NotUnderstood(ValueError):
    """The rules contain a part that this stand-in does not support."""


@dataclass
class _Chain:
    hook: str = ""
    stops: bool = False
    """Whether the chain's policy is drop."""
    rules: list[list[str]] = field(default_factory=list)


def refused(text: str) -> list[range]:
    """Ranges of user ids that the rules cut off from the metadata service (IPv4, port 80).

    Raises:
        NotUnderstood: the stand-in does not support a command or expression.
    """
    chains = [chain for chain in _Reader(text).chains() if chain.hook == "output"]
    edges = {0, LAST_USER + 1}
    for chain in chains:
        for rule in chain.rules:
            edges |= _edges(rule)
    spans: list[range] = []
    low = 0
    for high in sorted(edges - {0}):
        if any(_stops(chain, low) for chain in chains):
            start = spans.pop().start if spans and spans[-1].stop == low else low
            spans.append(range(start, high))
        low = high
    return spans


class _Reader:
    """Parses a rule file into tables, chains and rules."""

    def __init__(self, text: str) -> None:
        plain = re.sub(r"#[^\n]*", "", text).replace("\\\n", " ")
        self._words = [";" if word == "\n" else word for word in _WORD.findall(plain)]
        self._place = 0

    def chains(self) -> list[_Chain]:
        """Chains of all tables. Raises NotUnderstood."""
        chains: list[_Chain] = []
        while self._place < len(self._words):
            statement = self._statement()
            if statement[:1] in (["add"], ["create"]):
                statement = statement[1:]
            if statement[:1] == ["table"]:
                # Without a block, the statement only declares the table.
                chains += self._table() if self._next("{") else []
            elif statement and statement[0] not in {"flush", "delete", "destroy"}:
                raise NotUnderstood(" ".join(statement))
        return chains

    def _table(self) -> list[_Chain]:
        chains = []
        while not self._next("}"):
            statement = self._statement()
            if statement[:1] == ["chain"] and self._next("{"):
                chains.append(self._chain())
            elif statement and statement[0] != "comment":
                raise NotUnderstood(" ".join(statement))
        return chains

    def _chain(self) -> _Chain:
        chain = _Chain()
        while not self._next("}"):
            statement = self._statement(sets=True)
            if statement[:1] == ["type"]:
                chain.hook = statement[statement.index("hook") + 1]
            elif statement[:1] == ["policy"]:
                chain.stops = statement[1:] == ["drop"]
            elif statement and statement[0] != "comment":
                chain.rules.append(statement)
        return chain

    def _statement(self, *, sets: bool = False) -> list[str]:
        """The words up to the end of the line, or to a brace of a block."""
        words: list[str] = []
        depth = 0
        while self._place < len(self._words):
            word = self._words[self._place]
            if depth == 0 and (word == "}" or (word == "{" and not sets)):
                return words
            self._place += 1
            depth += {"{": 1, "}": -1}.get(word, 0)
            if word == ";" and depth == 0:
                return words
            words.append(word)
        return words

    def _next(self, word: str) -> bool:
        """Take `word` if it is the next word after ends of lines. Returns whether it was."""
        place = self._place
        while place < len(self._words) and self._words[place] == ";":
            place += 1
        if place >= len(self._words):
            if word == "}":
                raise NotUnderstood("a block without an end")
            return False
        if self._words[place] != word:
            return False
        self._place = place + 1
        return True


def _stops(chain: _Chain, uid: int) -> bool:
    for rule in chain.rules:
        verdict = _verdict(rule, uid)
        if verdict:
            return verdict in {"drop", "reject"}
    return chain.stops


def _verdict(rule: Sequence[str], uid: int) -> str:
    """The rule's verdict on a packet of this user to the metadata service; empty for none."""
    words = [word for word in rule if word != "counter"]
    while words:
        if words[0] in _VERDICTS:
            return words[0]
        if words[0] in {"comment", "log"}:
            words = words[2:] if words[0] == "comment" or words[1:2] != ["prefix"] else words[3:]
        else:
            expression, negated, values, words = _expression(words)
            if _holds(expression, values, uid) == negated:
                return ""
    return ""


def _expression(words: Sequence[str]) -> tuple[str, bool, list[str], list[str]]:
    """The first expression, whether it is negated, its values, and the remaining words."""
    rest = list(words[1:] if words[0] == "meta" else words)
    length = 2 if rest[0] in {"ip", "ip6", "tcp"} else 1
    expression, rest = " ".join(rest[:length]), rest[length:]
    negated = rest[:1] == ["!="]
    if rest[:1] in (["!="], ["=="]):
        rest = rest[1:]
    if rest[:1] == ["{"]:
        end = rest.index("}")
        return expression, negated, [word for word in rest[1:end] if word != ","], rest[end + 1 :]
    return expression, negated, rest[:1], rest[1:]


def _holds(expression: str, values: Sequence[str], uid: int) -> bool:
    if expression == "ip daddr":
        service = ipaddress.ip_address(SERVICE)
        return any(service in ipaddress.ip_network(value) for value in values)
    if expression == "ip6 daddr":
        return False
    if expression == "skuid":
        return any(uid in _users(value) for value in values)
    if expression == "tcp dport":
        return bool({"80", "http"} & set(values))
    if expression == "nfproto":
        return "ipv4" in values
    if expression == "l4proto":
        return bool({"tcp", "6"} & set(values))
    raise NotUnderstood(f"{expression} {' '.join(values)}")


def _users(value: str) -> range:
    first, _, last = value.partition("-")
    if first.isdigit() and (last.isdigit() or not last):
        return range(int(first), int(last or first) + 1)
    try:
        uid = pwd.getpwnam(value).pw_uid
    except KeyError as error:
        raise NotUnderstood(f"user {value}") from error
    return range(uid, uid + 1)


def _edges(rule: Sequence[str]) -> set[int]:
    """User ids at which the rule's verdict may change."""
    edges: set[int] = set()
    words = list(rule)
    while "skuid" in words:
        _, _, values, words = _expression(words[words.index("skuid") :])
        for users in map(_users, values):
            edges |= {users.start, users.stop}
    return edges

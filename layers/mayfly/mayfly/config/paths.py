"""Names of parameters that no queue has, each with the name that was probably meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from mayfly.config.parameters import DESCRIPTIONS, RULES
from mayfly.config.problem import printable
from mayfly.config.roles import ROLES
from mayfly.config.writers import removal, writer

_NAMES = [each.name for each in DESCRIPTIONS.values() if not each.name.endswith("<name>")]
_LONGEST = 1100
"""Characters of a name in a command; SSM allows 1,011 (PutParameter's reference)."""


@dataclass(frozen=True, slots=True)
class WrongPath:
    """Parameters at a place below the stack's path where nothing reads them."""

    text: str
    """What is wrong, and what was probably meant."""
    names: tuple[str, ...]
    """Whole names; several ones are of one queue that does not exist."""
    place: str
    """The only name, or the path of the queue."""
    meant: tuple[str, str] | None = None
    """Queue and name that the only parameter probably means."""

    def setting(self, value: str) -> str:
        """The command that sets the parameter that was meant; empty where nobody knows it."""
        return "" if self.meant is None else f"mayfly set {' '.join(self.meant)} {value}"

    @property
    def detail(self) -> str:
        """What is wrong, and the command that sets what was meant."""
        setting = self.setting("VALUE")
        if not setting:
            return self.text
        end = "" if self.text.endswith("?") else "."
        return f"{self.text}{end} To set that one: {setting}"

    @property
    def removal(self) -> str:
        """The command that removes the parameter, or that lists several with their commands."""
        if len(self.names) > 1:
            return f"mayfly get {printable(self.place, _LONGEST)}"
        return removal(printable(self.place, _LONGEST))

    def __str__(self) -> str:
        """One line, which ends with the command."""
        return f"{self.detail}; {self._way}: {self.removal}"

    @property
    def _way(self) -> str:
        if len(self.names) > 1:
            return "to list them, and what removes each"
        return "to remove it" if writer(self.place) else "an administrator removes it"


def near_name(name: str) -> str:
    """The parameter that a name below a queue's path probably means; empty for none."""
    folder, _, rule = name.rpartition("/")
    if rule and (near := get_close_matches(folder.casefold(), [RULES, ROLES], n=1, cutoff=0.8)):
        return f"{near[0]}/{re.sub(r'[^A-Za-z0-9_.-]', '-', rule)}"
    plain = {each.casefold(): each for each in _NAMES}
    # Some write only the last part of the name, as `hot`.
    tails = {each.rpartition("/")[2]: each for each in _NAMES}
    wanted = name.casefold().replace("_", "-")
    if found := get_close_matches(wanted, plain, n=1, cutoff=0.7):
        return plain[found[0]]
    return tails.get(wanted.rpartition("/")[2], "")


def unknown_paths(stack: str, names: Iterable[str], queues: Sequence[str]) -> Iterator[WrongPath]:
    """What is wrong with each name below `/mayfly/STACK/` that is no parameter of a known queue.

    Names below a known queue's path are left to the queue's own problems. All names of one unknown
    queue are one.
    """
    root = f"/mayfly/{stack}/"
    strange = dict[str, list[str]]()
    for name in sorted(names):
        first, _, rest = name.removeprefix(root).partition("/")
        queue, below, _ = rest.partition("/")
        if first == "queues" and below and queue in queues:
            continue
        strange.setdefault(queue if first == "queues" and below else f"/{name}", []).append(name)
    for queue, mine in strange.items():
        if queue.startswith("/"):
            yield _elsewhere(root, mine[0], queues)
        else:
            yield _of_unknown_queue(root, queue, mine, queues)


def _of_unknown_queue(
    root: str, queue: str, names: Sequence[str], queues: Sequence[str]
) -> WrongPath:
    path = names[0].removeprefix(f"{root}queues/")
    text = f"{root}queues/{printable(queue, 80)} has parameters, and there is no such queue"
    meant: tuple[str, str] | None = None
    if near := get_close_matches(queue, queues, n=1):
        text += f"; {near[0]} is one"
        name = near_name(path.partition("/")[2])
        meant = (near[0], name) if name else None
    elif queue.casefold() in {name.partition("/")[0] for name in _NAMES}:
        meant = _meant(path, queues)
        text += _asked(root, meant)
    alone = len(names) == 1
    place = names[0] if alone else f"{root}queues/{queue}"
    return WrongPath(text, tuple(names), place, _settable(meant, queues) if alone else None)


def _elsewhere(root: str, name: str, queues: Sequence[str]) -> WrongPath:
    meant = _meant(name.removeprefix(root), queues)
    form = f"{root}queues/QUEUE/NAME"
    text = f"{printable(name, 160)} is no parameter of Mayfly, whose form is {form}"
    return WrongPath(text + _asked(root, meant), (name,), name, _settable(meant, queues))


def _asked(root: str, meant: tuple[str, str] | None) -> str:
    return "" if meant is None else f"; did you mean {root}queues/{meant[0]}/{meant[1]}?"


def _settable(meant: tuple[str, str] | None, queues: Sequence[str]) -> tuple[str, str] | None:
    """What was meant, where its queue is known."""
    return meant if meant is not None and meant[0] in queues else None


def _meant(path: str, queues: Sequence[str]) -> tuple[str, str] | None:
    """Queue and name that a path without a known queue in its place probably means."""
    parts = path.split("/")
    for at, part in enumerate(parts):
        near = get_close_matches(part, queues, n=1, cutoff=0.8)
        name = near_name("/".join(parts[at + 1 :])) if near else ""
        if name:
            return near[0], name
    name = near_name(path)
    return (queues[0] if len(queues) == 1 else "QUEUE", name) if name else None

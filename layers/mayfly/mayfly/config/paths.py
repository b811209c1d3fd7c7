"""Names of parameters that no queue has, each with the name that was probably meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches

from mayfly.config.parameters import DESCRIPTIONS, RULES
from mayfly.config.problem import printable
from mayfly.config.roles import ROLES

_NAMES = [each.name for each in DESCRIPTIONS.values() if not each.name.endswith("<name>")]


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


def unknown_paths(stack: str, names: Iterable[str], queues: Sequence[str]) -> Iterator[str]:
    """One line for each name below `/mayfly/STACK/` that is no parameter of a known queue.

    Names below a known queue's path are left to the queue's own problems. All names of one unknown
    queue are one line.
    """
    root = f"/mayfly/{stack}/"
    told = set[str]()
    for name in sorted(names):
        first, _, rest = name.removeprefix(root).partition("/")
        queue, below, _ = rest.partition("/")
        if first == "queues" and below and queue in queues:
            continue
        if first == "queues" and below:
            if queue not in told:
                told.add(queue)
                hint = _hint(root, rest, queue, queues)
                shown = printable(queue, 80)
                yield f"{root}queues/{shown} has parameters, and there is no such queue{hint}"
            continue
        meant = _meant(root, name.removeprefix(root), queues)
        hint = f"; did you mean {meant}?" if meant else ""
        form = f"{root}queues/QUEUE/NAME"
        yield f"{printable(name, 160)} is no parameter of Mayfly, whose form is {form}{hint}"


def _hint(root: str, path: str, queue: str, queues: Sequence[str]) -> str:
    """What names below an unknown queue probably mean; `path` is one of them, the queue first."""
    if near := get_close_matches(queue, queues, n=1):
        return f"; {near[0]} is one"
    is_group = queue.casefold() in {name.partition("/")[0] for name in _NAMES}
    meant = _meant(root, path, queues) if is_group else ""
    return f"; did you mean {meant}?" if meant else ""


def _meant(root: str, path: str, queues: Sequence[str]) -> str:
    """The whole name that a path without a known queue in its place probably means."""
    parts = path.split("/")
    for at, part in enumerate(parts):
        near = get_close_matches(part, queues, n=1, cutoff=0.8)
        name = near_name("/".join(parts[at + 1 :])) if near else ""
        if name:
            return f"{root}queues/{near[0]}/{name}"
    name = near_name(path)
    return f"{root}queues/{queues[0] if len(queues) == 1 else 'QUEUE'}/{name}" if name else ""

"""What the cases and the sweep write into documents; `make docs` runs this beside `build.docs`."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from build.blocks import Documents, main, table
from tests.security.cases.table import CASES
from tests.security.people import PEOPLE, ROWS
from tests.security.principals import ATTACHMENTS, NOTHING, principals
from tests.security.remaining import Entry, entries
from tests.security.sweep import rights
from tests.security.things import things

WHO = {
    "*-of-stack-2": "hosts of another stack",
    "bootstrap*": "set-up of every queue",
    "bootstrap-of-*": "set-up of other queues and stacks",
    "job-of-*": "jobs of other queues and stacks",
}
"""Patterns of principals in words."""
PARTS = {
    "row/*/any": "every Mailbox row, if no attribute is named",
    "row/*/assignment": "the assignment in every Mailbox row",
    "row/*/report": "the report in every Mailbox row",
    "row/own-notice/*": "its own notice",
    "row/own-start/*": "its own order",
    "row/own/*": "its own Mailbox row",
}
"""Patterns of things in words, where they do not mean a whole group."""
GROUPS = {
    "account": "the account as a whole",
    "alarm": "alarms and metrics",
    "dashboard": "the dashboard",
    "fleet": "the Fleet table",
    "function": "functions",
    "instance": "instances",
    "key": "KMS keys",
    "layer": "layers",
    "log": "logs",
    "mailbox": "the Mailbox table and its stream",
    "mapping": "event source mappings",
    "parameter": "parameters",
    "part": "volumes, interfaces, security groups, launch templates, fleets",
    "policy": "policies of people",
    "profile": "instance profiles",
    "queue": "queues of SQS",
    "role": "roles",
    "row": "Mailbox rows",
    "rule": "rules",
    "script": "bootstrap scripts and their buckets",
    "secret": "secrets of jobs",
    "secret-key": "queues' own keys of secrets",
    "secret-path": "folders of secrets",
    "stack": "stacks",
    "token-path": "paths above the token",
    "topic": "topics",
}
"""Groups of things in words."""


def permission_cases() -> str:
    """All cases with verdict and deciding statement, a table for each heading."""
    parts = []
    for heading, cases in CASES.items():
        rows = (
            (case.sentence, "allowed" if case.verdict.allowed else "denied", case.decided_by)
            for case in cases
        )
        parts += [f"### {heading}", table(("case", "verdict", "decided by"), rows)]
    return "\n\n".join(parts)


def permissions_that_remain() -> str:
    """The written list of what remains allowed, a table for each heading."""
    parts = []
    for heading in dict.fromkeys(entry.heading for entry in entries()):
        rows = (
            (_who(entry), _attached(entry), _code(entry.may), _things(entry), entry.because)
            for entry in entries()
            if entry.heading == heading
        )
        parts += [f"### {heading}", table(("who", "with", "may", "on", "because"), rows)]
    return "\n\n".join(parts)


def permissions_tried() -> str:
    """What the sweep tries: by group of things, how many things and actions on them."""
    found = things().values()
    return table(
        ("what is protected", "things", "actions tried on them"),
        (
            (words, str(len(of_group)), str(sum(len(each.actions) for each in of_group)))
            for group, words in GROUPS.items()
            if (of_group := [each for each in found if each.name.startswith(f"{group}/")])
        ),
    )


def bootstrap_rights() -> str:
    """Everything that credentials of a bootstrap role may do without an attached policy."""
    return _rights_of("bootstrap")


def job_rights() -> str:
    """Everything that credentials of a sandbox role may do without an attached policy."""
    return _rights_of("job")


def rights_of_people() -> str:
    """What people may do with the stacks' managed policies: a row for each act."""
    return table(
        ("with the policies of the stacks", *PEOPLE.values()),
        ((row.what, *("yes" if who in row.may else "no" for who in PEOPLE)) for row in ROWS),
    )


def _rights_of(principal: str) -> str:
    found: dict[str, list[str]] = {}
    for right in rights():
        if right.principal == principal and NOTHING in right.attached:
            found.setdefault(right.action, []).append(things()[right.thing].title)
    return table(
        ("action", "on"),
        ((f"`{action}`", _joined(titles)) for action, titles in sorted(found.items())),
    )


def _who(entry: Entry) -> str:
    return _joined(WHO.get(each) or _title(each) for each in entry.who)


def _title(name: str) -> str:
    title = principals()[name].title
    return title[0].lower() + title[1:]


def _attached(entry: Entry) -> str:
    if set(entry.attached) == set(ATTACHMENTS):
        return "any of the six policies"
    return NOTHING if entry.attached == (NOTHING,) else _code(entry.attached)


def _things(entry: Entry) -> str:
    return _joined(title for pattern in entry.things for title in _titles(pattern))


def _titles(pattern: str) -> Iterator[str]:
    """Titles of the things that the pattern means; the group's words for all of a group."""
    group, _, rest = pattern.partition("/")
    if words := PARTS.get(pattern) or (rest == "*" and GROUPS[group]):
        yield words
        return
    yield from (each.title for each in things().values() if fnmatchcase(each.name, pattern))


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _joined(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(texts))


DOCUMENTS = Documents(
    ("docs/deploying.md", "docs/permissions.md", "docs/security.md"),
    {
        "bootstrap-rights": bootstrap_rights,
        "job-rights": job_rights,
        "permission-cases": permission_cases,
        "permissions-that-remain": permissions_that_remain,
        "permissions-tried": permissions_tried,
        "rights-of-people": rights_of_people,
    },
)


if __name__ == "__main__":
    # The translator of templates reports metrics of its own that nobody collects.
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    main(DOCUMENTS)

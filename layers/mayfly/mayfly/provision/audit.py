"""Records each change of a parameter: name, old, new, when, and who where AWS says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from mayfly.answers import Parameter, ParameterVersion
from mayfly.errors import Misconfigured, NotFound
from mayfly.events import ParameterCall
from mayfly.provision.changes import changes, fitted, groups, seen_now, suspects
from mayfly.provision.ports import ProvisionPorts
from mayfly.records.audit import LastSeen, ParameterChange, ParametersSeen
from mayfly.records.changes import Change, Drop, Save
from mayfly.records.pages import read_all
from mayfly.scrubbing import scrub
from mayfly.tick.outcome import Outcome

MOST_ASKED = 10
"""Parameters of a queue whose history one tick reads; the next tick goes on."""
MOST_CHANGES = 90
"""Changes in one write, which has at most 100 rows."""
_EARLY, _LATE = timedelta(seconds=10), timedelta(minutes=15)
"""Around a call: CloudTrail gives whole seconds, and a deletion is told when it is missed."""
_MOST_READ = 1000


def record_changes(
    ports: ProvisionPorts, read: Mapping[str, Parameter], outcome: Outcome, now: datetime
) -> None:
    """Compare a whole read of the stack's parameters with the last, and record what has changed.

    The first read of all is only remembered. A change is written together with what was seen, so a
    crash or a lost race leaves it to the next tick, and nothing is told twice.
    """
    with outcome.noting("changes of parameters"):
        known = {each.group: each for each in ports.fleet.parameters_seen()}
        clean = {name: replace(each, value=scrub(each.value)) for name, each in read.items()}
        found = groups(ports.stack, clean)
        begun = "" in known
        for group in sorted(known.keys() | found.keys(), reverse=True):
            seen = known.get(group, ParametersSeen(group))
            with outcome.noting(f"changes of parameters of {group or ports.stack}"):
                mine = found.get(group, {})
                if begun:
                    told, after = _told(ports, seen, mine, now)
                else:
                    told, after = [], {name: seen_now(each) for name, each in mine.items()}
                _write(ports, seen, after, told)


def _told(
    ports: ProvisionPorts,
    seen: ParametersSeen,
    read: Mapping[str, Parameter],
    now: datetime,
) -> tuple[list[ParameterChange], dict[str, LastSeen]]:
    """The changes of a group, and its parameters as far as their changes are told."""
    after = dict(seen.parameters)
    told = list[ParameterChange]()
    for name in suspects(seen.parameters, read)[:MOST_ASKED]:
        old = seen.parameters.get(name)
        found = changes(name, old, read.get(name), _history(ports, name), now)
        if len(told) + len(found) > MOST_CHANGES:
            break
        told += found
        if name in read:
            after[name] = seen_now(read[name])
        elif found:
            del after[name]
    return told, after


def _history(ports: ProvisionPorts, name: str) -> Sequence[ParameterVersion] | None:
    """SSM's history; empty for a parameter that does not exist, None where it may not be read."""
    try:
        versions = ports.parameters.history(name)
        return [replace(each, value=scrub(each.value)) for each in versions]
    except NotFound:
        return ()
    except Misconfigured:
        return None


def _write(
    ports: ProvisionPorts,
    seen: ParametersSeen,
    after: Mapping[str, LastSeen],
    told: Sequence[ParameterChange],
) -> None:
    """Write the changes with the parameters as seen now; nothing where nothing is new."""
    present = replace(seen, parameters=fitted(after))
    if present == seen and seen.version:
        return
    row: Change = Save(present)
    if not present.parameters and seen.group:
        if not seen.version:
            return
        row = Drop(seen)
    ports.fleet.write([row, *map(Save, told)])


def name_who(ports: ProvisionPorts, call: ParameterCall, outcome: Outcome) -> None:
    """Complete the recorded changes that this call has made by the principal that made it."""
    with outcome.noting("who changed parameters"):
        start, end = call.at - _EARLY, call.at + _LATE
        read = read_all(lambda after: ports.history.changes(start, end, after), _MOST_READ)
        ours = [each for each in call.names if each.startswith(f"/mayfly/{ports.stack}/")]
        for name in ours:
            made = [
                change
                for change in reversed(read.records)  # The oldest first.
                if change.name == name and change.number == call.number and not change.who
            ]
            if made:
                ports.fleet.write([Save(replace(made[0], who=call.who))])

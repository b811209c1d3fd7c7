"""What a job gets out of the parameters in its folders: variables, keys for ssh, or a refusal.

Pure. The layout is that of the agent hook aws-paramstore-secrets (see `mayfly_protocol.slugs`); a
table in docs/operating.md states each result. Whatever stands below `env/` or at `ssh/key` was
promised to the job, so a parameter there that cannot be given refuses the job. Other names are
noted and ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mayfly_instance.aws import Parameter
from mayfly_instance.parameter_store import MOST_BYTES
from mayfly_protocol import access, variables
from mayfly_protocol.job_facts import JobFacts
from mayfly_protocol.repository import same_repository
from mayfly_protocol.slugs import GLOBAL

KEY = "ssh/key"
PUBLIC = "ssh/key.pub"
REPOSITORY = "repository"
_PROMISED = ("env", "ssh")
_SHORTEST = 6
"""Bytes of a value that is hidden. The agent does not redact a shorter one either: it would blank
common words (LengthMin of buildkite/agent internal/redact)."""
_SHORTEST_LINE = 8
_LONGEST_REASON = 450
"""The supervisor finds a refusal of 500 characters in the agent's log (job.py)."""


class Refused(Exception):
    """The job must not run: what it was promised cannot be given, or a list denies it.

    The text names parameters, and has no value.
    """


@dataclass(frozen=True)
class Key:
    """A private key for ssh."""

    name: str
    """Full name of its parameter."""
    text: str = field(repr=False)
    """The key, its lines ended by line feeds alone."""


@dataclass(frozen=True)
class JobSecrets:
    """What a job is given."""

    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    key: Key | None = None
    """For the repository's checkout."""
    shared_keys: Sequence[Key] = ()
    """For every pipeline of the queue: internal plugins."""
    notes: Sequence[str] = ()
    """Lines for the job's log, about parameters that are ignored or unusual; without values."""


def judge(
    path: str,
    folders: Mapping[str, Sequence[Parameter]],
    facts: JobFacts,
    shared: Sequence[Parameter] = (),
    shared_names: Sequence[str] = (),
) -> JobSecrets:
    """What the job gets from its folders, by name, those with less weight first; or Refused.

    `path` is the folders' own folder. `shared` are those of the parameters `shared_names` that
    exist.
    """
    sorted_out = [_Folder(f"{path}/{name}", found) for name, found in folders.items()]
    _check_access(sorted_out, facts)
    faults = [fault for each in sorted_out for fault in each.faults]
    notes = [note for each in sorted_out for note in each.notes]
    given: dict[str, str] = {}
    key: Parameter | None = None
    for each in sorted_out:
        given.update(each.variables)
        if each.key is None:
            continue
        if each.path == f"{path}/{GLOBAL}":
            notes.append(f"{each.key.name} is ignored: secrets/shared-ssh-keys names shared keys")
        else:
            key = each.key
    size = sum(len(name) + len(value.encode("utf-8", "replace")) for name, value in given.items())
    if size > MOST_BYTES:
        faults.append(f"the variables below {path} have more than {MOST_BYTES // 1024} KB together")
    present = {each.name: each for each in shared}
    faults += [f"{name} does not exist" for name in shared_names if name not in present]
    used = [*([key] if key else []), *(present[n] for n in shared_names if n in present)]
    faults += [fault for each in used for fault in _faults_of_key(each)]
    if faults:
        raise Refused(_joined(faults))
    notes += [_unencrypted(each) for each in used if each.kind == "String"]
    return JobSecrets(
        variables=given,
        key=_key(key) if key else None,
        shared_keys=[_key(present[name]) for name in shared_names],
        notes=notes,
    )


def hides(parameter: Parameter) -> bool:
    """Whether the parameter's value is a secret: lists and pins are names, which logs may show."""
    *_, above, last = ["", *parameter.name.split("/")]
    return above in _PROMISED or last not in {access.PIPELINES, access.TEAMS, REPOSITORY}


def hidden(value: str) -> Iterator[str]:
    """The texts to hide in logs for this value: itself, and lines of a value with several.

    A terminal ends lines by other characters than the value does, and a log may show some only.
    """
    if len(value.encode("utf-8", "replace")) >= _SHORTEST:
        yield value
    parts = [line.strip() for line in value.splitlines()]
    if parts != [value]:
        yield from (part for part in parts if len(part) >= _SHORTEST_LINE)


class _Folder:
    """One folder, sorted out by what its parameters are for."""

    def __init__(self, path: str, found: Sequence[Parameter]) -> None:
        self.path = path
        self.variables: dict[str, str] = {}
        self.key: Parameter | None = None
        self.lists: dict[str, Parameter] = {}
        self.pin: Parameter | None = None
        self.faults: list[str] = []
        self.notes: list[str] = []
        self._sources: dict[str, str] = {}
        for each in sorted(found, key=lambda parameter: parameter.name):
            self._sort(each, each.name[len(path) + 1 :])

    def _sort(self, parameter: Parameter, name: str) -> None:
        if name.startswith(variables.ENV):
            self._add_variable(parameter, name[len(variables.ENV) :])
        elif name == KEY:
            self.key = parameter
        elif name in (access.PIPELINES, access.TEAMS):
            self.lists[parameter.name] = parameter
        elif name == PUBLIC:
            pass  # for people: it tells them which deploy key at the provider is meant
        elif name == REPOSITORY:
            self.pin = parameter
        else:
            self.notes.append(f"{parameter.name} is ignored: a folder has no such name")

    def _add_variable(self, parameter: Parameter, name: str) -> None:
        try:
            variable = variables.variable(name)
        except ValueError as error:
            self.faults.append(f"{parameter.name}: {error}")
            return
        other = self._sources.setdefault(variable, parameter.name)
        if other != parameter.name:
            self.faults.append(f"{other} and {parameter.name} both give {variable}")
        if "\0" in parameter.value:
            self.faults.append(f"{parameter.name} has a NUL, which no variable can have")
        if parameter.value != parameter.value.rstrip():
            self.notes.append(f"{parameter.name}: its value ends with a blank or a line break")
        self.variables[variable] = parameter.value


def _check_access(folders: Sequence[_Folder], facts: JobFacts) -> None:
    """Raises Refused where a list or a pin denies the job, or is unreadable."""
    for each in folders:
        for parameter in [*each.lists.values(), *([each.pin] if each.pin else [])]:
            if parameter.kind != "String":
                raise Refused(f"{parameter.name} is a {parameter.kind}, and must be a String")
        lists = {name: parameter.value for name, parameter in each.lists.items()}
        if why := access.denial(lists, facts):
            raise Refused(why)
        if each.pin and not same_repository(each.pin.value.strip(), facts.repository):
            raise Refused(f"{each.pin.name} names another repository")


def _faults_of_key(parameter: Parameter) -> Iterator[str]:
    if parameter.kind == "StringList":
        yield f"{parameter.name} is a StringList, and a key has to be a SecureString"
    elif "PRIVATE KEY-----" not in parameter.value:
        # ssh-add would say little else, and a public key is the likely mistake.
        yield f"{parameter.name} is no private key for ssh"


def _key(parameter: Parameter) -> Key:
    # ssh-add takes neither carriage returns nor a last line without its end ("error in libcrypto").
    lines = parameter.value.strip().splitlines()
    return Key(parameter.name, "".join(f"{line.rstrip()}\n" for line in lines))


def _unencrypted(parameter: Parameter) -> str:
    return f"{parameter.name} is a String, which is kept unencrypted: make it a SecureString"


def _joined(faults: Sequence[str]) -> str:
    """As many of the faults as a report has room for."""
    text = faults[0]
    for number, fault in enumerate(faults[1:], 1):
        longer = f"{text}; {fault}"
        if len(longer) > _LONGEST_REASON:
            return f"{text}; and {len(faults) - number} more"
        text = longer
    return text

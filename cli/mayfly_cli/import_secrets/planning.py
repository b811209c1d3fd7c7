"""What of a bucket goes where in Parameter Store, and what is left to a person. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from mayfly_cli.deploy_keys.key_pair import public_of
from mayfly_cli.deploy_keys.stored import KEY, PUBLIC
from mayfly_cli.import_secrets.layout import Kind, Placed
from mayfly_cli.import_secrets.shell_file import parse
from mayfly_cli.queue_secrets.store import ADVANCED
from mayfly_protocol.slugs import GLOBAL
from mayfly_protocol.variables import ENV, refusal

SHARED = "shared_ssh_keys"
"""Folder of keys for every pipeline. No pipeline's slug has a `_`, so none reads it as its own."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A parameter to be written."""

    source: str
    """Key of the object, with the line where there is one."""
    parameter: str
    """Full name."""
    value: str = field(repr=False, metadata={"screen": True})
    size: int
    public: str = field(default="", metadata={"screen": True})
    """Of an ssh key: the line with its public half; empty else."""


@dataclass(frozen=True, slots=True)
class Left:
    """Something that a person has to look at."""

    source: str
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done."""

    wanted: tuple[Wanted, ...]
    left: tuple[Left, ...]
    notes: tuple[str, ...]
    shared_keys: tuple[str, ...]
    """Full names of ssh keys that every pipeline used."""


def plan(path: str, objects: Sequence[Placed], contents: Mapping[str, bytes]) -> Plan:
    """The plan for the objects, which are in the hooks' order.

    `contents` is by key, without objects that mean nothing; `path` is the queue's folder.
    """
    planner = _Planner(path)
    for each in objects:
        planner.add(each, contents.get(each.key, b""))
    planner.compare_with_hooks()
    shared = tuple(
        each.parameter
        for each in planner.wanted.values()
        if each.parameter.startswith(f"{path}/{SHARED}/")
    )
    return Plan(tuple(planner.wanted.values()), tuple(planner.left), tuple(planner.notes), shared)


class _Planner:
    def __init__(self, path: str) -> None:
        self._path = path
        self.wanted: dict[str, Wanted] = {}
        self.left: list[Left] = []
        self.notes: list[str] = []
        self._files: dict[tuple[str, str], Kind] = {}
        """By folder and variable: the kind of the object that it comes from."""

    def add(self, placed: Placed, content: bytes) -> None:
        match placed.kind:
            case Kind.OTHER:
                self._leave(placed.key, placed.why)
            case Kind.GIT_CREDENTIALS:
                self._leave(placed.key, _credentials(content))
            case kind:
                text = _text(content)
                if text is None:
                    self._leave(placed.key, "it is no text in UTF-8")
                elif kind is Kind.SSH_KEY:
                    self._add_key(placed, text)
                elif kind is Kind.ENVIRONMENT:
                    self._add_file(placed, text)
                else:
                    self._add_variable(placed, placed.key, placed.name, _without_end(text))

    def compare_with_hooks(self) -> None:
        """Note variables whose winner differs: in the hooks all secret-files win over all files."""
        for (folder, name), kind in self._files.items():
            over = self._files.get((GLOBAL, name))
            if folder != GLOBAL and kind is Kind.ENVIRONMENT and over is Kind.VARIABLE:
                self.notes.append(
                    f"{name}: pipeline {folder} has its own value now; the hooks gave it the value "
                    "of all pipelines, because secret-files win over environment files"
                )

    def _add_file(self, placed: Placed, text: str) -> None:
        if "\r\n" in text:
            self.notes.append(f"{placed.key}: its lines end with CR LF; the CR is left out")
        found = parse(text)
        for each in found.assignments:
            self._add_variable(placed, f"{placed.key}:{each.line}", each.name, each.value)
        for line in found.unread:
            self._leave(f"{placed.key}:{line.line}", line.why)

    def _add_variable(self, placed: Placed, source: str, name: str, value: str) -> None:
        why = _why_no_variable(name) or _why_no_value(value)
        if why:
            self._leave(source, f"{name}: {why}")
            return
        parameter = f"{self._path}/{placed.folder}/{ENV}{name}"
        self._want(source, parameter, value)
        self._files[placed.folder, name] = placed.kind

    def _add_key(self, placed: Placed, text: str) -> None:
        lines = (line.rstrip() for line in text.strip().splitlines())
        value = "".join(f"{line}\n" for line in lines)
        public = public_of(value)
        if public is None:
            why = "it is no private key of ssh, or it has a passphrase, which nobody could type"
            self._leave(placed.key, why)
            return
        why = _why_no_value(value)
        if why:
            self._leave(placed.key, why)
            return
        if placed.folder == GLOBAL:
            name = f"{self._path}/{SHARED}/{placed.name}"
        else:
            name = f"{self._path}/{placed.folder}/{KEY}"
        before = self.wanted.get(name)
        line = f"{public.text} imported from {placed.name}"
        if before is not None and before.public.split()[:2] != line.split()[:2]:
            self._leave(placed.key, f"a folder has one key, and {before.source} has it already")
        elif before is None:
            self.wanted[name] = Wanted(placed.key, name, value, len(value.encode()), line)

    def _want(self, source: str, name: str, value: str) -> None:
        before = self.wanted.pop(name, None)
        if before is not None and before.value != value:
            self.notes.append(f"{source} wins over {before.source}, as in the hooks")
        self.wanted[name] = Wanted(source, name, value, len(value.encode()))

    def _leave(self, source: str, why: str) -> None:
        self.left.append(Left(source, why))


def public_name(wanted: Wanted) -> str:
    """The parameter beside an ssh key that has its public half."""
    return wanted.parameter.removesuffix(KEY) + PUBLIC


def _why_no_variable(name: str) -> str:
    if name != name.upper():
        return "jobs get names in capital letters, and so another variable"
    return refusal(name)


def _why_no_value(value: str) -> str:
    """Why Parameter Store does not take the value; empty if it does."""
    size = len(value.encode())
    if not value:
        return "it is empty, and Parameter Store takes no empty value"
    if size > ADVANCED:
        return f"it has {size:,} bytes, and Parameter Store takes at most {ADVANCED:,}"
    if "\0" in value:
        return "it has a NUL, which no variable can have"
    if "{{" in value:
        # PutParameter: "values can't contain a parameter name in braces".
        return "it has {{ in it, which Parameter Store does not take"
    return ""


def _text(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _without_end(text: str) -> str:
    """The text without the end of its last line, which most files have and no secret needs."""
    return text.removesuffix("\n").removesuffix("\r")


def _credentials(content: bytes) -> str:
    hosts = sorted(set(_hosts(content)))
    of = f" for {', '.join(hosts)}" if hosts else ""
    return (
        f"credentials of git over https{of}: Mayfly has no place for them. Make deploy keys "
        "(mayfly deploy-key create), and let pipelines clone over ssh"
    )


def _hosts(content: bytes) -> Iterator[str]:
    for line in content.decode("utf-8", "replace").splitlines():
        try:
            host = urlsplit(line.strip()).hostname
        except ValueError:
            continue
        if host:
            yield host

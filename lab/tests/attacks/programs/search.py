"""Searches a machine for patterns: runs there, with its Python 3.9 and as any user.

    python3 -c "$(cat search.py)" PLACE [PATTERN…]

PLACE is `files`, `processes` or `memory`; patterns are regular expressions, or lines of standard
input. Prints a line `found SHA256 in WHERE` for each finding, and `searched N` at the end, N being
the number of files or processes that could be read.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import sys
from collections.abc import Iterator

_TREES = (
    "/dev",
    "/etc",
    "/home",
    "/media",
    "/mnt",
    "/opt",
    "/root",
    "/run",
    "/srv",
    "/tmp",
    "/var",
)
_SYSTEM = "/usr"
"""Searched for files that were changed since the machine began, because it is large."""
_MOST = 64 << 20
_RELAY = b"/mayfly_lab/machines/inside/doors.py"
"""The lab's own program that carries the traffic of a whole machine, the metadata service's too, as
EC2's network does: no process of a host in an account."""


def main() -> None:
    """Search by the command line."""
    place, *given = sys.argv[1:]
    lines = given or sys.stdin.read().split("\n")
    patterns = [re.compile(line.encode()) for line in lines if line]
    searches = {"files": _files, "processes": _processes, "memory": _memory}
    number = 0
    for where, content in searches[place]():
        number += 1
        for pattern in patterns:
            for each in set(pattern.findall(content)):
                print(f"found {hashlib.sha256(each).hexdigest()} in {where}")
    print(f"searched {number}")


def _files() -> Iterator[tuple[str, bytes]]:
    began = os.stat("/proc/1").st_ctime
    for tree in (*_TREES, _SYSTEM):
        for folder, _, names in os.walk(tree):
            for name in names:
                path = os.path.join(folder, name)
                try:
                    found = os.lstat(path)
                    if not stat.S_ISREG(found.st_mode):
                        continue
                    if tree == _SYSTEM and found.st_ctime < began - 60:
                        continue
                    with open(path, "rb") as file:
                        yield path, file.read(_MOST)
                except OSError:
                    continue


def _processes() -> Iterator[tuple[str, bytes]]:
    """Command line, environment, and open files that have been deleted."""
    for pid in _others():
        content = b""
        for name in ("cmdline", "environ"):
            try:
                content += _read(f"/proc/{pid}/{name}") + b"\0"
            except OSError:
                continue
        yield _named(pid), content + _deleted(pid)


def _deleted(pid: str) -> bytes:
    content = b""
    try:
        for number in os.listdir(f"/proc/{pid}/fd"):
            link = f"/proc/{pid}/fd/{number}"
            if os.readlink(link).endswith(" (deleted)") and stat.S_ISREG(os.stat(link).st_mode):
                with open(link, "rb") as file:
                    content += file.read(_MOST)
    except OSError:
        return content
    return content


def _memory() -> Iterator[tuple[str, bytes]]:
    """What each process can write: its heap, its stacks, its variables. Not of the lab's relay."""
    for pid in _others():
        try:
            if _RELAY in _read(f"/proc/{pid}/cmdline"):
                continue
            with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as file:
                spans = [line.split()[:2] for line in file]
            with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
                yield _named(pid), b"\0".join(_spans(memory.fileno(), spans))
        except OSError:
            continue


def _spans(memory: int, spans: list[list[str]]) -> Iterator[bytes]:
    for span, rights in spans:
        low, high = (int(each, 16) for each in span.split("-"))
        if rights.startswith("rw") and high - low <= _MOST:
            try:
                yield os.pread(memory, high - low, low)
            except (OSError, OverflowError):  # [vsyscall], or the process has just ended
                continue


def _named(pid: str) -> str:
    """The process's id and its program."""
    try:
        return f"process {pid} ({_read(f'/proc/{pid}/comm').decode(errors='replace').strip()})"
    except OSError:  # the process has ended
        return f"process {pid}"


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _others() -> list[str]:
    return [each for each in os.listdir("/proc") if each.isdigit() and int(each) != os.getpid()]


main()

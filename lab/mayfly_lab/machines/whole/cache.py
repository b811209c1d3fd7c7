"""A cache of directories that take minutes to make: complete or not there, made one at a time."""

from __future__ import annotations

import fcntl
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from mayfly.errors import Transient

_SYSTEM = Path("/var/cache/mayfly/trees")
_LOOK_SECONDS = 0.1
_PARTIAL = ".partial"

Make = Callable[[Path, int], None]
"""Fills an empty directory. What it starts holds the file descriptor of the lock until it ends."""


def cache_directory(environment: Mapping[str, str]) -> Path:
    """MAYFLY_TREES, else mayfly/trees in the user's cache, else in /var/cache.

    Services and containers start root's processes without HOME. A relative XDG_CACHE_HOME counts as
    unset, by https://specifications.freedesktop.org/basedir-spec/latest/.
    """
    if own := environment.get("MAYFLY_TREES"):
        return Path(own).absolute()
    for name, below in (("XDG_CACHE_HOME", "mayfly/trees"), ("HOME", ".cache/mayfly/trees")):
        base = Path(environment.get(name, ""))
        if base.is_absolute():
            return base / below
    return _SYSTEM


@dataclass(frozen=True, slots=True)
class Cache:
    """Directories named GROUP-REST; one process at a time makes those of a group."""

    directory: Path
    patience: float
    """Seconds to wait for another process that makes a directory of the group."""

    def find(self, name: str) -> Path | None:
        """The directory of this name, complete; None if it has not been made."""
        path = self.directory / name
        return path if path.is_dir() else None

    def find_or_make(self, group: str, name: str, make: Make) -> Path:
        """The directory of this name, made now if it is not there.

        Raises:
            Transient: another process was making a directory of the group for too long.
            Exception: whatever `make` raises; then nothing is kept.
        """
        if found := self.find(name):
            return found
        with self._locked(group) as lock:
            # Another process may have made the directory while this one waited.
            return self.find(name) or self._make(group, name, make, lock)

    def keep_only(self, group: str, names: Collection[str]) -> list[Path]:
        """Remove other directories of the group, and return them.

        Raises:
            OSError: a directory could not be removed.
            Transient: as above.
        """
        with self._locked(group):
            old = [path for path in self._of(group) if path.name not in names]
            for path in old:
                shutil.rmtree(path)
        return old

    def _make(self, group: str, name: str, make: Make, lock: int) -> Path:
        # Builds hold the lock until their last process has ended: nobody writes to what is left.
        for path in self._of(group):
            if path.suffix == _PARTIAL:
                shutil.rmtree(path)
        partial = Path(mkdtemp(prefix=f"{group}-", suffix=_PARTIAL, dir=self.directory))
        # As the root of a machine has it.
        partial.chmod(0o755)
        try:
            make(partial, lock)
            return partial.rename(self.directory / name)
        finally:
            # A killed build may still be ending: what stays is removed before the next one.
            shutil.rmtree(partial, ignore_errors=True)

    def _of(self, group: str) -> Iterator[Path]:
        return (path for path in self.directory.glob(f"{group}-*") if path.is_dir())

    @contextmanager
    def _locked(self, group: str) -> Iterator[int]:
        # Trees have programs with the rights of root, which no user of this system may start.
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.directory / f"{group}.lock").open("wb") as file:
            if not _taken(file.fileno()):
                self._wait_for(group, file.fileno())
            yield file.fileno()

    def _wait_for(self, group: str, lock: int) -> None:
        other = f"another process that makes {group} in {self.directory}"
        print(f"mayfly-lab waits for {other}", file=sys.stderr, flush=True)
        end = time.monotonic() + self.patience
        while not _taken(lock):
            if time.monotonic() >= end:
                raise Transient(f"{other} has not ended within {self.patience:.0f} s")
            time.sleep(_LOOK_SECONDS)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

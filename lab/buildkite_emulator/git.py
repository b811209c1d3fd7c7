"""Repositories for checkouts, served over git's "dumb" HTTP protocol: plain files."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .serving.http import Request, Response
from .serving.refusals import RefusedError, not_found

PREFIX = "/git/"
_AUTHOR = ("-c", "user.name=The lab", "-c", "user.email=lab@example.org")


@dataclass(frozen=True, slots=True)
class Repository:
    """A bare repository that the emulator serves."""

    path: Path
    commit: str
    """The head commit of the default branch."""
    branch: str


def make_bare(
    source: Path, target: Path, *, branch: str = "main", branches: Sequence[str] = ()
) -> Repository:
    """Make a bare repository at `target` from a directory.

    A directory that is a git repository is cloned with its history and all branches. The content of
    any other directory is committed to `branch`. The further `branches` start at the same commit.

    Raises:
        subprocess.CalledProcessError: git failed; its output is in the exception.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        origin = source
        if not (source / ".git").exists():
            origin = Path(scratch) / "tree"
            shutil.copytree(source, origin, symlinks=True)
            _git(origin, "init", "--quiet", f"--initial-branch={branch}")
            _git(origin, "add", "--all")
            _git(origin, *_AUTHOR, "commit", "--quiet", "--allow-empty", "-m", "The lab's example")
        _git(origin, "clone", "--quiet", "--bare", str(origin), str(target))
    for name in branches:
        _git(target, "branch", name)
    # Dumb clients read lists of refs and packs from files; a single pack means few requests.
    _git(target, "repack", "-a", "-d", "--quiet")
    _git(target, "update-server-info")
    return Repository(
        path=target,
        commit=_git(target, "rev-parse", "HEAD"),
        branch=_git(target, "symbolic-ref", "--short", "HEAD"),
    )


class GitFiles:
    """Serves the bare repositories below one directory as `/git/<name>.git`."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def answer(self, request: Request) -> Response:
        """The content of one file of a repository.

        Raises:
            RefusedError: 404 for a path without a file, 405 for methods other than GET and HEAD.
        """
        if request.method not in {"GET", "HEAD"}:
            raise RefusedError(405, "This repository can only be read")
        path = (self._root / request.path.removeprefix(PREFIX)).resolve()
        if not path.is_relative_to(self._root) or not path.is_file():
            raise not_found("such file")
        return Response(body=path.read_bytes(), content_type="application/octet-stream")


def _git(directory: Path, *arguments: str) -> str:
    completed = subprocess.run(
        ("git", "-C", str(directory), *arguments),
        check=True,
        capture_output=True,
        text=True,
        # A terminal's Ctrl-C must not reach git: the lab's command handles it between steps.
        start_new_session=True,
    )
    return completed.stdout.strip()

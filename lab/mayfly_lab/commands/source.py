"""The source of a user's build: the pipeline file, and the repository that jobs check out."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path

from buildkite_emulator import Buildkite, BuildRequest, JobView, PipelineError
from mayfly_cli.ends import UsageError
from mayfly_cli.parameter_types import QUEUE_KEY
from mayfly_lab.commands.option_types import is_unicode
from mayfly_lab.lab import Lab

DEFAULT_QUEUE = "default"
MODULES = ".gitmodules"
_NAME = "repository"


@dataclass(frozen=True, slots=True)
class Source:
    """A pipeline and its repository; no repository means that jobs check out an empty one."""

    file: Path
    """The pipeline's file, as given."""
    slug: str
    pipeline: str
    repository: Path | None
    branch: str
    """The build's branch."""
    commit: str
    """The commit that jobs check out."""
    message: str
    new_branch: bool
    """Whether the repository lacks the branch; the lab's copy gets it at `commit`."""
    uncommitted: bool
    """Whether the repository has uncommitted work; jobs do not see uncommitted work."""
    modules: str = ""
    """The content of `.gitmodules` at the commit; empty without submodules."""

    def request(self, env: Mapping[str, str]) -> BuildRequest:
        """The request for the build, as a person makes it in Buildkite's UI."""
        return BuildRequest(
            branch=self.branch, commit=self.commit, message=self.message, source="ui", env=env
        )

    def add_to(self, lab: Lab) -> None:
        """Add the repository and the pipeline to the lab's Buildkite.

        Raises:
            UsageError: git cannot copy the repository.
        """
        origin = self.repository
        if origin is None:
            origin = lab.home / "empty"
            origin.mkdir()
        elif _git_output(origin, "symbolic-ref", "--quiet", "HEAD") is None:
            origin = self._on_a_branch(origin, lab.home / "checkout")
        try:
            lab.buildkite.add_repository(
                _NAME, origin, branches=[self.branch] if self.new_branch else []
            )
        except subprocess.CalledProcessError as error:
            raise UsageError(f"--repo: git: {_last_line(error.stderr)}") from None
        url = lab.buildkite.repository_url(_NAME)
        lab.buildkite.add_pipeline(self.slug, self.pipeline, url, as_uploaded=True)

    def _on_a_branch(self, origin: Path, target: Path) -> Path:
        """Copy a repository with a detached HEAD. Git cannot clone a default branch from such."""
        _require_git("clone", "--quiet", str(origin), str(target))
        _require_git("-C", str(target), "checkout", "--quiet", "-B", "detached", self.commit)
        return target


def read_source(file: Path, repository: Path | None, branch: str | None) -> Source:
    """Read the pipeline file, and find its repository: `repository`, else the one around the file.

    Raises:
        UsageError: the file cannot be read; the folder is no git repository, or the repository has
            no commit; git does not allow the branch's name.
    """
    text = _text(file)
    if branch is not None and not is_unicode(branch):
        raise UsageError(f"--branch: {branch!a} is not text in UTF-8")
    if branch is not None and _git("check-ref-format", "--branch", branch).returncode:
        raise UsageError(f"--branch: git does not allow the name {branch!r}; choose another")
    if repository is None:
        repository = _around(file.resolve().parent)
    elif not _is_folder(repository):
        raise UsageError(f"--repo: {repository} is not a folder")
    elif _around(repository) is None:
        raise UsageError(f"--repo: {repository} is not a git repository; `git init` and commit")
    else:
        repository = _around(repository)
    name = file.stem if repository is None or file.stem != "pipeline" else repository.name
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "pipeline"
    if repository is None:
        # HEAD: the empty repository's one commit is made when the lab starts.
        return Source(file, slug, text, None, branch or "main", "HEAD", "", bool(branch), False)
    return _of_repository(file, slug, text, repository, branch)


def _of_repository(
    file: Path, slug: str, text: str, repository: Path, branch: str | None
) -> Source:
    head = _git_output(repository, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if head is None:
        raise UsageError(f"--repo: {repository} has no commit; commit the files that jobs need")
    current = _git_output(repository, "symbolic-ref", "--quiet", "--short", "HEAD") or "detached"
    wanted = branch or current
    tip = _git_output(
        repository, "rev-parse", "--verify", "--quiet", f"refs/heads/{wanted}^{{commit}}"
    )
    commit = tip or head
    return Source(
        file=file,
        slug=slug,
        pipeline=text,
        repository=repository,
        branch=wanted,
        commit=commit,
        message=_git_output(repository, "log", "-1", "--format=%s", commit) or "",
        new_branch=tip is None and wanted != current,
        uncommitted=bool(_git_output(repository, "status", "--porcelain")),
        modules=_modules(repository, commit),
    )


def _modules(repository: Path, commit: str) -> str:
    """The content of `.gitmodules`; empty where the commit has no submodules."""
    done = _git("-C", str(repository), "show", f"{commit}:{MODULES}")
    return done.stdout if done.returncode == 0 else ""


def jobs_of(source: Source, given: Sequence[str], env: Mapping[str, str]) -> Sequence[JobView]:
    """The jobs of the build, created on trial; `given` are the queues, the default queue first.

    Raises:
        UsageError: the pipeline cannot be read, with file, line and reason.
    """
    with_default = list(given) or [DEFAULT_QUEUE]
    buildkite = Buildkite(lambda: datetime.now(UTC), queues=with_default)
    try:
        buildkite.add_pipeline(source.slug, source.pipeline, "", as_uploaded=True)
        return buildkite.create_build(source.slug, source.request(env)).jobs
    except PipelineError as error:
        raise UsageError(f"the pipeline cannot be read: {source.file}: {error}") from None
    finally:
        buildkite.close()


def queues_of(jobs: Sequence[JobView], given: Sequence[str]) -> list[str]:
    """The queues of the lab: `given`, else the default queue and the queues that steps name.

    Raises:
        UsageError: a step names a queue that no cluster can have, or a queue outside `given`.
    """
    with_default = list(given) or [DEFAULT_QUEUE]
    named = {job.queue: job.step_key or job.name for job in jobs}
    for queue, step in named.items():
        if not QUEUE_KEY.allows(queue):
            raise UsageError(
                f"step {step!r} goes to queue {queue!r}, which is not the key of a"
                " queue: letters, digits, - and _, at most 100"
            )
    missing = [queue for queue in named if queue not in with_default]
    if given and missing:
        near = get_close_matches(missing[0], given, n=1)
        meant = f"; did you mean {near[0]}? Otherwise" if near else ";"
        raise UsageError(
            f"step {named[missing[0]]!r} goes to queue {missing[0]!r}, and the lab has"
            f" {', '.join(given)}{meant} add --queue {missing[0]}"
        )
    return with_default + missing


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"{file} does not exist") from None
    except IsADirectoryError:
        raise UsageError(f"{file} is a folder; name the pipeline's file") from None
    except PermissionError:
        raise UsageError(f"{file}: no permission to read it") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not text in UTF-8: {error.reason}") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long, a folder without permission
        return False


def _around(folder: Path) -> Path | None:
    """The top folder of the repository around `folder`; None outside any repository."""
    top = _git_output(folder, "rev-parse", "--show-toplevel")
    return Path(top) if top else None


def _git_output(repository: Path, *arguments: str) -> str | None:
    """Git's output, stripped; None when git fails."""
    done = _git("-C", str(repository), *arguments)
    return done.stdout.strip() if done.returncode == 0 else None


def _require_git(*arguments: str) -> None:
    done = _git(*arguments)
    if done.returncode:
        raise UsageError(f"--repo: git: {_last_line(done.stderr)}")


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    # Commit messages and branches in other encodings are shown as well as UTF-8 allows.
    try:
        return subprocess.run(
            ("git", *arguments),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            start_new_session=True,
        )
    except OSError as error:
        raise UsageError(f"git cannot be run: {error.strerror}; the lab needs git") from None


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["git failed without a message"])[-1]

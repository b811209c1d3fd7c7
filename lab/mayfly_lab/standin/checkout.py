"""Checks out the build's commit with git, as the real agent does by default."""

from __future__ import annotations

import re
import shlex
import shutil
import time
from pathlib import Path

from .client import META_DATA, Client
from .shell import FailedError, Shell

_ATTEMPTS = 3
_PAUSE_SECONDS = 2
_COMMIT_KEY = "buildkite:git:commit"
_COMMIT_FORMAT = (
    "commit %H%nabbrev-commit %h%nAuthor: %an <%ae>%n%n%w(0,4,4)%B"  # shown on the build page
)


def directory_of(env: dict[str, str]) -> Path:
    """The checkout directory of this agent and pipeline."""
    agent = re.sub(r"[^A-Za-z0-9]", "-", env["BUILDKITE_AGENT_NAME"])
    slugs = (env["BUILDKITE_ORGANIZATION_SLUG"], env["BUILDKITE_PIPELINE_SLUG"])
    return Path(env["BUILDKITE_BUILD_PATH"]).joinpath(agent, *slugs)


def check_out(shell: Shell) -> None:
    """Check out the commit; after a failed attempt, empty the directory and try again.

    Raises:
        FailedError: three attempts failed, or the job was stopped.
    """
    target = directory_of(shell.env)
    for attempt in range(1, _ATTEMPTS + 1):
        target.mkdir(parents=True, exist_ok=True)
        shell.directory = target
        shell.env["BUILDKITE_BUILD_CHECKOUT_PATH"] = str(target)
        try:
            _attempt(shell, target)
        except FailedError as error:
            if attempt == _ATTEMPTS or shell.stopped():
                raise
            shell.say(f"Checkout failed! {error} (attempt {attempt} of {_ATTEMPTS})")
            shutil.rmtree(target)
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def send_commit(shell: Shell) -> None:
    """Send the commit's description to the build, unless an earlier job did."""
    env = shell.env
    api = Client(env["BUILDKITE_AGENT_ENDPOINT"], env["BUILDKITE_AGENT_ACCESS_TOKEN"])
    path = f"/jobs/{env['BUILDKITE_JOB_ID']}/data"
    known = api.call("POST", f"{path}/exists", {"key": _COMMIT_KEY}, patience=META_DATA).json()
    if known and known.get("exists"):
        return
    text = shell.output_of("git", "--no-pager", "log", "-1", "HEAD", f"--format={_COMMIT_FORMAT}")
    if text:
        body = {"key": _COMMIT_KEY, "value": text}
        api.call("POST", f"{path}/set", body, patience=META_DATA)


def _attempt(shell: Shell, target: Path) -> None:
    env = shell.env
    clean = ["git", "clean", *shlex.split(env["BUILDKITE_GIT_CLEAN_FLAGS"])]
    if (target / ".git").is_dir():
        shell.run("git", "remote", "set-url", "origin", env["BUILDKITE_REPO"])
    else:
        clone = ["git", "clone", *shlex.split(env["BUILDKITE_GIT_CLONE_FLAGS"])]
        shell.run(*clone, "--", env["BUILDKITE_REPO"], ".")
    shell.run(*clean)
    wanted = _fetch(shell)
    checkout = ["git", "checkout", *shlex.split(env["BUILDKITE_GIT_CHECKOUT_FLAGS"])]
    shell.run(*checkout, wanted)
    if env.get("BUILDKITE_GIT_SUBMODULES") == "true" and (target / ".gitmodules").is_file():
        shell.run("git", "submodule", "update", "--init", "--recursive", "--force")
    shell.run(*clean)


def _fetch(shell: Shell) -> str:
    """Fetch the build's commit, branch or refspec. Returns the revision to check out."""
    env = shell.env
    commit = env["BUILDKITE_COMMIT"]
    fetch = ["git", "fetch", *shlex.split(env["BUILDKITE_GIT_FETCH_FLAGS"]), "--", "origin"]
    if env.get("BUILDKITE_REFSPEC"):
        shell.run(*fetch, *shlex.split(env["BUILDKITE_REFSPEC"]))
    elif commit == "HEAD":
        shell.run(*fetch, env["BUILDKITE_BRANCH"])
        return "FETCH_HEAD"
    elif shell.run(*fetch, commit, check=False) != 0:
        # Not every server allows a fetch by commit; then fetch all branches and tags.
        shell.run(*fetch, "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
    return commit

"""`buildkite-agent bootstrap`: the phases of one job, from its environment alone."""

from __future__ import annotations

import fcntl
import os
import shlex
import signal
import sys
import termios
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from . import hooks
from .checkout import check_out, send_commit
from .child import program
from .shell import FailedError, Shell

# By variable: its name in the real agent's message when it is missing.
_REQUIRED = {
    "BUILDKITE_JOB_ID": "job",
    "BUILDKITE_REPO": "repository",
    "BUILDKITE_COMMIT": "commit",
    "BUILDKITE_BRANCH": "branch",
    "BUILDKITE_AGENT_NAME": "agent",
    "BUILDKITE_ORGANIZATION_SLUG": "organization",
    "BUILDKITE_PIPELINE_SLUG": "pipeline",
    "BUILDKITE_PIPELINE_PROVIDER": "pipeline-provider",
}
_KILL_BEFORE_SECONDS = 1
"""Seconds by which the kill of the command precedes the agent's kill of the bootstrap."""


def main(environ: Mapping[str, str]) -> int:
    """Run the job. Returns its exit status; a stopped job ends this process by SIGTERM."""
    for variable, name in _REQUIRED.items():
        if not environ.get(variable):
            print(f"Missing {name}. See: `buildkite-agent bootstrap --help`", flush=True)
            return 1
    _take_terminal()
    shell = Shell(environ, _seconds_to_kill(environ))
    shell.obey_signals()
    status = Phases(shell).run()
    if shell.stopped():
        # By this signal the agent sees that the job was stopped, whatever the command's status.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
    return status


class Phases:
    """The phases in the order of agent v3. In each, agent hooks run before repository hooks."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        env = shell.env
        extra = env.get("BUILDKITE_ADDITIONAL_HOOKS_PATHS", "").split(",")
        self._agent_hooks = [Path(p) for p in (env.get("BUILDKITE_HOOKS_PATH", ""), *extra) if p]

    def run(self) -> int:
        """Run all phases. Returns the job's exit status; a failing hook outranks the command."""
        status = self._guarded(self._prepare)
        if status == 0:
            status = self._guarded(self._command)
            self._shell.env["BUILDKITE_COMMAND_EXIT_STATUS"] = str(status)
            status = self._guarded(lambda: self._run_hooks("post-command")) or status
            # A failed upload fails a successful job, but does not outrank a failed command.
            uploaded = self._guarded(self._upload_artifacts)
            status = status or uploaded
        return self._guarded(lambda: self._run_hooks("pre-exit")) or status

    def _prepare(self) -> None:
        shell = self._shell
        self._refuse_plugins()
        self._run_hooks("environment", repository=False)
        shell.header("Preparing working directory")
        self._run_hooks("pre-checkout", repository=False)
        own = hooks.find("checkout", self._agent_hooks)
        if own:
            shell.run_hook("global", own[0])
        else:
            check_out(shell)
            send_commit(shell)
        self._run_hooks("post-checkout")
        self._run_hooks("pre-command")

    def _command(self) -> None:
        shell = self._shell
        replaced = next(
            iter([*self._repository_hooks("command"), *self._own_hooks("command")]), None
        )
        if replaced:
            shell.run_hook(*replaced)
            return
        command = shell.env.get("BUILDKITE_COMMAND", "")
        if not command:
            raise FailedError(1, "The command phase has no `command` to execute")
        shell.header("Running commands")
        shell.say(f"$ {command}")
        script = shell.directory / command
        if "\n" not in command and script.is_file():
            script.chmod(script.stat().st_mode | 0o111)
            command = f"./{command}"
        arguments = shlex.split(shell.env["BUILDKITE_SHELL"])
        shell.run(*arguments, command, echo=False)

    def _upload_artifacts(self) -> None:
        shell = self._shell
        paths = shell.env.get("BUILDKITE_ARTIFACT_PATHS")
        if not paths:
            return
        self._run_hooks("pre-artifact")
        shell.header("Uploading artifacts")
        shell.run(*program(), "artifact", "upload", paths)
        self._run_hooks("post-artifact")

    def _refuse_plugins(self) -> None:
        env = self._shell.env
        if env.get("BUILDKITE_PLUGINS", "") not in {"", "[]", "null"}:
            raise FailedError(1, "this is a stand-in for the agent: it cannot run plugins")

    def _run_hooks(self, name: str, *, repository: bool = True) -> None:
        for scope, hook in self._own_hooks(name):
            self._shell.run_hook(scope, hook)
        for scope, hook in self._repository_hooks(name) if repository else ():
            self._shell.run_hook(scope, hook)

    def _own_hooks(self, name: str) -> Iterator[tuple[str, Path]]:
        return (("global", hook) for hook in hooks.find(name, self._agent_hooks))

    def _repository_hooks(self, name: str) -> Iterator[tuple[str, Path]]:
        env = self._shell.env
        checkout = env.get("BUILDKITE_BUILD_CHECKOUT_PATH")
        if not checkout:
            return
        for hook in hooks.find(name, [Path(checkout) / ".buildkite" / "hooks"]):
            if env.get("BUILDKITE_LOCAL_HOOKS_ENABLED") == "false":
                raise FailedError(1, f"Refusing to run {hook}, local hooks are disabled")
            yield "local", hook

    def _guarded(self, phase: Callable[[], None]) -> int:
        try:
            phase()
        except FailedError as error:
            self._shell.say(f"Error: {error}\n^^^ +++")
            return error.status
        return 0


def _take_terminal() -> None:
    # With a controlling terminal, the job's background processes get SIGHUP at its end.
    if os.isatty(sys.stdin.fileno()):
        fcntl.ioctl(sys.stdin.fileno(), termios.TIOCSCTTY, 0)


def _seconds_to_kill(environ: Mapping[str, str]) -> float:
    own = float(environ.get("BUILDKITE_SIGNAL_GRACE_PERIOD_SECONDS") or -1)
    grace = float(environ.get("BUILDKITE_CANCEL_GRACE_PERIOD") or 10)
    return own if own >= 0 else max(grace - _KILL_BEFORE_SECONDS, 0)

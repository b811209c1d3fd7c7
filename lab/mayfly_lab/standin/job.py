"""One acquired job: start, checks, bootstrap, cancel, finish."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from . import client, hooks
from .child import Bootstrap, program
from .client import Client
from .console import Console
from .options import OPTIONS, Settings
from .output import JobOutput

_CANCELED = ("canceling", "canceled")
"""States that stop the job. Without `timing_out`: 3.83.1 ignores that state, and continues."""
_WAIT_SECONDS = 0.05
_REFUSAL = "pre-bootstrap hook rejected this job, see the buildkite-agent logs for more details\n"


class JobRun:
    """Runs one job to its end."""

    def __init__(
        self,
        job: Mapping[str, Any],
        api: Client,
        settings: Settings,
        console: Console,
        *,
        poll_seconds: float,
    ) -> None:
        self._job = job
        self._api = api
        self._settings = settings
        self._console = console
        self._poll_seconds = poll_seconds
        self._path = f"/jobs/{job['id']}"
        self._stop_reason: str | None = None

    def run(self) -> bool:
        """Run the job and report its end. Returns False when Buildkite refuses the start."""
        body = {"started_at": _now()}
        started = self._api.call("PUT", f"{self._path}/start", body, patience=client.START)
        if not started.ok:
            self._console.say(f"Start failed: {started.status} {started.message}", "ERROR")
            return False
        output = JobOutput(self._api, self._job["id"], int(self._job["chunks_max_size_bytes"]))
        with _environment_files(self._job["env"]) as files:
            end = self._run_with(output, {**self._environment(), **files})
        lost = output.close()
        report = {**end, "finished_at": _now(), "chunks_failed_count": lost}
        answer = self._api.call("PUT", f"{self._path}/finish", report, patience=client.FINISH)
        self._console.say(f"Finished job {self._job['id']}: {end} ({answer.status})")
        return True

    def stop(self, reason: str) -> None:
        """Request a stop; a later reason replaces an earlier one. Safe in a signal handler."""
        self._stop_reason = reason

    def _run_with(self, output: JobOutput, env: dict[str, str]) -> dict[str, str]:
        refusal = self._refusal(env)
        if refusal:
            output.write(refusal.encode())
            return {"exit_status": "-1", "signal_reason": "agent_refused"}
        try:
            bootstrap = Bootstrap(self._settings, env, output.write)
        except OSError as error:
            output.write(f"Error running job: {error}\n".encode())
            return {"exit_status": "-1", "signal_reason": "process_run_error"}
        over = threading.Event()
        poller = threading.Thread(target=self._watch_state, args=(over,), daemon=True)
        poller.start()
        self._wait_for(bootstrap)
        over.set()
        status, ended_by = bootstrap.collect()
        end = {"exit_status": str(status)}
        if ended_by:
            end["signal"] = ended_by.name
        if self._stop_reason:
            end["signal_reason"] = self._stop_reason
        return end

    def _refusal(self, env: dict[str, str]) -> str | None:
        allowed = [p for p in self._settings["allowed-repositories"].split(",") if p]
        repository = env.get("BUILDKITE_REPO", "")
        if allowed and not any(re.search(pattern, repository) for pattern in allowed):
            return f"Error running job: repository {repository} is not allowed\n"
        only_ours = [Path(self._settings["hooks-path"])] if self._settings["hooks-path"] else []
        own = {name: env[name] for name in _FOR_PRE_BOOTSTRAP if name in env}
        for hook in hooks.find("pre-bootstrap", only_ours):
            if hooks.execute(hook, {**os.environ, **own}) != 0:
                return _REFUSAL
        return None

    def _wait_for(self, bootstrap: Bootstrap) -> None:
        grace = float(self._settings["cancel-grace-period"])
        deadline: float | None = None
        while not bootstrap.wait(_WAIT_SECONDS):
            if self._stop_reason and deadline is None:
                self._console.say(f"Stopping the job ({self._stop_reason})")
                bootstrap.send(signal.SIGTERM)
                deadline = time.monotonic() + grace
            if deadline is not None and time.monotonic() >= deadline:
                bootstrap.send(signal.SIGKILL)

    def _watch_state(self, over: threading.Event) -> None:
        while True:
            answer = self._api.call("GET", self._path)
            content = answer.json() or {}
            if answer.status == 401 or content.get("state") in _CANCELED:
                self.stop(self._stop_reason or "cancel")
                return
            if over.wait(self._poll_seconds):
                return

    def _environment(self) -> dict[str, str]:
        settings = self._settings
        mine = {name: value for name, value in os.environ.items() if name not in _NEVER_PASSED}
        binary = Path(program()[-1]).parent
        given: dict[str, str] = self._job["env"]
        return {
            **mine,
            **given,
            # The agent's directory is last, so that a job can put another agent before it.
            "PATH": f"{given.get('PATH', mine.get('PATH', os.defpath))}:{binary}",
            "BUILDKITE_AGENT_ACCESS_TOKEN": str(self._job.get("token") or ""),
            "BUILDKITE_AGENT_ENDPOINT": self._api.endpoint,
            "BUILDKITE_AGENT_PID": str(os.getpid()),
            "BUILDKITE_BIN_PATH": str(binary),
            "BUILDKITE_CONFIG_PATH": settings["config"],
            "BUILDKITE_BUILD_PATH": settings["build-path"],
            "BUILDKITE_HOOKS_PATH": settings["hooks-path"],
            "BUILDKITE_ADDITIONAL_HOOKS_PATHS": settings["additional-hooks-paths"],
            "BUILDKITE_PLUGINS_PATH": settings["plugins-path"],
            "BUILDKITE_SOCKETS_PATH": settings["sockets-path"],
            "BUILDKITE_SHELL": settings["shell"],
            "BUILDKITE_GIT_CLONE_FLAGS": settings["git-clone-flags"],
            "BUILDKITE_GIT_CLEAN_FLAGS": settings["git-clean-flags"],
            "BUILDKITE_GIT_FETCH_FLAGS": settings["git-fetch-flags"],
            "BUILDKITE_GIT_CHECKOUT_FLAGS": settings["git-checkout-flags"],
            "BUILDKITE_GIT_SUBMODULES": _word(not settings.on("no-git-submodules")),
            "BUILDKITE_LOCAL_HOOKS_ENABLED": _word(not settings.on("no-local-hooks")),
            "BUILDKITE_PLUGINS_ENABLED": _word(not settings.on("no-plugins")),
            "BUILDKITE_COMMAND_EVAL": "true",
            "BUILDKITE_CANCEL_GRACE_PERIOD": settings["cancel-grace-period"],
            "BUILDKITE_SIGNAL_GRACE_PERIOD_SECONDS": settings["signal-grace-period-seconds"],
        }


# Settings of the agent, above all its token, are not passed to the job.
_NEVER_PASSED = {option.variable for option in OPTIONS}
_FOR_PRE_BOOTSTRAP = (
    "BUILDKITE_ENV_FILE",
    "BUILDKITE_ENV_JSON_FILE",
    "BUILDKITE_JOB_ID",
    "BUILDKITE_AGENT_ACCESS_TOKEN",
    "BUILDKITE_AGENT_ENDPOINT",
)


@contextlib.contextmanager
def _environment_files(env: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Write the job's environment into files in both forms for hooks. Yields their variables."""
    with tempfile.TemporaryDirectory(prefix="job-env-") as directory:
        plain, as_json = Path(directory) / "env", Path(directory) / "env.json"
        plain.write_text("".join(f"{k}={json.dumps(v)}\n" for k, v in sorted(env.items())))
        as_json.write_text(json.dumps(dict(env)))
        yield {"BUILDKITE_ENV_FILE": str(plain), "BUILDKITE_ENV_JSON_FILE": str(as_json)}


def _now() -> str:
    return datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")


def _word(value: bool) -> str:
    return "true" if value else "false"

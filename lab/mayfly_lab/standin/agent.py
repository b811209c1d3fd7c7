"""The life of the agent: register, connect, acquire one job, run it, disconnect."""

from __future__ import annotations

import hashlib
import os
import platform
import signal
import socket
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from . import BUILD, VERSION, client, hooks
from .client import Client
from .console import Console
from .job import JobRun
from .options import Settings

DONE = 0
FAILED = 1
REJECTED = 27
"""Exit status: the job was already acquired, finished or cancelled."""


class Agent:
    """One run of `start --acquire-job`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._name = settings["name"] or f"stand-in-{socket.gethostname()}"
        self._console = Console(self._name)
        self._run: JobRun | None = None
        self._stops = 0

    def run(self) -> int:
        """Register, run the job, disconnect. Returns the exit status of the process."""
        self._console.say(f"This is a stand-in for buildkite-agent ({VERSION})", "NOTICE")
        try:
            Path(self._settings["build-path"]).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._console.say(f"Failed to create the build path: {error}", "FATAL")
            return FAILED
        session = self._register()
        if session is None:
            return FAILED
        self._obey_signals()
        try:
            if not self._hook("agent-startup"):
                return FAILED
            return self._with_session(session)
        finally:
            self._hook("agent-shutdown")

    def _register(self) -> dict[str, Any] | None:
        tags = [tag.strip() for tag in self._settings["tags"].split(",") if tag.strip()]
        features = [] if self._settings.on("no-feature-reporting") else ["acquire-job"]
        body = {
            "name": self._name,
            "hostname": socket.gethostname(),
            "os": _system(),
            "arch": {"x86_64": "amd64", "aarch64": "arm64"}.get(
                platform.machine(), platform.machine()
            ),
            "script_eval_enabled": True,
            "ignore_in_dispatches": True,
            "version": VERSION,
            "build": BUILD,
            "meta_data": tags,
            "pid": os.getpid(),
            "machine_id": hashlib.sha256(socket.gethostname().encode()).hexdigest(),
            "features": features,
        }
        if self._settings["priority"]:
            body["priority"] = self._settings["priority"]
        registration = self._client(self._settings["endpoint"], self._settings["token"])
        answer = registration.call("POST", "/register", body, patience=client.REGISTER)
        content = answer.json()
        if not answer.ok or content is None:
            self._console.say(f"Register failed: {answer.status} {answer.message}", "FATAL")
            return None
        self._console.say(f"Successfully registered agent with tags {tags}")
        return content

    def _with_session(self, session: dict[str, Any]) -> int:
        endpoint = str(session.get("endpoint") or self._settings["endpoint"])
        api = self._client(endpoint, str(session["access_token"]))
        answer = api.call("POST", "/connect", patience=client.CONNECT)
        if not answer.ok:
            self._console.say(f"Connect failed: {answer.status} {answer.message}", "FATAL")
            return FAILED
        silence = threading.Event()
        threading.Thread(
            target=self._beat, args=(api, int(session["heartbeat_interval"]), silence), daemon=True
        ).start()
        try:
            return self._acquire_and_run(api, session)
        finally:
            silence.set()
            api.call("POST", "/disconnect", patience=client.DISCONNECT)
            self._console.say("Disconnected")

    def _acquire_and_run(self, api: Client, session: dict[str, Any]) -> int:
        job_id = self._settings["acquire-job"]
        self._console.say(f"Attempting to acquire job {job_id}...")
        headers = {"X-Buildkite-Lock-Acquire-Job": "1"}
        path = f"/jobs/{job_id}/acquire"
        answer = api.call("PUT", path, patience=client.ACQUIRE, headers=headers)
        job = answer.json()
        if not answer.ok or job is None:
            self._console.say(f"Failed to acquire job: {answer.status} {answer.message}", "ERROR")
            return REJECTED if answer.status == 422 else FAILED
        run = JobRun(
            job,
            self._client(api.endpoint, str(job.get("token") or session["access_token"])),
            self._settings,
            self._console,
            poll_seconds=float(session["job_status_interval"]),
        )
        self._run = run
        return DONE if run.run() else FAILED

    def _beat(self, api: Client, interval: int, silence: threading.Event) -> None:
        while not silence.wait(interval):
            body = {"sent_at": datetime.now(timezone.utc).isoformat()}
            answer = api.call("POST", "/heartbeat", body, patience=client.HEARTBEAT)
            worth_another = not answer.ok and client.HEARTBEAT.repeats(answer.status)
            if (answer.ok and answer.json() is not None) or worth_another:
                continue
            # An answer without a JSON body ends the heartbeat, too, as in the real agent.
            self._console.say(f"Heartbeat refused: {answer.status} {answer.message}", "ERROR")
            if self._run:
                self._run.stop("agent_stop")
            return

    def _obey_signals(self) -> None:
        # An empty handler for SIGHUP: jobs would inherit SIG_IGN, and no job could be hung up.
        signal.signal(signal.SIGHUP, lambda *_: None)
        signal.signal(signal.SIGQUIT, lambda *_: self._stop_now())
        for graceful in (signal.SIGTERM, signal.SIGINT):
            signal.signal(graceful, lambda *_: self._stop_soon())

    def _stop_soon(self) -> None:
        # After the first signal, the job still runs to its end, without a limit.
        self._stops += 1
        if self._stops > 1:
            self._stop_now()

    def _stop_now(self) -> None:
        if self._run:
            self._run.stop("agent_stop")

    def _client(self, endpoint: str, token: str) -> Client:
        return Client(endpoint, token, lambda text: self._console.say(text, "WARN"))

    def _hook(self, name: str) -> bool:
        for hook in hooks.find(name, hooks.directories(self._settings)):
            status = hooks.execute(hook, dict(os.environ))
            if status != 0:
                self._console.say(f"The {name} hook exited with status {status}", "ERROR")
                return False
        return True


def _system() -> str:
    release = Path("/etc/os-release")
    return release.read_text(encoding="utf-8") if release.is_file() else platform.platform()

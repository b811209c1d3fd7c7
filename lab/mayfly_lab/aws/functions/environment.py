"""An execution environment: a worker process that serves a function, one event at a time."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mayfly_lab.aws.functions.fork_server import ForkServer
from mayfly_lab.contracts import Keys

_DEATH_SECONDS = 10.0
"""Time for the kernel to end a killed process."""
INIT_SECONDS = 60.0
"""Most time for the import of a handler; Lambda's own limit is 10 s."""


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """A function's configuration, from its template."""

    name: str
    arn: str
    handler: str
    timeout: float
    memory: int
    variables: Mapping[str, str]
    role_arn: str
    code: Path
    """The task directory."""
    layers: tuple[Path, ...] = ()
    """Folders of the layers on the import path, in order."""
    log: Path = Path("/dev/null")
    log_group: str = ""
    concurrency: int = 10
    max_retries: int = 2
    max_event_age: float = 21600.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result or the error of an invocation."""

    request_id: str
    result: Any = None
    error: Mapping[str, Any] | None = None
    """`errorType` and `errorMessage` of a function error; None for success."""

    @property
    def ok(self) -> bool:
        """Whether the handler returned."""
        return self.error is None


class WorkerGoneError(Exception):
    """A worker died while it was idle."""


class ExecutionEnvironment:
    """A worker process. Only `kill` is thread-safe."""

    def __init__(
        self, spec: FunctionSpec, keys: Keys, region: str, endpoint: str, fork_server: ForkServer
    ) -> None:
        self.arn = spec.arn
        self.access_key = keys.access_key
        self._spec = spec
        self._loaded = False
        self._buffer = b""
        self._killed = threading.Event()
        self._ending = threading.Lock()
        self._closed = False
        self._results, told = os.pipe()
        read, self._events = os.pipe()
        try:
            with spec.log.open("ab") as log:
                self._worker = fork_server.start(
                    _variables(spec, keys, region, endpoint),
                    (spec.code, *spec.layers),
                    spec.code,
                    (read, told, log.fileno()),
                )
        finally:
            os.close(told)
            os.close(read)

    @property
    def alive(self) -> bool:
        """Whether the worker can take an event."""
        return not self._killed.is_set() and not self._ended(0)

    def invoke(self, event: Any) -> Outcome:
        """Run the handler on one event. A time-out or a worker's death is a function error.

        Raises:
            WorkerGoneError: the worker died before, while idle; the handler has not run.
        """
        request_id = str(uuid.uuid4())
        if not self._loaded:
            loaded = self._next(INIT_SECONDS)
            if loaded is None or "error" in loaded:
                self.kill()
                return self._failed(request_id, loaded, "Runtime.ImportModuleError")
            self._loaded = True
        deadline = time.time() + self._spec.timeout
        message = {
            "request": request_id,
            "event": event,
            "deadline": deadline,
            "arn": self._spec.arn,
            "trace": f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]};Sampled=0",
        }
        self._write(message)
        answer = self._next(self._spec.timeout)
        if answer is None:
            late = time.time() >= deadline and not self._killed.is_set()
            self.kill()
            kind = "Sandbox.Timedout" if late else "Runtime.ExitError"
            return self._failed(request_id, None, kind)
        return Outcome(request_id, answer.get("result"), answer.get("error"))

    def kill(self) -> None:
        """Kill the worker and its child processes. Thread-safe; no effect after `close`."""
        with self._ending:
            if self._closed or self._killed.is_set():
                return
            self._killed.set()
            # A dead worker keeps its pid until the fork server closes: no other process is hit.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._worker, signal.SIGKILL)
            self._ended(_DEATH_SECONDS)

    def close(self) -> None:
        """Kill the worker and close its pipes."""
        self.kill()
        with self._ending:
            if not self._closed:
                self._closed = True
                os.close(self._events)
                os.close(self._results)

    def _ended(self, seconds: float) -> bool:
        """Whether the worker ends within `seconds`: its end closes the pipe of results."""
        until = time.monotonic() + seconds
        while heard := self._hear(until):
            pass
        return heard == b""

    def _hear(self, until: float) -> bytes | None:
        """The worker's next bytes, added to the buffer; empty after its death, None at `until`."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._results, selectors.EVENT_READ)
            if not selector.select(max(0.0, until - time.monotonic())):
                return None
        received = os.read(self._results, 65536)
        self._buffer += received
        return received

    def _write(self, message: Mapping[str, Any]) -> None:
        line = memoryview(json.dumps(message).encode() + b"\n")
        try:
            while line:
                line = line[os.write(self._events, line) :]
        except OSError as error:
            self.kill()
            raise WorkerGoneError(self._spec.name) from error

    def _next(self, seconds: float) -> dict[str, Any] | None:
        """The worker's next message; None after `seconds` or the worker's death."""
        until = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            if not self._hear(until):
                return None
        line, _, self._buffer = self._buffer.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def _failed(self, request_id: str, told: Mapping[str, Any] | None, kind: str) -> Outcome:
        if told is not None:
            return Outcome(request_id, error=told["error"])
        seconds = f"{self._spec.timeout:.2f}"
        text = {
            "Sandbox.Timedout": f"RequestId: {request_id} Task timed out after {seconds} seconds",
        }.get(kind, f"RequestId: {request_id} Error: Runtime exited")
        with self._spec.log.open("a") as log:
            log.write(f"{text}\n")
        return Outcome(request_id, error={"errorType": kind, "errorMessage": text})


def _variables(spec: FunctionSpec, keys: Keys, region: str, endpoint: str) -> dict[str, str]:
    """The environment variables that Lambda sets for a function, without the lab's own."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "HOME": "/nonexistent",
        "_HANDLER": spec.handler,
        "LAMBDA_TASK_ROOT": str(spec.code),
        "AWS_LAMBDA_FUNCTION_NAME": spec.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory),
        "AWS_LAMBDA_LOG_GROUP_NAME": spec.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": uuid.uuid4().hex,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "AWS_SESSION_TOKEN": keys.token,
        "AWS_ENDPOINT_URL": endpoint,
        # A developer's own settings must not reach the functions.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        **spec.variables,
    }

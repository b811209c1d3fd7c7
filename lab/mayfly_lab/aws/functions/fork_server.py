"""Starts workers by forks of one process that has imported the functions' packages."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

_PASSED_ON = ("PATH", "PYTHONPATH", "VIRTUAL_ENV")
"""Variables that Python needs to find installed packages; workers get no other ones of the lab."""


class ForkServer:
    """Starts workers of `mayfly_lab.aws.worker`. Thread-safe.

    The imports of a function take a third of a second of a core. All of the lab shares two cores,
    so the imports happen once. An ended worker stays a zombie and keeps its process id until the
    fork server closes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._channel, theirs = socket.socketpair()
        with theirs:
            kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mayfly_lab.aws.worker", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                cwd="/",
                env={**kept, "LANG": "en_US.UTF-8", "TZ": ":UTC", "HOME": "/nonexistent"},
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )

    def start(
        self,
        variables: Mapping[str, str],
        paths: Sequence[Path],
        directory: Path,
        streams: tuple[int, int, int],
    ) -> int:
        """Start a worker. Returns its process id, which is also its process group's.

        `streams` are the files for the worker's events, results and log; the worker gets copies.

        Raises:
            OSError: the fork server is closed.
        """
        settings = {
            "variables": dict(variables),
            "paths": [str(path) for path in paths],
            "directory": str(directory),
        }
        message = json.dumps(settings).encode() + b"\n"
        with self._lock:
            sent = socket.send_fds(self._channel, [message], streams)
            self._channel.sendall(message[sent:])
            answer = b""
            while not answer.endswith(b"\n"):
                received = self._channel.recv(64)
                if not received:
                    raise ConnectionResetError("the fork server has ended")
                answer += received
        return int(answer)

    def close(self) -> None:
        """End the fork server's process. Living workers are not ended."""
        with self._lock:
            self._channel.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

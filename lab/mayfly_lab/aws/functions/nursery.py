"""Where workers come from: one process that has imported what functions need, and forks."""

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
"""Without these Python may not find what is installed; nothing else of the lab's is a worker's."""


class Nursery:
    """Starts workers for `mayfly_lab.aws.worker`. Thread-safe.

    An import of boto3 and its like costs a third of a second of a core. Lambda pays that on
    machines of its own, the lab on the two that everything else runs on: so it is paid once.
    A worker that has ended stays a zombie, and its number its own, until the nursery closes.
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
        """Start a worker, and give its process id, which is its process group's too.

        `streams` are the files for its events, its results and its log; it gets copies of them.

        Raises:
            OSError: the nursery is closed.
        """
        born = {
            "variables": dict(variables),
            "paths": [str(path) for path in paths],
            "directory": str(directory),
        }
        message = json.dumps(born).encode() + b"\n"
        with self._lock:
            sent = socket.send_fds(self._channel, [message], streams)
            self._channel.sendall(message[sent:])
            answer = b""
            while not answer.endswith(b"\n"):
                received = self._channel.recv(64)
                if not received:
                    raise ConnectionResetError("the nursery has ended")
                answer += received
        return int(answer)

    def close(self) -> None:
        """End it; workers that live are not its to end."""
        with self._lock:
            self._channel.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

"""What runs in a function's worker: import the handler as Lambda does, then one event at a time.

Started as `python -m mayfly_lab.aws.worker`; standard library only, so that nothing but the
function itself decides what it imports. Events come as JSON lines on standard input, results go
as JSON lines to the file descriptor in `MAYFLY_LAB_RESULTS`; standard output is the log.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO

Handler = Callable[[Any, "Context"], Any]


@dataclass(frozen=True)
class Context:
    """The `context` argument of a handler."""

    aws_request_id: str
    deadline: float
    invoked_function_arn: str
    function_name: str = ""
    function_version: str = "$LATEST"
    memory_limit_in_mb: str = ""
    log_group_name: str = ""
    log_stream_name: str = ""
    identity: Any = None
    client_context: Any = None

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation is cut off."""
        return max(0, int((self.deadline - time.time()) * 1000))


def main() -> None:
    """Load the handler, say how that went, and serve until standard input ends."""
    results = os.fdopen(int(os.environ.pop("MAYFLY_LAB_RESULTS")), "w", buffering=1)
    sys.path[0:1] = json.loads(os.environ.pop("MAYFLY_LAB_PATHS"))
    events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(events,), daemon=True).start()
    try:
        handler = _load(os.environ["_HANDLER"])
    except Exception as error:  # noqa: BLE001 - whatever an import raises is the answer
        _tell(results, {"error": _described(error)})
        return
    _tell(results, {"ready": True})
    while True:
        _tell(results, _invoke(handler, events.get()))


def _read(events: queue.SimpleQueue[dict[str, Any]]) -> None:
    for line in sys.stdin:
        events.put(json.loads(line))
    # The lab is gone: nothing may go on, not even a handler that is at work.
    os._exit(1)


def _load(name: str) -> Handler:
    module, _, function = name.rpartition(".")
    handler: Handler = getattr(importlib.import_module(module.replace("/", ".")), function)
    return handler


def _invoke(handler: Handler, message: dict[str, Any]) -> dict[str, Any]:
    request = message["request"]
    context = Context(
        aws_request_id=request,
        deadline=message["deadline"],
        invoked_function_arn=message["arn"],
        function_name=os.environ["AWS_LAMBDA_FUNCTION_NAME"],
        memory_limit_in_mb=os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"],
        log_group_name=os.environ["AWS_LAMBDA_LOG_GROUP_NAME"],
        log_stream_name=os.environ["AWS_LAMBDA_LOG_STREAM_NAME"],
    )
    os.environ["_X_AMZN_TRACE_ID"] = message["trace"]
    started = time.monotonic()
    _log(f"START RequestId: {request} Version: $LATEST")
    try:
        # Lambda serialises the result too: what cannot be JSON is an error of the function.
        answer = {"result": json.loads(json.dumps(handler(message["event"], context)))}
    except Exception as error:  # noqa: BLE001 - whatever a handler raises is the answer
        _log(f"[ERROR] {''.join(traceback.format_exception(error))}")
        answer = {"error": _described(error)}
    _log(f"END RequestId: {request}")
    _log(f"REPORT RequestId: {request} Duration: {(time.monotonic() - started) * 1000:.2f} ms")
    return answer


def _described(error: BaseException) -> dict[str, Any]:
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "stackTrace": traceback.format_tb(error.__traceback__),
    }


def _log(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _tell(results: TextIO, message: dict[str, Any]) -> None:
    sys.stdout.flush()
    results.write(json.dumps(message) + "\n")
    results.flush()


if __name__ == "__main__":
    main()

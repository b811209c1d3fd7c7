"""A function's worker: imports the handler as Lambda does, then serves one event at a time.

The fork server runs `python -m mayfly_lab.aws.worker FD`: a process that imports the packages that
every function needs, and forks a worker for each request on the socket FD. That each function
imports its own needs is tested elsewhere, under Lambda's own runtime client. Events come as JSON
lines on standard input, results go as JSON lines to a file of their own; standard output is the
log.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import queue
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, TextIO

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


NEEDED = (
    "boto3", "botocore.args", "botocore.endpoint_provider", "botocore.httpsession",
    "botocore.retries.standard", "requests", "pydantic", "aws_lambda_powertools.metrics",
)  # fmt: skip
"""Modules that functions import at their start. None reads the environment on import."""
SERVICES = ("dynamodb", "ec2", "iam", "logs", "sqs", "ssm")


def main() -> None:
    """Fork a worker for each request, until the socket is closed."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    for name in NEEDED:
        importlib.import_module(name)
    _warm_pydantic()
    _read_models()
    # Otherwise each worker's garbage collector would touch, and so copy, these objects' pages.
    gc.freeze()
    while request := _request(channel):
        settings, streams = request
        worker = os.fork()
        if not worker:
            channel.close()
            _become(settings, streams)
        for stream in streams:
            os.close(stream)
        channel.sendall(b"%d\n" % worker)


def _warm_pydantic() -> None:
    """Create a model: pydantic imports most of its modules only for the first model."""
    importlib.import_module("pydantic").create_model("Any", number=(int, 0)).model_validate({})


def _read_models() -> None:
    """Load the models of AWS's services into boto3's default session, as a first client does."""
    boto3, session = (importlib.import_module(name) for name in ("boto3", "botocore.session"))
    ours = session.get_session()
    loader = ours.get_component("data_loader")
    for service in SERVICES:
        for kind in ("service-2", "endpoint-rule-set-1"):
            loader.load_service_model(service, kind)
    for name in ("endpoints", "partitions", "sdk-default-configuration", "_retry"):
        loader.load_data(name)
    boto3.setup_default_session(botocore_session=ours)


def _request(channel: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next request: a worker's settings, and its files for events, results and log.

    None when the socket is closed.
    """
    message, streams, _, _ = socket.recv_fds(channel, 65536, 3)
    while message and not message.endswith(b"\n"):
        message += channel.recv(65536)
    return (json.loads(message), streams) if message else None


def _become(settings: dict[str, Any], streams: list[int]) -> NoReturn:
    """Turn this forked process into a worker, and run it to its end."""
    code = 1
    try:
        os.setsid()
        events, results, log = streams
        for target, stream in enumerate((events, log, log)):
            os.dup2(stream, target)
        os.close(events)
        os.close(log)
        os.set_inheritable(results, False)
        os.environ.clear()
        os.environ.update(settings["variables"])
        time.tzset()
        os.chdir(settings["directory"])
        sys.path[0:1] = settings["paths"]
        work(os.fdopen(results, "w", buffering=1))
        code = 0
    except BaseException:  # noqa: BLE001 - the process ends here, and only the log can show why
        traceback.print_exc()
    finally:
        # Not `sys.exit`: a worker must not run the fork server's exit handlers.
        os._exit(code)


def work(results: TextIO) -> None:
    """Load the handler, report success or the error, and serve until standard input ends."""
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
    # The lab has ended: the worker must end too, even in the middle of a handler.
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
        # Lambda serialises the result, too: a result that is not JSON is the function's error.
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

"""Lambda's Invoke operation, so that any AWS client can run a function of the lab."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from buildkite_emulator.serving.server import Answer
from mayfly_lab.aws.front.call import Call, Refusal
from mayfly_lab.aws.functions.functions import Functions, ThrottledError

Submit = Callable[[str, Any], None]


def operations(functions: Functions, submit: Submit) -> dict[str, Callable[[Call], Answer]]:
    """Handlers by `lambda:Operation`; `submit` accepts asynchronous invocations."""
    return {"lambda:Invoke": partial(_invoke, functions, submit)}


def _invoke(functions: Functions, submit: Submit, call: Call) -> Answer:
    name = str(call.parameters["FunctionName"])
    payload = call.parameters.get("Payload") or b"null"
    try:
        event = json.loads(payload)
    except ValueError:
        raise Refusal("InvalidRequestContentException", "The payload is not JSON") from None
    kind = call.parameters.get("InvocationType") or "RequestResponse"
    try:
        if kind == "DryRun":
            functions.spec(name)
            return Answer(204)
        if kind == "Event":
            submit(name, event)
            return Answer(202)
        outcome = functions.invoke(name, event)
    except KeyError:
        raise Refusal("ResourceNotFoundException", f"Function not found: {name}", 404) from None
    except ThrottledError:
        raise Refusal("TooManyRequestsException", "Rate Exceeded.", 429) from None
    headers = {"content-type": "application/json", "x-amz-executed-version": "$LATEST"}
    if not outcome.ok:
        headers["x-amz-function-error"] = "Unhandled"
    body = outcome.result if outcome.ok else outcome.error
    return Answer(200, json.dumps(body).encode(), headers)

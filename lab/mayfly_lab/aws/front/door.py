"""The front door: authenticates, reads and authorises a call, injects faults, and journals it."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from buildkite_emulator.serving.server import Answer, AnswerLostError, Request
from mayfly_lab.aws.front.answers import refusal_answer, spelled, style_of
from mayfly_lab.aws.front.authoriser import Authoriser
from mayfly_lab.aws.front.buckets import Buckets
from mayfly_lab.aws.front.call import Call, Kind, Principal, Refusal
from mayfly_lab.aws.front.credentials import Credentials
from mayfly_lab.aws.front.journal import Journal
from mayfly_lab.aws.front.own import DOWNLOADS, Layers, TransactionTokens, caller_identity
from mayfly_lab.aws.front.reading import read_call
from mayfly_lab.aws.front.scrub import Scrubber
from mayfly_lab.aws.front.signature import authenticate, read_scope
from mayfly_lab.aws.front.traffic import Traffic
from mayfly_lab.faults import Faults

LOG = logging.getLogger(__name__)

Cloud = Callable[[Call, Request], Answer]
Observer = Callable[[Principal, Call, Answer], None]
Operation = Callable[[Call], Answer]
_CODE = re.compile(
    rb"<Code>([^<]+)</Code>|\"__type\"\s*:\s*\"(?:[^\"#]*#)?([^\"]+)\"|\"Code\"\s*:\s*\"([^\"]+)\""
)


@dataclass(slots=True)
class FrontDoor:
    """Answers every request to the local AWS. `cloud` answers the calls that pass."""

    cloud: Cloud
    credentials: Credentials
    authoriser: Authoriser
    journal: Journal
    faults: Faults
    layers: Layers
    scrubber: Scrubber = field(default_factory=Scrubber)
    traffic: Traffic | None = None
    """Keeps calls word for word; None to keep none."""
    buckets: Buckets | None = None
    """AWS's own request limits; None for no limits."""
    locks: Mapping[str, threading.RLock] = field(default_factory=dict)
    """By service: the lock of a moto backend that must not run two calls at once."""
    operations: dict[str, Operation] = field(default_factory=dict)
    """By `service:Operation`: handlers of operations that the lab answers in place of moto."""
    observers: list[Observer] = field(default_factory=list)
    """Called after every successful call, before its answer is sent."""
    kill: Callable[[str], None] = lambda _: None
    """Kills the busy worker of a function with this access key."""
    skew: Callable[[Principal], float] = lambda _: 0.0
    """Seconds by which the clock of a principal is fast."""
    undisturbed: frozenset[str] = frozenset()
    """Names of principals whose calls no fault strikes."""
    sleep: Callable[[float], None] = time.sleep
    _transactions: TransactionTokens = field(default_factory=TransactionTokens)

    def answer(self, request: Request) -> Answer:
        """Answer one request. A refusal becomes an error answer.

        Raises:
            AnswerLostError: a fault drops the answer.
        """
        path = request.url.path
        if path.startswith(DOWNLOADS):
            return self.layers.download(path)
        service, style = "", style_of(request, "")
        principal: Principal | None = None
        call: Call | None = None
        try:
            scope = read_scope(request)
            service, style = scope.service, style_of(request, scope.service)
            principal = authenticate(request, scope, self.credentials, skew=self.skew)
            call = replace(read_call(request, service, style), by=principal)
            self.scrubber.learn_from(service, call.operation, call.parameters)
            return self._carry_out(principal, call, request, scope.access_key)
        except Refusal as refusal:
            told = Refusal(refusal.code, self.scrubber.text(refusal.message), refusal.status)
            answer = refusal_answer(told, style, service)
            code = spelled(refusal, style, service)[0]
            self._write_down(principal, call or _unread(request, service), request, answer, code)
            return answer

    def _carry_out(
        self, principal: Principal, call: Call, request: Request, access_key: str
    ) -> Answer:
        verdict = self.authoriser.decide(principal, call)
        if not verdict.allowed:
            what = f"{principal.arn} is not authorized to perform: {call.action}"
            raise Refusal("AccessDenied", verdict.message or f"{what} ({verdict.reason})")
        self._disturb(principal, call)
        if self.buckets is not None:
            self.buckets.spend(principal, call)
        answer = self._pass_on(principal, call, request)
        error = _error_code(answer) if answer.status >= 400 else ""
        self._write_down(principal, call, request, answer, error)
        if not error:
            for observer in self.observers:
                observer(principal, call, answer)
        self._lose(principal, call, access_key)
        return answer

    def _disturb(self, principal: Principal, call: Call) -> None:
        """Inject the faults that strike before a call is carried out. Raises Refusal."""
        if principal.name in self.undisturbed:
            return
        if late := self.faults.take("latency", call.action, by=principal.name):
            self.sleep(late.seconds)
        for throttle in ("throttle", "bucket"):
            if self.faults.take(throttle, call.action, by=principal.name):
                raise Refusal("Throttling", "Request limit exceeded (fault)")
        if failing := self.faults.take("error", call.action, by=principal.name):
            if failing.value:
                raise Refusal(failing.value, "The service refused the call (fault)")
            raise Refusal("InternalError", "An internal error occurred (fault)")

    def _lose(self, principal: Principal, call: Call, access_key: str) -> None:
        """Inject the faults that strike after a call was carried out. Raises AnswerLostError."""
        if principal.name in self.undisturbed:
            return
        if principal.kind is Kind.FUNCTION and self.faults.take(
            "kill", f"{principal.name}/{call.action}"
        ):
            self.kill(access_key)
            raise AnswerLostError(f"{principal.name} died in {call.action}")
        if self.faults.take("lost-answer", call.action, by=principal.name):
            raise AnswerLostError(f"the answer to {call.action} is lost")

    def _pass_on(self, principal: Principal, call: Call, request: Request) -> Answer:
        match call.action:
            case "sts:GetCallerIdentity":
                return caller_identity(principal)
            case "lambda:GetLayerVersion" | "lambda:GetLayerVersionByArn":
                return self.layers.get(call, request)
            case "dynamodb:TransactWriteItems":
                return self._transact(principal, call, request)
        if (operation := self.operations.get(call.action)) is None:
            return self._ask(call, request)
        with self._locked(call.service):
            return operation(call)

    def _transact(self, principal: Principal, call: Call, request: Request) -> Answer:
        with self._locked("dynamodb"):
            if (known := self._transactions.answered(principal, call, request)) is not None:
                return known
            answer = self._ask(call, request)
            self._transactions.remember(principal, call, request, answer)
            return answer

    def _ask(self, call: Call, request: Request) -> Answer:
        """Let the cloud answer. Raises Refusal for what moto does not have or fails at."""
        with self._locked(call.service):
            try:
                return self.cloud(call, request)
            except NotImplementedError as error:
                LOG.warning("moto does not have %s", call.action)
                raise Refusal("NotImplemented", f"{call.action}: {error}", 501) from error
            except Exception as error:
                # The client gets an internal error, as from AWS; the log keeps moto's traceback.
                LOG.exception("moto failed at %s", call.action)
                raise Refusal("InternalError", f"{call.action}: {error!r}") from error

    def _locked(self, service: str) -> contextlib.AbstractContextManager[object]:
        return self.locks.get(service) or contextlib.nullcontext()

    def _write_down(
        self,
        principal: Principal | None,
        call: Call,
        request: Request,
        answer: Answer,
        error: str,
    ) -> None:
        if self.traffic is not None:
            self.traffic.carried(principal or NOBODY, call, request, answer)
        shown = self.scrubber.scrubbed(call.service, call.operation, call.parameters)
        told = replace(call, parameters=shown)
        self.journal.called(principal or NOBODY, told, answer.status, error)


NOBODY = Principal(
    userid="anonymous", arn="arn:aws:iam::000000000000:nobody", kind=Kind.INSTANCE, name=""
)


def _unread(request: Request, service: str) -> Call:
    """A call without parameters, for a request that was refused before it was read."""
    target = request.headers.get("x-amz-target", "").rpartition(".")[2]
    return Call(service or "unknown", target or f"{request.method} {request.url.path}", {})


def _error_code(answer: Answer) -> str:
    """The error code in an answer of moto in any protocol; the HTTP status without one."""
    if kind := answer.headers.get("x-amzn-errortype"):
        return kind.partition(":")[0]
    match = _CODE.search(answer.body)
    if match is None:
        return str(answer.status)
    return next(group for group in match.groups() if group).decode()

"""Real calls with credentials, and what the caller saw: status, code, and who refused."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from mayfly_lab.aws import clients
from mayfly_lab.contracts import Keys

REGION = "us-east-1"
# The sentence at the end of AWS's messages (IAM user guide, "Troubleshoot access denied error
# messages"), which tells the kind of policy. A refusal without this sentence is no decision of IAM.
_BY = re.compile(r"(with an explicit deny in|because no) (?:an? )?([\w-]+(?: [\w-]+)* policy)")
# What the lab answers only after IAM has let a call through: calls that moto does not have, limits
# of requests, and a table without the backups that an export needs.
_AFTER_IAM = frozenset(
    {
        "NotImplemented",
        "PointInTimeRecoveryUnavailableException",
        "RequestLimitExceeded",
        "ThrottlingException",
    }
)


@dataclass(frozen=True, slots=True)
class Ask:
    """One call: boto3's name of the service, its method, and the parameters."""

    service: str
    method: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """What AWS answered."""

    ask: Ask
    status: int
    code: str
    """The error's code; empty for a call that succeeded."""
    by: str
    """`Deny in …` or `no … allows`, with the kind of policy; empty unless IAM refused."""
    message: str

    @property
    def refused(self) -> bool:
        """Whether a policy refused the call."""
        return bool(self.by)

    @property
    def passed(self) -> bool:
        """Whether IAM let the call through. Other errors would leave open what IAM decided."""
        return not self.code or self.code in _AFTER_IAM or self.status == 501


class Caller:
    """Makes calls with one set of credentials; a client for each service is made once."""

    def __init__(self, endpoint: str, keys: Keys) -> None:
        self._endpoint = endpoint
        self._keys = keys
        self._clients: dict[str, Any] = {}

    def again(self) -> Caller:
        """Another caller with the same credentials, for another thread."""
        return Caller(self._endpoint, self._keys)

    def client(self, service: str) -> Any:
        """The boto3 client of a service."""
        if service not in self._clients:
            self._clients[service] = clients.client(service, self._endpoint, REGION, self._keys)
        return self._clients[service]

    def ask(self, service: str, method: str, **parameters: Any) -> Told:
        """Make one call, without a second try."""
        return self.make(Ask(service, method, parameters))

    def make(self, ask: Ask) -> Told:
        """Make one call, without a second try."""
        try:
            answer = getattr(self.client(ask.service), ask.method)(**ask.parameters)
        except ClientError as error:
            status = int(error.response["ResponseMetadata"]["HTTPStatusCode"])
            found = error.response["Error"]
            message = str(found.get("Message", ""))
            return Told(ask, status, str(found["Code"]), _by(message), message)
        return Told(ask, int(answer["ResponseMetadata"]["HTTPStatusCode"]), "", "", "")

    def all(self, asks: Iterable[Ask]) -> list[Told]:
        """Make each call."""
        return [self.make(ask) for ask in asks]


def _by(message: str) -> str:
    match = _BY.search(message)
    if match is None:
        return ""
    how, kind = match.groups()
    return f"Deny in {kind}" if how.startswith("with") else f"no {kind} allows"


def assert_refused(told: Sequence[Told], what: object = "") -> None:
    """Assert that policies refused every call."""
    assert told
    _assert_none([each for each in told if not each.refused], what)


def assert_passed(told: Sequence[Told], what: object = "") -> None:
    """Assert that no policy refused a call, and that at least one of the calls was carried out."""
    _assert_none([each for each in told if not each.passed], what)
    assert any(not each.code for each in told), what


def _assert_none(wrong: Sequence[Told], what: object) -> None:
    shown = (f"{t.ask}: {t.status} {t.code} {t.message}" for t in wrong)
    assert not wrong, "\n".join((str(what), *shown))


def summary(told: Sequence[Told]) -> str:
    """What was seen: number of calls, HTTP status and code, and who refused how many."""
    if not told:
        return "no call"
    codes = Counter(f"{t.status} {t.code}".strip() for t in told)
    kinds = Counter(t.by for t in told if t.by)
    seen = ", ".join(f"{number} x {code}" for code, number in sorted(codes.items()))
    by = ", ".join(f"{kind} {number}" for kind, number in sorted(kinds.items()))
    return f"{seen}{f' ({by})' if by else ''}"

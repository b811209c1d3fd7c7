"""The metadata service of one machine: IMDSv2, and its faults.

Facts: EC2 User Guide, "Use IMDSv2". A PUT with a time to live of 1 to 21600 s returns a token that
only its instance can use. Requests through a proxy (X-Forwarded-For) get no token. The pages of
refusals, and the methods named with a 405, are those that instances were seen to get.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

from buildkite_emulator.serving.server import Answer, AnswerLostError, Request
from mayfly_lab.contracts import Boot, InstanceView, ServedProfile
from mayfly_lab.faults import Fault, Faults
from mayfly_lab.machines.documents import Served, document

_LONGEST = 21600
_TTL = "x-aws-ec2-metadata-token-ttl-seconds"
_TOKEN = "x-aws-ec2-metadata-token"  # noqa: S105 - the name of a header
_TOKEN_PATH = "/latest/api/token"  # noqa: S105 - a path
_PAGE = """<?xml version="1.0" encoding="iso-8859-1"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"
	"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
 <head>
  <title>{0}</title>
 </head>
 <body>
  <h1>{0}</h1>
 </body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """State that the services of all machines share."""

    view: InstanceView
    faults: Faults
    account: str
    clock: Callable[[], datetime]


class Metadata:
    """Answers the requests of one machine; a handler for the lab's HTTP server."""

    def __init__(self, boot: Boot, hostname: str, around: Surroundings) -> None:
        self._boot = boot
        self._hostname = hostname
        self._around = around
        self._lock = threading.Lock()
        self._tokens: dict[str, datetime] = {}
        self._seen: list[ServedProfile] = []
        self._turn = 0
        self._over = threading.Event()

    def end(self) -> None:
        """End the waits of delayed requests: the machine is off."""
        self._over.set()

    def __call__(self, request: Request) -> Answer:
        """Answer one request.

        Raises:
            AnswerLostError: the fault `imds-silent` strikes.
        """
        if self._strikes("imds-silent"):
            self._over.wait()
            raise AnswerLostError
        if slow := self._strikes("imds-slow"):
            self._over.wait(slow.seconds)
        if error := self._strikes("imds-error"):
            return Answer(int(error.value or 500))
        path = request.target.partition("?")[0]
        if path == _TOKEN_PATH:
            return self._token(request)
        if request.method not in {"GET", "HEAD"}:
            return Answer(405, headers={"allow": "GET, HEAD"})
        if not self._may_read(request.headers.get(_TOKEN, "")):
            return _refusal(401)
        found = document(path, self._served(path))
        if found is None:
            return _refusal(404)
        return Answer(200, found.body, {"content-type": found.media_type})

    def _strikes(self, name: str) -> Fault | None:
        return self._around.faults.take(name, self._boot.instance_id, self._boot.instance_type)

    def _token(self, request: Request) -> Answer:
        if request.method != "PUT":
            return Answer(405, headers={"allow": "OPTIONS, PUT"})
        if "x-forwarded-for" in request.headers:
            return _refusal(403)
        seconds = request.headers.get(_TTL, "")
        # `isdecimal` without `isascii` lets digits of other scripts pass.
        if not (seconds.isascii() and seconds.isdecimal() and 1 <= int(seconds) <= _LONGEST):
            return _refusal(400)
        token = secrets.token_urlsafe(40)
        with self._lock:
            self._tokens[token] = self._around.clock() + timedelta(seconds=int(seconds))
        return Answer(200, token.encode(), {"content-type": "text/plain", _TTL: seconds})

    def _may_read(self, token: str) -> bool:
        with self._lock:
            until = self._tokens.get(token)
        return until is not None and self._around.clock() < until

    def _served(self, path: str) -> Served:
        view, instance_id = self._around.view, self._boot.instance_id
        return Served(
            boot=self._boot,
            hostname=self._hostname,
            account=self._around.account,
            profile=self._profile(view.profile(instance_id), path),
            stale=view.stale_roles(instance_id),
            spot_action=view.spot_action(instance_id),
            now=self._around.clock(),
        )

    def _profile(self, now: ServedProfile | None, path: str) -> ServedProfile | None:
        """The current profile, and the previous one where a fault asks for it.

        Under `imds-flapping` both come in turn; under `imds-split` the paths of roles keep the
        previous one, while `iam/info` shows the current one.
        """
        with self._lock:
            known = {each.profile_arn for each in self._seen}
            if now is not None and now.profile_arn not in known:
                self._seen.append(now)
            if len(self._seen) > 1 and self._strikes("imds-flapping"):
                self._turn += 1
                return self._seen[-2] if self._turn % 2 else now
            roles = "/iam/security-credentials" in path
            if len(self._seen) > 1 and roles and self._strikes("imds-split"):
                return self._seen[-2]
            return now


def _refusal(status: int) -> Answer:
    """The page that EC2 sends with a status."""
    page = _PAGE.format(f"{status} - {HTTPStatus(status).phrase}")
    return Answer(status, page.encode(), {"content-type": "text/html"})

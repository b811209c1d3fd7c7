"""The job's role: credentials for AWS that its queue's policy gives to the job's pipeline.

The supervisor assumes the role with the sandbox role before the agent starts, renews the session at
half of its life, and serves it to the job's user (see `role_endpoint`). All in the supervisor's own
process: nothing has to be handed to a process that could outlive the job, and the credentials are
in no file. A thread of its own, with its own keys and client, renews, so that a slow STS stops
neither the watch of the job nor an answer.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Callable

from mayfly_instance import role_session
from mayfly_instance.aws import AwsError, Denied
from mayfly_instance.clock import Clock
from mayfly_instance.context import Context
from mayfly_instance.failure import HostFailure
from mayfly_instance.imds import ImdsError
from mayfly_instance.keys import Keys
from mayfly_instance.places import JOB_USER
from mayfly_instance.retries import retry
from mayfly_instance.role_endpoint import Answer, Endpoint
from mayfly_instance.role_session import RoleSession
from mayfly_instance.scrub import Scrubber
from mayfly_instance.sigv4 import Credentials
from mayfly_instance.threads import Beside
from mayfly_protocol.assignment import Assignment

_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 60.0
"""Seconds between attempts to renew a session, which go on until the job ends."""
_TURN = 60.0
"""Seconds of the longest wait of the thread: wall time, by which AWS counts, may be set."""


class Renewal:
    """Credentials of a role, renewed in time. `turn` is for one thread; the rest for any.

    SDKs renew long before the end, botocore 15 minutes before (credentials.py,
    `_advisory_refresh_timeout`): a session of an hour never has less than half an hour left.
    """

    def __init__(
        self,
        session: RoleSession,
        first: Credentials,
        assume: Callable[[], Credentials],
        clock: Clock,
        scrub: Scrubber,
    ) -> None:
        self._session = session
        self._held = first
        self._assume = assume
        self._clock = clock
        self._scrub = scrub
        self._due = self._half(first)
        self._pause = _FIRST_PAUSE
        self._failed: tuple[datetime, str] | None = None
        self._notes: deque[str] = deque(maxlen=20)

    def turn(self) -> float:
        """Renew what is due; returns the seconds until the next turn."""
        now = self._clock.now()
        if now >= self._due:
            try:
                self._renew()
            except (AwsError, ImdsError) as error:
                self._note_failure(now, str(error))
        left = (self._due - self._clock.now()).total_seconds()
        return min(max(left, 0.0), _TURN)

    def answer(self) -> Answer:
        """The credentials for the endpoint, or why there are none."""
        held, failed = self._held, self._failed
        if self._clock.now() < held.expires:
            return Answer(
                200,
                {
                    "AccessKeyId": held.access_key,
                    "SecretAccessKey": held.secret_key,
                    "Token": held.token,
                    "Expiration": held.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "RoleArn": self._session.arn,
                },
            )
        # A 4xx: JavaScript's SDK tells the words of no other answer.
        return Answer.refusal("ExpiredToken", self._lost(held, failed), 400)

    def lost(self) -> str:
        """Why the endpoint has no credentials now, in one line; empty while it has some."""
        held, failed = self._held, self._failed
        return "" if self._clock.now() < held.expires else self._lost(held, failed)

    def notes(self) -> list[str]:
        """What happened since the last call, for the console."""
        taken = []
        while self._notes:
            taken.append(self._notes.popleft())
        return taken

    def _renew(self) -> None:
        self._held = self._assume()
        self._due = max(self._half(self._held), self._clock.now() + timedelta(seconds=_TURN))
        self._pause = _FIRST_PAUSE
        if self._failed is not None:
            self._failed = None
            self._notes.append(f"the role {self._session.arn} is assumed again")

    def _note_failure(self, now: datetime, words: str) -> None:
        said = self._scrub(words)
        if self._failed is None or self._failed[1] != said:
            self._notes.append(f"the role {self._session.arn} cannot be renewed: {said}")
        self._failed = (self._failed[0] if self._failed else now, said)
        self._due = now + timedelta(seconds=self._pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def _half(self, held: Credentials) -> datetime:
        return held.expires - timedelta(seconds=self._session.seconds / 2)

    def _lost(self, held: Credentials, failed: tuple[datetime, str] | None) -> str:
        why = f"and cannot be renewed since {failed[0]:%H:%M:%S}: {failed[1]}" if failed else ""
        return (
            f"the session of {self._session.arn} ended at {held.expires:%H:%M:%S} UTC {why}".strip()
        )


@dataclass(frozen=True)
class JobRole:
    """The role of a running job: its endpoint, and the thread that renews it."""

    renewal: Renewal
    endpoint: Endpoint
    token_file: str
    region: str
    """The queue's own, for a job that names none."""
    _over: threading.Event

    @property
    def variables(self) -> dict[str, str]:
        """What SDKs need; no secret. Nothing that comes earlier in their order is set."""
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": self.endpoint.url,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": self.token_file,
            # It is closed to the job: no SDK should wait for it when the endpoint refuses.
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def end(self) -> None:
        """Serve nothing any more."""
        self._over.set()
        self.endpoint.end()


class Assuming:
    """The assumption of a role, which goes on beside other calls."""

    def __init__(self, context: Context, keys: Keys, region: str, session: RoleSession) -> None:
        self._context = context
        self._session = session
        self._clock = context.clock.of_a_thread()
        cloud, own = context.cloud(region), keys.of_a_thread(self._clock)

        def assume() -> Credentials:
            try:
                found = cloud.assume_role(own.current(), session)
            except Denied:
                own.discard()  # They may have expired.
                raise
            context.scrub.learn(found.secret_key, found.token)
            return found

        self._assume = assume
        limit = context.limits.throttled
        self._first = Beside(lambda: retry(assume, self._clock, limit))

    def serve(self, region: str) -> JobRole:
        """The role, ready for the job. Raises HostFailure with the reason, OSError."""
        context, session = self._context, self._session
        limits, machine = context.limits, context.machine
        try:
            first = self._first.result(context.clock, limits.throttled + limits.role)
        except (AwsError, ImdsError) as error:
            raise HostFailure(refusal(session.arn, error)) from error
        renewal = Renewal(session, first, self._assume, self._clock, context.scrub)
        token = secrets.token_urlsafe(32)
        context.scrub.learn(token)
        directory = machine.places.role
        machine.make_directory(directory, 0o700, JOB_USER)
        # Without a line break, which SDKs refuse in a header.
        machine.write_file(directory / "token", token.encode(), 0o400, JOB_USER)
        endpoint = Endpoint(machine.uid_of(JOB_USER), token, renewal.answer)
        over = threading.Event()
        threading.Thread(target=_keep, args=(renewal, over), daemon=True).start()
        return JobRole(renewal, endpoint, str(directory / "token"), region, over)


def begin(context: Context, keys: Keys, region: str, assignment: Assignment) -> Assuming | None:
    """Begin to assume the role of the assignment's job; None for a job without one."""
    grants = assignment.grants
    if grants is None or grants.role is None:
        return None
    session = role_session.session_of(assignment, grants, grants.role)
    return Assuming(context, keys, region, session)


def refusal(arn: str, error: Exception) -> str:
    """Why a job that was promised this role must not run."""
    hint = ""
    if "AccessDenied" in str(error):
        # AWS says the same of a role that does not exist (IAM user guide, "Troubleshoot roles").
        hint = (
            " (does it exist, does its trust policy allow this queue's sandbox role sts:AssumeRole"
            " and sts:TagSession, and does JobRolePath cover it?)"
        )
    return f"the role {arn} cannot be assumed{hint}: {error}"


def _keep(renewal: Renewal, over: threading.Event) -> None:
    while not over.wait(renewal.turn()):
        pass

"""What the host tells of itself: each step on the console, the phases in its mailbox row."""

from __future__ import annotations

from typing import Any, Callable, TypeVar

from mayfly_instance.aws import AwsError, Denied
from mayfly_instance.failure import HostFailure
from mayfly_instance.imds import ImdsError
from mayfly_instance.keys import Keys
from mayfly_instance.mailbox import Letter, Mailbox
from mayfly_instance.patience import patiently
from mayfly_instance.scene import Scene
from mayfly_instance.sigv4 import Credentials
from mayfly_protocol.phases import Phase
from mayfly_protocol.report import Report

_LINES = 20
"""Last words on the console, which keeps 64 KB in all."""

Answer = TypeVar("Answer")


class Reporter:
    """Speaks for one process of the supervisor."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._boot = scene.machine.boot_id()
        self._step = ""
        self._said: dict[str, Any] = {}
        self._row: tuple[Mailbox, Keys] | None = None

    def step(self, text: str) -> None:
        """Name the step that begins now: on the console, and as the place of a failure."""
        self._step = text
        self._scene.console.say(text)

    def note(self, text: str) -> None:
        """Say something on the console that is no step of its own."""
        self._scene.console.say(text)

    def write_to(self, mailbox: Mailbox, keys: Keys) -> None:
        """From now on report into this row."""
        self._row = (mailbox, keys)

    @property
    def reachable(self) -> bool:
        """Whether there is a row to report into."""
        return self._row is not None

    def remember(self, **facts: Any) -> None:
        """Put these facts into every further report."""
        self._said.update(facts)

    def send(self, phase: Phase, seconds: float, **facts: Any) -> None:
        """Report a phase, trying for so long. Raises HostFailure when it cannot be written."""
        clean = {name: self._clean(fact) for name, fact in facts.items()}
        report = Report(
            phase=phase,
            boot=self._boot,
            at=self._scene.clock.now(),
            **{**self._said, **clean},
        )
        try:
            patiently(
                lambda: self._with_row(lambda mailbox, keys: mailbox.send(keys, report)),
                self._scene.clock,
                seconds,
            )
        except (AwsError, ImdsError) as error:
            raise HostFailure(f"the mailbox does not take '{phase}': {error}") from error
        self._scene.console.say(f"reported {phase}")

    def tell(self, phase: Phase, seconds: float, **facts: Any) -> None:
        """Report a phase if that can be done: nothing depends on it."""
        try:
            self.send(phase, seconds, **facts)
        except HostFailure as failure:
            self._scene.console.say(failure.reason)

    def look(self) -> Letter:
        """What lies in the row now. Raises AwsError, ImdsError."""
        return self._with_row(Mailbox.look)

    def fail(self, failure: HostFailure) -> None:
        """Last words: on the console in any case, in the row if it can be reached."""
        reason = self._clean(failure.reason)
        words = self._clean(failure.words)
        self._scene.console.say(f"FAILED at: {self._step}: {reason}")
        for line in words.splitlines()[-_LINES:]:
            self._scene.console.say(f"| {line}")
        if self._row is not None:
            limit = self._scene.limits.last_report
            self.tell(Phase.FAILED, limit, step=self._step, reason=reason, words=words)

    def _clean(self, fact: Any) -> Any:
        return self._scene.scrub(fact) if isinstance(fact, str) else fact

    def _with_row(self, call: Callable[[Mailbox, Credentials], Answer]) -> Answer:
        if self._row is None:
            raise HostFailure("there is no row to report into")
        mailbox, keys = self._row
        try:
            return call(mailbox, keys.current())
        except Denied:
            keys.renew()
            raise

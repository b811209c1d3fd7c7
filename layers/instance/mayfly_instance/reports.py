"""Reports of the host: each step on the console, each phase in the mailbox row."""

from __future__ import annotations

from typing import Any, Callable, TypeVar

from mayfly_instance.aws import AwsError, Denied
from mayfly_instance.context import Context
from mayfly_instance.failure import HostFailure
from mayfly_instance.imds import ImdsError
from mayfly_instance.keys import Keys
from mayfly_instance.mailbox import Letter, Mailbox
from mayfly_instance.retries import retry
from mayfly_instance.sigv4 import Credentials
from mayfly_protocol.phases import Phase
from mayfly_protocol.report import Report

_LINES = 20
"""Lines of last words on the console, of which EC2 keeps 64 KB."""

Answer = TypeVar("Answer")


class Reporter:
    """Writes console lines and reports of one process of the supervisor."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._boot = context.machine.boot_id()
        self._step = ""
        self._facts: dict[str, Any] = {}
        self._row: tuple[Mailbox, Keys] | None = None

    def step(self, text: str) -> None:
        """Write the step that begins now to the console; a later failure report names the step."""
        self._step = text
        self._context.console.say(text)

    def note(self, text: str) -> None:
        """Write a line to the console without beginning a step."""
        self._context.console.say(text)

    def use_row(self, mailbox: Mailbox, keys: Keys) -> None:
        """Send reports into this row from now on."""
        self._row = (mailbox, keys)

    @property
    def has_row(self) -> bool:
        """Whether `use_row` was called."""
        return self._row is not None

    def remember(self, **facts: Any) -> None:
        """Add these fields to every later report."""
        self._facts.update(facts)

    def send(self, phase: Phase, seconds: float, **facts: Any) -> None:
        """Report a phase, with retries for `seconds`.

        Raises HostFailure if the row refuses the report.
        """
        clean = {name: self._clean(fact) for name, fact in facts.items()}
        report = Report(
            phase=phase,
            boot=self._boot,
            at=self._context.clock.now(),
            **{**self._facts, **clean},
        )
        try:
            retry(
                lambda: self._with_row(lambda mailbox, keys: mailbox.send(keys, report)),
                self._context.clock,
                seconds,
                self.note,
            )
        except (AwsError, ImdsError) as error:
            raise HostFailure(f"the mailbox does not take '{phase}': {error}") from error
        self._context.console.say(f"reported {phase}")

    def try_send(self, phase: Phase, seconds: float, **facts: Any) -> None:
        """Report a phase on which nothing depends; a failure goes to the console only."""
        try:
            self.send(phase, seconds, **facts)
        except HostFailure as failure:
            self._context.console.say(failure.reason)

    def read_row(self) -> Letter:
        """What the control plane has written into the row. Raises AwsError, ImdsError."""
        return self._with_row(Mailbox.read)

    def read_notice(self) -> str | None:
        """The spot notice in the mailbox; None without one. Raises AwsError, ImdsError."""
        return self._with_row(Mailbox.notice)

    def read_order(self) -> object:
        """The order to start in the mailbox, unchecked; None without one.

        Raises AwsError, ImdsError.
        """
        return self._with_row(Mailbox.order)

    def fail(self, failure: HostFailure) -> None:
        """Report a failure with last words: always on the console, in the row if there is one."""
        reason = self._clean(failure.reason)
        words = self._clean(failure.words)
        self._context.console.say(f"FAILED at: {self._step}: {reason}")
        for line in words.splitlines()[-_LINES:]:
            self._context.console.say(f"| {line}")
        if self._row is not None:
            limit = self._context.limits.last_report
            self.try_send(Phase.FAILED, limit, step=self._step, reason=reason, words=words)

    def _clean(self, fact: Any) -> Any:
        return self._context.scrub(fact) if isinstance(fact, str) else fact

    def _with_row(self, call: Callable[[Mailbox, Credentials], Answer]) -> Answer:
        if self._row is None:
            raise HostFailure("there is no row to report into")
        mailbox, keys = self._row
        try:
            return call(mailbox, keys.current())
        except Denied:
            keys.discard()
            raise

"""Verdicts: what AWS answered about a case, against what the table says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mayfly_cli.check_policies.cases import Case
from mayfly_cli.check_policies.question import Answer, Question


class Word(StrEnum):
    """What became of a case."""

    HELD = "held"
    DIFFERS = "differs"
    NOT_JUDGED = "not judged"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A case, what became of it, and why where it did not hold."""

    case: Case
    word: Word
    why: str = ""

    @property
    def line(self) -> str:
        """The verdict as a line, without its end."""
        why = f": {self.why}" if self.why else ""
        return f"{self.word:<12}{self.case.says}{why}"


def verdict(case: Case, question: Question, answer: Answer) -> Verdict:
    """The verdict by the simulator's answer.

    A key that was supplied and that the simulator misses nevertheless was not taken, so a condition
    on it held or failed for a reason that a real request does not have.
    """
    if answer.refused:
        return Verdict(case, Word.NOT_JUDGED, f"the simulator refused: {answer.refused}")
    missed = {key.lower() for key in answer.missing}
    dropped = sorted(key for key, _, _ in question.context if key.lower() in missed)
    if dropped:
        return Verdict(case, Word.NOT_JUDGED, f"the simulator did not take {', '.join(dropped)}")
    if answer.allowed is case.allowed:
        return Verdict(case, Word.HELD)
    decided = f" by {', '.join(answer.by)}" if answer.by else ""
    says = "allowed" if answer.allowed else "denied"
    return Verdict(case, Word.DIFFERS, f"AWS says {says}{decided}")


def summary(verdicts: Sequence[Verdict]) -> str:
    """One line with the number of each word."""
    counts = (f"{_count(verdicts, word)} {word}" for word in Word)
    return f"{len(verdicts)} cases: {', '.join(counts)}"


def passed(verdicts: Iterable[Verdict]) -> bool:
    """Whether AWS judged at least one case, and differs about none."""
    words = {each.word for each in verdicts}
    return Word.HELD in words and Word.DIFFERS not in words


def _count(verdicts: Iterable[Verdict], word: Word) -> int:
    return sum(each.word is word for each in verdicts)

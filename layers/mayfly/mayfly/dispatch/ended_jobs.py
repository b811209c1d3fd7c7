"""Tells the pages of jobs whose machine refused them, or ended while an agent had them.

The agent's line on a page tells of a refusal, but not why. Of a machine's end Buildkite tells
minutes later.

Buildkite takes notes for jobs in every state until 300 s after the end of a job (documentation of
Buildkite's Stacks API, "Create stack notifications", constraints). Buildkite waits 3 minutes for an
agent that is silent, and then gives the job the exit status -1 (buildkite/docs, agent lifecycle,
"lost").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mayfly.dispatch.settled import WITH_AGENT
from mayfly.dispatch.view import QueueView
from mayfly.records.bounds import LONGEST_NOTE, LONGEST_REASON, cut
from mayfly.records.model import Claim
from mayfly.records.refused import was_refused
from mayfly.records.states import Agent

_END = ". Buildkite gives its agent up in about 4 min (-1, agent lost). Retries: docs/pipelines.md"
"""What a page must say after the cause, however long the cause is."""


def ended_jobs(view: QueueView) -> Iterator[tuple[Claim, str]]:
    """The claims of such jobs after their page was told, with the note; one tick tells each.

    Nothing is told of a lost job before Buildkite says its state. The note is empty for a job that
    has no agent any more: the agent was faster than the end of its machine, or Buildkite has
    noticed.
    """
    for claim in view.claims:
        word = view.states.get(claim.job, "")
        if claim.told or claim.state.traits.agent is not Agent.ENDED:
            continue
        if was_refused(claim):
            yield _noted(claim), cut(_sentence(claim.reason), LONGEST_NOTE)
        elif not word:
            continue
        elif word in WITH_AGENT:
            yield _noted(claim), note_of(claim.reason)
        else:
            reason = cut(f"{claim.reason} (no note: Buildkite says {word})", LONGEST_REASON)
            yield replace(claim, told=True, reason=reason), ""


def note_of(reason: str) -> str:
    """The note of a lost job: what the claim says, and what comes next; only the former is cut."""
    return f"{cut(_sentence(reason), LONGEST_NOTE - len(_END.encode()))}{_END}"


def _noted(claim: Claim) -> Claim:
    noted = replace(claim.noted, number=claim.noted.number + 1)
    return replace(claim, told=True, noted=noted)


def _sentence(reason: str) -> str:
    return reason[:1].upper() + reason[1:]

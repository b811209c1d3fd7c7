"""Reasons: why a job, a launch or a queue does not move, as data. Pure.

The decision that holds something back makes the reason, once. Log line, metric, the queue's
`Standing`, the claim and the note on the job's page are made from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from mayfly.records.bounds import cut

LONGEST_WHY = 400
"""Bytes of a reason's text. EC2's words may be longer; a `Standing` holds many reasons."""
LONGEST_DETAIL = 1500
"""Bytes of what operators alone may read."""
LONGEST_SUBJECT = 1200
"""Bytes of a reason's subject. The longest name of a shape has about 1 KB."""


class Code(StrEnum):
    """What holds a job, a launch or a queue back; the gravest first.

    The names are stored and logged: never change or reuse one.
    """

    meaning: str
    needs_person: bool
    """Whether something is wrong that Mayfly cannot set right."""
    ends_by_itself: bool
    """Whether Mayfly goes on without a person, once what it waits for has come."""
    remedy: str
    """What a person can do, as one sentence; empty where there is only a wait."""

    def __new__(
        cls, name: str, meaning: str, needs_person: bool, ends_by_itself: bool, remedy: str
    ) -> Self:
        """Make a member; one that lacks an answer raises TypeError at import."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.meaning, member.remedy = meaning, remedy
        member.needs_person, member.ends_by_itself = needs_person, ends_by_itself
        return member

    @classmethod
    def _missing_(cls, value: object) -> Code:  # noqa: ARG003 - as `Enum` calls it
        """The code of a later version: a record must stay readable for an earlier version."""
        return cls.OTHER

    TOKEN_REFUSED = (
        "token-refused",
        "Buildkite refuses the agent token, or the token's parameter cannot be read.",
        True,
        False,
        "Put a valid agent token of the cluster into the token's parameter.",
    )
    UNKNOWN_QUEUE = (
        "unknown-queue",
        "Buildkite does not know the queue in the cluster of the agent token.",
        True,
        False,
        "Create the queue in the cluster, or remove the queue's stack.",
    )
    NO_CONFIGURATION = (
        "no-configuration",
        "The queue never had a configuration that is valid as a whole.",
        True,
        False,
        "Correct the parameters that the log names.",
    )
    STACK_GONE = (
        "stack-gone",
        "The queue's stack was deleted; Buildkite gets the jobs back.",
        True,
        False,
        "Deploy the queue's stack again, or delete the queue at Buildkite.",
    )
    ROLES_REFUSED = (
        "roles-refused",
        "No instance may have the queue's roles, because of what the roles may do.",
        True,
        False,
        "Remove the policy that the reason names from the role.",
    )
    NO_TEMPLATE = (
        "no-template",
        "The queue's stack has no launch template for the architecture that jobs need.",
        True,
        False,
        "Deploy the queue's stack with that architecture, or change `launch/architecture`.",
    )
    POLICY_UNREADABLE = (
        "policy-unreadable",
        "The queue's policy, or a repository or list that it asks for, cannot be read: jobs wait.",
        True,
        True,
        "Correct the parameter that the log names.",
    )
    LAUNCH_REFUSED = (
        "launch-refused",
        "EC2 refuses launches for a reason that no capacity mends, such as a quota.",
        True,
        True,
        "Do what EC2's error code asks for.",
    )
    BRAKED = (
        "braked",
        "Boots failed in a row; single trials follow ever more rarely.",
        True,
        True,
        "Read the last words of the failed instance, and correct image, script or network.",
    )
    BOOTS_FAILED = (
        "boots-failed",
        "The last boots of the queue failed, and none has succeeded since.",
        True,
        True,
        "Read the last words of the failed instance, and correct image, script or network.",
    )
    POOL_UNSTEADY = (
        "pool-unsteady",
        "Hot instances ended soon, without a job, several times in a row: the pool is not filled.",
        True,
        True,
        "Find out what ends the instances.",
    )
    PROVISION_SILENT = (
        "provision-silent",
        "The function `provision` has said nothing of the queue for minutes.",
        True,
        True,
        "Read the log of `provision`.",
    )
    RULE_NOT_MET = (
        "rule-not-met",
        "The queue does not meet a rule of the job's `agents:`; the job is left alone.",
        True,
        False,
        "Change the step's `agents:`, or add the tag to the queue's `tags`.",
    )
    PAUSED = (
        "paused",
        "The parameter `paused` stops new work.",
        False,
        False,
        "Delete the parameter `paused` to go on.",
    )
    PAUSED_AT_BUILDKITE = (
        "paused-at-buildkite",
        "The queue is paused at Buildkite.",
        False,
        False,
        "Resume the queue at Buildkite to go on.",
    )
    MAX_INSTANCES = (
        "max-instances",
        "The queue has as many instances as `limits/max-instances` allows.",
        False,
        True,
        "Raise `limits/max-instances`, or wait for an instance to end.",
    )
    LAUNCH_PACE = (
        "launches-per-minute",
        "The queue has launched what `limits/max-launches-per-minute` allows within a minute.",
        False,
        True,
        "Raise `limits/max-launches-per-minute`, or wait.",
    )
    NO_CAPACITY = (
        "no-capacity",
        "EC2 has no instance of the types and market at present; Mayfly tries again at a set time.",
        False,
        True,
        "Add types to `launch/instance-types`, zones to the stack, or another `launch/purchase`.",
    )
    TAKEN_BACK = (
        "taken-back",
        "EC2 took instances back before they were ready, for lack of capacity.",
        False,
        True,
        "Add types to `launch/instance-types`, or another `launch/purchase`.",
    )
    ALWAYS_TAKEN_BACK = (
        "always-taken-back",
        "EC2 took back the instances of several launches in a row, for lack of capacity.",
        False,
        True,
        "Add types to `launch/instance-types`, or another `launch/purchase`.",
    )
    LAUNCH_UNANSWERED = (
        "launch-unanswered",
        "EC2 has not answered a launch; the launch is sent again under its token.",
        False,
        True,
        "",
    )
    START_REFUSED = (
        "start-refused",
        "EC2 has no place for stopped instances at present; jobs get launches in their stead.",
        False,
        True,
        "Wait, or add zones to the stack.",
    )
    STOP_REFUSED = (
        "stop-refused",
        "EC2 does not stop instances that the stopped pool is to keep; what hangs is replaced.",
        False,
        True,
        "",
    )
    SPOT_DRY = (
        "spot-dry",
        "Spot lacks capacity in some pools; other pools, or on-demand instances, take their place.",
        False,
        True,
        "Add types to `launch/instance-types`, or zones to the stack.",
    )
    STOPPED_KEPT = (
        "stopped-kept",
        "Stopped instances of a paused queue are kept, and none is started.",
        False,
        True,
        "",
    )
    STOPPED_REPLACED = (
        "stopped-replaced",
        "Stopped instances that are too old, or of an older configuration, are replaced in turn.",
        False,
        True,
        "",
    )
    LOOK_AHEAD = (
        "look-ahead",
        "Jobs stay in Buildkite's list until other jobs have left their places.",
        False,
        True,
        "Raise `limits/max-instances`, or wait.",
    )
    PER_PIPELINE = (
        "per-pipeline",
        "The pipeline has as many jobs on the queue's instances as `limits/per-pipeline` allows.",
        False,
        True,
        "Raise `limits/per-pipeline`, or wait for a job of the pipeline to end.",
    )
    UNRESERVED = (
        "unreserved",
        "Buildkite does not reserve the job for this stack at present.",
        False,
        True,
        "",
    )
    FACTS_UNREAD = (
        "facts-unread",
        "A fact about the job cannot be read yet: its environment, or its former claim.",
        False,
        True,
        "",
    )
    BUILDKITE_SILENT = (
        "buildkite-silent",
        "Buildkite does not answer the list of the queue's jobs.",
        False,
        True,
        "",
    )
    BOOT_FAILED = (
        "boot-failed",
        "The last boot failed; another instance is launched for the job.",
        False,
        True,
        "",
    )
    ATTEMPT_FAILED = (
        "attempt-failed",
        "An attempt to start the job failed; another one follows.",
        False,
        True,
        "",
    )
    COMING = (
        "coming",
        "An instance for the job is on its way.",
        False,
        True,
        "",
    )
    NEXT_LAUNCH = (
        "next-launch",
        "An instance is wanted, and its launch follows in a later tick.",
        False,
        True,
        "",
    )
    OTHER = (
        "other",
        "A reason of another version of Mayfly; its text says which.",
        False,
        True,
        "",
    )


_RANKS = {code: rank for rank, code in enumerate(Code)}

UNDER_WAY = frozenset({Code.BOOT_FAILED, Code.ATTEMPT_FAILED, Code.COMING, Code.NEXT_LAUNCH})
"""Codes of work that goes on: told to whoever asks, but neither logged nor counted."""
HOLDS_NOTHING = frozenset({Code.SPOT_DRY, Code.STOPPED_KEPT, Code.STOPPED_REPLACED})
"""Codes that say how work is done where nothing is held back: neither logged nor counted."""
OF_JOBS = UNDER_WAY | {
    *(Code.RULE_NOT_MET, Code.LOOK_AHEAD, Code.PER_PIPELINE, Code.UNRESERVED, Code.FACTS_UNREAD)
}
"""Codes that hold back single jobs, or none: launches and pools go on."""
OF_QUEUE = (Code.ROLES_REFUSED, Code.MAX_INSTANCES, Code.LAUNCH_PACE)
"""Codes that hold up the launches of every shape of a queue, the gravest first."""


@dataclass(frozen=True, slots=True)
class Why:
    """One reason at present: what holds something back, in whole words."""

    code: Code
    text: str
    """One sentence without a full stop at its end. It may change while the reason stays."""
    since: datetime
    """Since when code and subject have been the same."""
    next_try: datetime | None = None
    """When Mayfly tries again; None where an event ends the wait, or a person."""
    subject: str = ""
    """What the reason is about within its queue: a shape, a rule, a limit with its value; empty for
    the whole queue. Words behind a shape tell the reason from an earlier one of the same code."""
    detail: str = ""
    """What operators alone may read, such as EC2's own words, which name accounts and roles."""

    @property
    def key(self) -> tuple[Code, str]:
        """Code and subject: a reason with another key is another reason."""
        return self.code, self.subject

    def is_about(self, name: str) -> bool:
        """Whether the reason is about what has this name, such as a shape."""
        return self.subject.partition(" ")[0] == name


def why(  # noqa: PLR0913 - what makes a reason; all but the first three have their names
    code: Code,
    text: str,
    now: datetime,
    *,
    next_try: datetime | None = None,
    subject: str = "",
    detail: str = "",
) -> Why:
    """A reason that was found at `now`, with texts cut to what a record may hold.

    A next try that is due already is none: the try is under way.
    """
    later = next_try if next_try is not None and next_try > now else None
    texts = cut(text, LONGEST_WHY), cut(subject, LONGEST_SUBJECT), cut(detail, LONGEST_DETAIL)
    return Why(code, texts[0], now, later, texts[1], texts[2])


def since_before(found: Why, before: Iterable[Why | None]) -> Why:
    """The reason with the time since which it has stood, where one of `before` has its key."""
    times = [each.since for each in before if each is not None and each.key == found.key]
    return replace(found, since=min([*times, found.since]))


def in_order(reasons: Iterable[Why]) -> tuple[Why, ...]:
    """The reasons, the gravest first; of reasons with one key the first alone."""
    by_key: dict[tuple[Code, str], Why] = {}
    for each in reasons:
        by_key.setdefault(each.key, each)
    return tuple(sorted(by_key.values(), key=lambda each: (_RANKS[each.code], each.subject)))

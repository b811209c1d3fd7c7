"""A case: one sentence about one request, and IAM's verdict on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mayfly.iam.evaluation import Kind, Policies, Values, Verdict, evaluate
from tests.security.authorization import Action, actions_on, actions_without_resource
from tests.security.principals import (
    NOTHING,
    Policy,
    Principal,
    administrator,
    chained,
    impostor,
    principals,
)
from tests.security.sweep import request, verdict
from tests.security.thing import Thing
from tests.security.things import things

ABSENT = ""
"""In place of a value: AWS does not supply the key."""


def named(who: str) -> Principal:
    """The principal of a case; some are not tried by the sweep."""
    apart = {"administrator": administrator, "chained": chained, "impostor": impostor}
    return apart[who]() if who in apart else principals()[who]


@dataclass(frozen=True, slots=True)
class Case:
    """A sentence, and the request that it is about. The sentence says `can` or `cannot`."""

    sentence: str
    who: str
    """Name of a principal."""
    action: str
    on: str
    """Name of a thing, or the ARN of another resource."""
    context: Mapping[str, Values] = field(default_factory=dict)
    """Condition keys of the request, over those of the thing."""
    attached: str = NOTHING
    boundary: Policy | None = None
    trust: Policy = ()
    """The trust policy of a role outside Mayfly."""

    @property
    def allowed(self) -> bool:
        """The verdict that the sentence states.

        Raises:
            ValueError: the sentence does not say `can` or `cannot` once.
        """
        words = [word for word in self.sentence.split() if word in {"can", "cannot"}]
        if len(words) != 1:
            raise ValueError(f"can, or cannot? {self.sentence}")
        return words == ["can"]

    @property
    def thing(self) -> Thing:
        """The resource of the request."""
        return things().get(self.on) or Thing(self.on, self.on, self.on, {}, policy=self.trust)

    @property
    def supplied(self) -> dict[str, Values]:
        """The condition keys of the request, without those of the principal."""
        context = {**self.thing.context, **self.context}
        present = {key: value for key, value in context.items() if value != ABSENT}
        return self._action.supplied(present)

    @property
    def unknown_keys(self) -> set[str]:
        """Condition keys of the case that AWS does not supply for this action and resource."""
        return {key for key, value in self.context.items() if value != ABSENT} - set(self.supplied)

    @property
    def verdict(self) -> Verdict:
        """IAM's verdict."""
        principal = named(self.who)
        asked = request(principal, self.thing, self.action, self.supplied)
        if self.boundary is None:
            return verdict(principal, self.thing, asked, self.attached)
        policies = Policies(identity=principal.attached(self.attached), boundary=self.boundary)
        return evaluate(asked, principal.caller, policies)

    @property
    def decided_by(self) -> str:
        """What decided, as the table of cases shows it."""
        found = self.verdict
        if not found.explicit:
            return "nothing allows it"
        kind = {Kind.IDENTITY: "role", Kind.RESOURCE: "resource"}.get(found.by, str(found.by))
        return f"`{found.sid}` ({kind})" if found.sid else f"`{self.attached}` (attached)"

    @property
    def _action(self) -> Action:
        service = self.action.partition(":")[0]
        known = actions_without_resource(service) if self.on == "*" else actions_on(self.thing.arn)
        return next(each for each in known if each.name == self.action)

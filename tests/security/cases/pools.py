"""Cases: stops and starts of the stopped pool, and the orders for their boots."""

from __future__ import annotations

from tests.security.case import ABSENT, Case
from tests.security.principals import profile_arn

UPDATE = "dynamodb:UpdateItem"
PROFILE = "ec2:InstanceProfile"


def _switches(verb: str) -> tuple[Case, ...]:
    action = f"ec2:{verb.capitalize()}Instances"
    wrong: tuple[tuple[str, str, dict[str, str]], ...] = (
        ("that is still bootstrap", "instance/bootstrap", {}),
        ("with another queue's profile", "instance/ready", {PROFILE: profile_arn("sandbox", "x")}),
        ("without a profile", "instance/ready", {PROFILE: ABSENT}),
        ("of another stack", "instance/stack-2", {}),
    )
    return (
        Case(
            f"The function provision can {verb} an instance with its sandbox profile",
            "provision",
            action,
            "instance/ready",
        ),
        *(
            Case(
                f"The function provision cannot {verb} an instance {which}",
                "provision",
                action,
                thing,
                context,
            )
            for which, thing, context in wrong
        ),
    )


POOLS = (
    *_switches("stop"),
    *_switches("start"),
    Case("The function provision can write an order", "provision", UPDATE, "row/start/order"),
    *(
        Case(f"The function provision cannot write {what}", "provision", UPDATE, thing)
        for what, thing in (
            ("an order into the row of an assignment", "row/sandbox/order"),
            ("an assignment into the row of another instance", "row/sandbox/assignment"),
            ("an assignment into the row of an order", "row/start/assignment"),
            ("a notice", "row/notice/notice"),
        )
    ),
    *(
        Case(f"The function {who} cannot write an order", who, UPDATE, "row/start/order")
        for who in ("dispatch", "sandbox", "reap")
    ),
)

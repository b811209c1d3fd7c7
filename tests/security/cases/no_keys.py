"""Cases: requests without the key of a ForAllValues, which is true for an absent key.

`test_no_keys.py` finds every ForAllValues of the templates, and asks for its case here.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.security.case import ABSENT, Case

LEADING, ATTRIBUTES = "dynamodb:LeadingKeys", "dynamodb:Attributes"
UPDATE = "dynamodb:UpdateItem"


def _report(role: str, who: str, title: str) -> dict[tuple[str, str, str], Case]:
    return {
        (role, "WriteReport", key): Case(
            f"{title} cannot write a report if the request names no {what}",
            who,
            UPDATE,
            "row/own/report",
            {key: ABSENT},
        )
        for key, what in ((LEADING, "row"), (ATTRIBUTES, "attribute"))
    }


def _reports(function: str) -> dict[tuple[str, str, str], Case]:
    return {
        (f"{function.capitalize()}FunctionRole", "Reports", ATTRIBUTES): Case(
            f"The function {function} cannot read rows if the request names no attribute",
            function,
            "dynamodb:BatchGetItem",
            "row/sandbox/report",
            {ATTRIBUTES: ABSENT, "dynamodb:Select": ABSENT},
        )
    }


CASES: Mapping[tuple[str, str, str], Case] = {
    **_report("BootstrapRole", "bootstrap", "Set-up"),
    **_report("SandboxRole", "job", "A job"),
    ("SandboxRole", "ReadAssignment", LEADING): Case(
        "A job cannot read a row if the request names none",
        "job",
        "dynamodb:GetItem",
        "row/own/any",
        {LEADING: ABSENT},
    ),
    **_reports("sandbox"),
    **_reports("reap"),
    ("ProvisionFunctionRole", "Orders", LEADING): Case(
        "The function provision cannot write an order if the request names no row",
        "provision",
        UPDATE,
        "row/start/order",
        {LEADING: ABSENT},
    ),
    ("ProvisionFunctionRole", "Orders", ATTRIBUTES): Case(
        "The function provision cannot write an order if the request names no attribute",
        "provision",
        UPDATE,
        "row/start/any",
    ),
    ("ReapFunctionRole", "Removals", ATTRIBUTES): Case(
        "The function reap cannot write rows in a batch if the request names no attribute",
        "reap",
        "dynamodb:BatchWriteItem",
        "row/sandbox/any",
    ),
    ("ReapFunctionRole", "Notices", LEADING): Case(
        "The function reap cannot write a notice if the request names no row",
        "reap",
        UPDATE,
        "row/notice/notice",
        {LEADING: ABSENT},
    ),
    ("ReapFunctionRole", "Notices", ATTRIBUTES): Case(
        "The function reap cannot write a notice if the request names no attribute",
        "reap",
        UPDATE,
        "row/notice/any",
    ),
}
"""By role, Sid and condition key."""

"""Writes the cases for `mayfly check-policies`; `make docs` runs this after the documents.

The command runs without the data and the templates of which the cases are made, in an account with
names of its own. So each name of the sample deployment becomes a name in angle brackets, and each
request carries the condition keys that AWS supplies for it, with their types.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from build.blocks import ROOT
from mayfly.iam.evaluation import Policies, Values, evaluate
from mayfly_cli.templates.resolution import ACCOUNT, REGION
from tests.security import deployed
from tests.security.authorization import type_of_key
from tests.security.case import Case
from tests.security.case import named as principal_named
from tests.security.cases.table import CASES
from tests.security.principals import (
    NOTHING,
    Principal,
    administrator,
    chained,
    impostor,
    principals,
    role_id,
)
from tests.security.sweep import request

FILE = ROOT / "cli/mayfly_cli/check_policies/cases.json"
TOKEN = "/buildkite/mayfly/agent-token"
_STACK, _QUEUE = deployed.STACK, "linux"
_EDGE = "(?<![A-Za-z0-9]){}(?![A-Za-z0-9])"
_NAMES: tuple[tuple[str, str], ...] = (
    *((_EDGE.format(role_id(kind)), f"<{kind}-role-id>") for kind in ("bootstrap", "sandbox")),
    (rf"{_STACK}-([A-Za-z]+)-1A2B3C4D5E6F", r"<\1>"),
    (rf"{_STACK}-{_QUEUE}-BootstrapRole-1A2B", "<bootstrap-role>"),
    (rf"{_STACK}-{_QUEUE}-sandbox", "<sandbox-role>"),
    (rf"{_STACK}-{_QUEUE}-BootstrapProfile-1A2B", "<bootstrap-profile>"),
    (rf"{_STACK}-{_QUEUE}-SandboxProfile-1A2B", "<sandbox-profile>"),
    (re.escape(deployed.TOKEN_KEY), "<token-key>"),
    (re.escape(deployed.secrets_key()), "<secrets-key>"),
    (rf"{re.escape(deployed.secrets_path())}(?![A-Za-z0-9])", "<secrets-path>"),
    (re.escape(deployed.job_role_path()), "<job-role-path>"),
    (TOKEN, "<token-parameter>"),
    (deployed.SCRIPT_PREFIX, "<script-prefix>"),
    (_EDGE.format(deployed.SCRIPT_BUCKET), "<script-bucket>"),
    (_EDGE.format(f"({_STACK.upper()}|{_STACK.capitalize()})"), "<stack in another case>"),
    (_EDGE.format(_QUEUE.capitalize()), "<queue in another case>"),
    (_EDGE.format(_STACK), "<stack>"),
    (_EDGE.format(f"{_QUEUE}2"), "<queue>2"),
    (_EDGE.format(_QUEUE), "<queue>"),
    (ACCOUNT, "<account>"),
    (_EDGE.format(REGION), "<region>"),
    ("arn:aws:", "arn:<partition>:"),
)
"""Names of the sample deployment as patterns, and what stands for them; longer names first."""
_POLICIES = {
    "viewer": "ViewersPolicy",
    "operator": "OperatorsPolicy",
    "security-owner": "SecurityOwnersPolicy",
}


def text() -> str:
    """The file's text: JSON with a line for each principal and each case."""
    blocks = (
        ("principals", [_principal(each) for each in (*principals().values(), *_apart())]),
        ("cases", [_case(case) for cases in CASES.values() for case in cases]),
    )
    return "{\n" + ",\n".join(_block(name, rows) for name, rows in blocks) + "\n}\n"


def _block(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    # Empty fields and false ones are left out: the reader takes them for granted.
    kept = ({key: value for key, value in row.items() if value} for row in rows)
    lines = ",\n".join(named(json.dumps(row)) for row in kept)
    return f'"{name}": [\n{lines}\n]'


def named(sample: str) -> str:
    """A text with the sample deployment's names replaced by those in angle brackets."""
    for pattern, name in _NAMES:
        sample = re.sub(pattern, name, sample)
    return sample


def _apart() -> tuple[Principal, ...]:
    """The principals of cases that the sweep does not try."""
    return administrator(), chained(), impostor()


def _principal(principal: Principal) -> dict[str, Any]:
    """A principal: where its policies are, and the condition keys of all its requests.

    `role` is the ARN of a role of the deployment, `policy` the logical id of a managed policy for
    people. Roles of other queues, other stacks and other owners have neither.
    """
    of_queue = principal.name in {"bootstrap", "job"}
    of_control = principal.name in {"dispatch", "provision", "sandbox", "reap"}
    return {
        "name": principal.name,
        "role": str(principal.caller.role) if of_queue or of_control else "",
        "policy": _POLICIES.get(principal.name, ""),
        "foreign": principal.name in {"foreign", "chained"},
        "context": _typed(principal.context),
    }


def _case(case: Case) -> dict[str, Any]:
    principal = principal_named(case.who)
    asked = request(principal, case.thing, case.action, case.supplied)
    own = {
        key: value for key, value in asked.context.items() if principal.context.get(key) != value
    }
    return {
        "says": case.sentence,
        "who": case.who,
        "action": case.action,
        "resource": asked.resource,
        "context": _typed(own),
        "attached": "" if case.attached == NOTHING else case.attached,
        "boundary": list(case.boundary or ()),
        "allowed": case.allowed,
        "resource_decides": _without_resource(case, principal) is not case.allowed,
    }


def _without_resource(case: Case, principal: Principal) -> bool:
    """Whether the request were allowed if the resource had no policy."""
    asked = request(principal, case.thing, case.action, case.supplied)
    policies = Policies(identity=principal.attached(case.attached), boundary=case.boundary)
    return evaluate(asked, principal.caller, replace(policies, resource=())).allowed


def _typed(context: Mapping[str, Values]) -> dict[str, list[Any]]:
    """By condition key: its type in IAM's API, and its values."""
    return {
        key: [type_of_key(key, value), [value] if isinstance(value, str) else list(value)]
        for key, value in context.items()
    }


@click.command()
@click.option("--write", is_flag=True, help="Write the file.")
def main(write: bool) -> None:
    """Name the file and end with 1 if it is stale; with --write, renew it."""
    stale = not FILE.exists() or FILE.read_text("utf-8") != text()
    if stale and write:
        FILE.write_text(text(), "utf-8")
        sys.stdout.write(f"wrote {FILE.relative_to(ROOT)}\n")
    elif stale:
        sys.exit(f"stale: {FILE.relative_to(ROOT)}; run make docs")


if __name__ == "__main__":
    # The translator of templates reports metrics of its own that nobody collects.
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    main()

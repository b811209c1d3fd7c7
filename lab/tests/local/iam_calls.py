"""Principals of a deployed account, and calls as the front door reads them."""

from __future__ import annotations

import json
from typing import Any

from local.deployed_account import STACK, Account
from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.aws.front.authoriser import Verdict
from mayfly_lab.aws.front.call import Call, Principal
from mayfly_lab.aws.people import ADMINISTRATOR, OPERATOR, SECURITY_OWNER
from mayfly_lab.aws.wiring import principal_of

FUNCTIONS = ("dispatch", "provision", "sandbox", "reap")
HOST = "i-0000000000000000a"


class Principals:
    """Every kind of principal, each by a name: `dispatch`, `sandbox host`, `operator` …"""

    def __init__(self, account: Account) -> None:
        aws = account.lab.aws
        self.iam = aws.iam
        self._account = account
        self.by_name: dict[str, Principal] = {
            "administrator": ADMINISTRATOR,
            "operator": OPERATOR,
            "security owner": SECURITY_OWNER,
        }
        for name in FUNCTIONS:
            spec = aws.functions.spec(f"{STACK}-{name}")
            self.by_name[name] = principal_of(aws._world, spec, STACK)
        for kind in ("bootstrap", "sandbox"):
            arn = account.deployed.queues["first"][f"{kind}_profile"]
            self.by_name[f"{kind} host"] = aws.sessions.of_instance(HOST, arn)[1]

    def make_role(self, name: str, path: str = "/", *allowed: str, **more: Any) -> Principal:
        """A role with a policy that allows these actions on everything. Returns a session of it."""
        iam = self._account.client("iam")
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ACCOUNT}}
        iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=policy(trust), **more)
        if allowed:
            self.allow(name, *allowed)
        return self._account.lab.aws.sessions.begin(name, "s")[1]

    def allow(self, role: str, *actions: str) -> None:
        """Give a role a policy that allows these actions on everything."""
        statement = {"Sid": "Given", "Effect": "Allow", "Action": list(actions), "Resource": "*"}
        self._account.client("iam").put_role_policy(
            RoleName=role, PolicyName="given", PolicyDocument=policy(statement)
        )

    def decide(self, who: str | Principal, action: str, parameters: dict[str, Any]) -> Verdict:
        """The verdict on a call by the policies that are in force."""
        return self.decided(who, action, parameters)[0]

    def decided(
        self, who: str | Principal, action: str, parameters: dict[str, Any]
    ) -> tuple[Verdict, Call]:
        """The verdict, and the call with what decided it."""
        principal = self.by_name[who] if isinstance(who, str) else who
        service, _, operation = action.partition(":")
        call = Call(service, operation, parameters, by=principal)
        return self.iam.decide(principal, call), call

    def userid(self, who: str) -> str:
        """`aws:userid` of a principal."""
        return self.by_name[who].userid


def policy(*statements: dict[str, Any]) -> str:
    """A policy document as JSON."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def row(table: str, key: str, **more: Any) -> dict[str, Any]:
    """Parameters of a call about one row of a table of the stack."""
    name = "key" if table == "mailbox" else "pk"
    return {"TableName": f"{STACK}-{table}", "Key": {name: {"S": key}}, **more}


def report(key: str, **more: Any) -> dict[str, Any]:
    """Parameters of a write of a report."""
    return row("mailbox", key, UpdateExpression="SET report = :r", **more)

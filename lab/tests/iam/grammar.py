"""Random cases from a grammar of policies: what a policy may say, about requests that may match.

Values are few, so that statements often apply, and often just not.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iam.cases import Case
from mayfly.iam.evaluation import Caller, Policies, Request, Statement

ACCOUNT, REGION = "123456789012", "eu-west-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/mayfly/acme/sandbox/linux/R"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/R/i-0a"
CALLER = Caller(arn=SESSION, role=ROLE, unique_id="AROAEXAMPLE")
_EC2 = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
_PROFILE = f"arn:aws:iam::{ACCOUNT}:instance-profile/mayfly"

_STRINGS: Mapping[str, Sequence[str]] = {
    "aws:userid": ("AROAEXAMPLE:i-0a", "AROAEXAMPLE:i-0b"),
    "aws:PrincipalTag/team": ("blue", "Blue", "green"),
}
_TAGS: Mapping[str, Sequence[str]] = {
    "aws:ResourceTag/mayfly-stack": ("acme", "Acme", "other", "ac*"),
    "aws:ResourceTag/mayfly-queue": ("linux", "i-0a"),
}
_PROFILES = (f"{_PROFILE}/acme/sandbox/linux/P", f"{_PROFILE}/acme/bootstrap/linux/P")


@dataclass(frozen=True, slots=True)
class _Target:
    """An action with resources that it may be asked for, and the keys that it has there."""

    action: str
    resources: Sequence[str]
    strings: Mapping[str, Sequence[str]]
    arns: Mapping[str, Sequence[str]]
    numbers: Mapping[str, Sequence[str]]
    lists: Mapping[str, Sequence[str]]
    resource_policy: bool = False
    """Whether such resources can have policies of their own."""


def _target(
    action: str,
    *resources: str,
    strings: Mapping[str, Sequence[str]] | None = None,
    arns: Mapping[str, Sequence[str]] | None = None,
    numbers: Mapping[str, Sequence[str]] | None = None,
    lists: Mapping[str, Sequence[str]] | None = None,
    resource_policy: bool = False,
) -> _Target:
    return _Target(
        action,
        resources,
        {**_STRINGS, **(strings or {})},
        {"aws:PrincipalArn": (ROLE, f"arn:aws:iam::{ACCOUNT}:role/admin"), **(arns or {})},
        numbers or {},
        lists or {},
        resource_policy,
    )


_INSTANCES = (f"{_EC2}:instance/i-0a", f"{_EC2}:instance/i-0b")
_TABLES = tuple(
    f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}" for table in ("acme-mailbox", "acme-fleet")
)
_ROWS = {
    "dynamodb:LeadingKeys": ("AROAEXAMPLE:i-0a", "AROAEXAMPLE:i-0b"),
    "dynamodb:Attributes": ("key", "report", "assignment"),
}
_RETURNS = {"dynamodb:ReturnValues": ("NONE", "ALL_OLD")}
_PROFILE_KEYS = {"ec2:InstanceProfile": _PROFILES, "ec2:NewInstanceProfile": _PROFILES}
TARGETS = (
    _target("dynamodb:UpdateItem", *_TABLES, strings=_RETURNS, lists=_ROWS, resource_policy=True),
    _target("dynamodb:GetItem", *_TABLES, lists=_ROWS, resource_policy=True),
    _target("dynamodb:Query", f"{_TABLES[0]}/index/open", lists=_ROWS),
    _target("dynamodb:Query", f"{_TABLES[0]}/index/closed", lists=_ROWS),
    _target(
        "ec2:ReplaceIamInstanceProfileAssociation", *_INSTANCES, strings=_TAGS, arns=_PROFILE_KEYS
    ),
    _target("ec2:TerminateInstances", *_INSTANCES, strings=_TAGS),
    _target(
        "ec2:RunInstances",
        f"{_EC2}:instance/*",
        strings={"aws:RequestTag/mayfly-stack": ("acme", "other")},
        numbers={"ec2:MetadataHttpPutResponseHopLimit": ("1", "2", "64")},
        lists={"aws:TagKeys": ("mayfly-stack", "Mayfly-Stack", "Name")},
    ),
    _target(
        "ec2:CreateTags",
        *_INSTANCES,
        strings={**_TAGS, "ec2:CreateAction": ("RunInstances", "CreateFleet")},
        lists={"aws:TagKeys": ("mayfly-stack", "Mayfly-Stack", "Name")},
    ),
    _target("ec2:DescribeInstances", "*"),
    _target(
        "iam:PassRole",
        ROLE,
        f"arn:aws:iam::{ACCOUNT}:role/admin",
        strings={"iam:PassedToService": ("ec2.amazonaws.com", "lambda.amazonaws.com")},
    ),
    _target(
        "ssm:GetParameter",
        f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/mayfly/acme/queues/linux",
        f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/buildkite/token",
    ),
    _target(
        "s3:GetObject",
        "arn:aws:s3:::acme-ci/linux/i-0a",
        "arn:aws:s3:::acme-ci/linux/script",
        resource_policy=True,
    ),
    _target(
        "sqs:SendMessage",
        f"arn:aws:sqs:{REGION}:{ACCOUNT}:acme-nudges",
        resource_policy=True,
    ),
    _target("lambda:InvokeFunction", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:acme-dispatch"),
)
_OF_STRINGS = (
    *("StringEquals", "StringNotEquals", "StringLike", "StringNotLike"),
    *("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"),
)
_OF_ARNS = ("ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "StringEquals", "StringLike")
_OF_NUMBERS = (
    *("NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals"),
    *("NumericGreaterThan", "NumericGreaterThanEquals"),
)
_OTHERS: Mapping[str, tuple[Sequence[str], Sequence[str], Sequence[str]]] = {
    "aws:SecureTransport": (("true", "false"), ("true", "false"), ("Bool",)),
    "aws:SourceIp": (
        ("10.0.0.1", "10.1.0.1", "2001:db8::1"),
        ("10.0.0.0/16", "10.0.0.1", "10.0.0.0/8", "2001:db8::/32"),
        ("IpAddress", "NotIpAddress"),
    ),
    "aws:CurrentTime": (
        ("2026-11-29T12:00:00Z", "2026-11-30T00:00:00Z"),
        ("2026-11-29T12:00:00Z", "2026-11-29T18:00:00Z", "2026-11-29"),
        (
            *("DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals"),
            *("DateGreaterThan", "DateGreaterThanEquals"),
        ),
    ),
}
"""By key that every request may have: values of requests, values of policies, operators."""
_PRINCIPALS: Sequence[Any] = (
    *("*", {"AWS": "*"}, {"AWS": ACCOUNT}, {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}),
    *({"AWS": SESSION}, {"AWS": [f"arn:aws:iam::{ACCOUNT}:role/admin"]}),
    {"Service": "events.amazonaws.com"},
)


@dataclass(slots=True)
class Grammar:
    """Draws cases; the same random numbers give the same cases."""

    random: random.Random

    def cases(self, number: int) -> Iterator[Case]:
        """`number` cases, each with its number as title."""
        for at in range(number):
            yield self._case(f"random case {at}")

    def _case(self, title: str) -> Case:
        target = self.random.choice(TARGETS)
        request = Request(
            target.action, self.random.choice(target.resources), self._context(target)
        )
        identity = tuple(self._policy(target) for _ in range(self._number(0, 1, 1, 2)))
        resource = (
            self._policy(target, of_resource=True)
            if target.resource_policy and self._chance(0.3)
            else ()
        )
        boundary = self._policy(target) if self._chance(0.2) else None
        session = self._policy(target) if self._chance(0.1) else None
        return Case(title, request, CALLER, Policies(identity, boundary, session, resource))

    def _context(self, target: _Target) -> dict[str, str | list[str]]:
        context: dict[str, str | list[str]] = {}
        for keys in (target.strings, target.arns, target.numbers):
            for key, values in keys.items():
                if self._chance(0.8):
                    context[self._case_of(key)] = self.random.choice(values)
        for key, (values, _, _) in _OTHERS.items():
            if self._chance(0.8):
                context[self._case_of(key)] = self.random.choice(values)
        for key, values in target.lists.items():
            if self._chance(0.8):
                context[self._case_of(key)] = self._some(values)
        return context

    def _policy(self, target: _Target, *, of_resource: bool = False) -> list[Statement]:
        number = self._number(1, 1, 2, 3)
        return [self._statement(target, f"S{at}", of_resource) for at in range(number)]

    def _statement(self, target: _Target, sid: str, of_resource: bool) -> Statement:
        statement: dict[str, Any] = {
            "Sid": sid,
            "Effect": "Deny" if self._chance(0.35) else "Allow",
            ("NotAction" if self._chance(0.1) else "Action"): self._one_or_list(
                self._actions(target)
            ),
            ("NotResource" if self._chance(0.1) else "Resource"): self._one_or_list(
                self._resources(target)
            ),
        }
        if of_resource:
            statement["Principal"] = self.random.choice(_PRINCIPALS)
        condition: dict[str, dict[str, Any]] = {}
        for _ in range(self._number(0, 0, 1, 1, 2)):
            operator, key, values = self._condition(target)
            condition.setdefault(operator, {})[self._case_of(key)] = values
        return {**statement, "Condition": condition} if condition else statement

    def _actions(self, target: _Target) -> list[str]:
        service, name = target.action.split(":")
        forms = (
            *(target.action, target.action, f"{service}:*", "*"),
            *(f"{service}:{name[:3]}*", f"{service}:?{name[1:]}", target.action.swapcase()),
            self.random.choice(TARGETS).action,
        )
        return self._picked(forms)

    def _resources(self, target: _Target) -> list[str]:
        if target.resources == ("*",):
            return ["*"]
        return self._picked([*target.resources, "*", *map(self._pattern, target.resources)])

    def _pattern(self, arn: str) -> str:
        """An ARN with a wildcard, or with a variable, in one place."""
        *front, last = arn.split(":")
        shown = self.random.choice(
            (
                last[: self.random.randrange(last.find("/") + 1, len(last))] + "*",
                last[:-1] + "?",
                last.replace("linux", "*"),
                last.replace("i-0a", "${aws:PrincipalTag/team}"),
                last.replace("linux", "${aws:ResourceTag/mayfly-queue}"),
                last.replace("acme", "${aws:PrincipalTag/team, 'acme'}"),
            )
        )
        if front[3] and self._chance(0.2):
            front[3] = "*"
        elif len(front) > 5 and self._chance(0.3):
            front[3:5] = ["*"]  # matches only if a wildcard spans a colon
        return ":".join((*front, shown))

    def _condition(self, target: _Target) -> tuple[str, str, Any]:
        """An operator, a key of the target, and values."""
        if self._chance(0.2):
            other = self.random.choice(list(_OTHERS))
            _, others, operators = _OTHERS[other]
            operator = self.random.choice(operators) + ("IfExists" if self._chance(0.2) else "")
            return operator, other, self._one_or_list(self._picked(others))
        kinds = [
            (target.strings, _OF_STRINGS),
            (target.arns, _OF_ARNS),
            (target.numbers, _OF_NUMBERS),
            (target.lists, _OF_STRINGS),
        ]
        keys, operators = self.random.choice([kind for kind in kinds if kind[0]])
        key = self.random.choice(list(keys))
        if self._chance(0.15):
            return "Null", key, self.random.choice(("true", "false", True, False))
        operator = self.random.choice(operators)
        if keys is target.lists:
            operator = f"{self.random.choice(('ForAllValues', 'ForAnyValue'))}:{operator}"
        elif self._chance(0.2):
            operator += "IfExists"
        likes = [] if keys is target.numbers else map(self._like, keys[key])
        return operator, key, self._one_or_list(self._picked([*keys[key], *likes]))

    def _like(self, value: str) -> str:
        """The value with a wildcard or a variable in place of a part, or in another case."""
        if value.startswith("arn:"):
            return self._pattern(value)
        return self.random.choice(
            (value[:2] + "*", value[:-1] + "?", value.swapcase(), "${aws:userid}", "*", "${*}")
        )

    def _case_of(self, key: str) -> str:
        return self.random.choice((key, key, key, key.lower(), key.upper()))

    def _picked(self, values: Sequence[str]) -> list[str]:
        return [self.random.choice(values) for _ in range(self._number(1, 1, 2))]

    def _one_or_list(self, values: list[str]) -> str | list[str]:
        return values[0] if len(values) == 1 and self._chance(0.7) else values

    def _some(self, values: Sequence[str]) -> list[str]:
        return self.random.sample(list(values), self.random.randint(1, len(values)))

    def _number(self, *numbers: int) -> int:
        return self.random.choice(numbers)

    def _chance(self, share: float) -> bool:
        return self.random.random() < share

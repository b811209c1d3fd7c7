"""Role lines: which AWS role a job gets, by Buildkite's facts and never by the pipeline's YAML.

A line is `conditions -> arn:…:role/… [minutes=N]`. The conditions are those of policy rules, see
`rules.py`, with the same trusted keys.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mayfly.config.rules import Rule, conditions_of, numbered_lines, rule_of

ROLES = "role"
"""Folder of the parameters `role/<name>`."""
FEWEST_MINUTES = 15
"""AWS's shortest session (STS reference, AssumeRole)."""
MOST_MINUTES = 60
"""A host assumes a job's role with its sandbox role. AWS allows such a chained role at most an hour
(IAM user guide, "Role chaining")."""
LARGEST_ROLES = 60_000
"""Bytes of a queue's role lines. The queue's record holds them beside the policy's rules, and an
item of DynamoDB has at most 400 KB."""

_ARROW = "->"
_FORM = "conditions -> arn:aws:iam::ACCOUNT:role/PATH/NAME [minutes=N]"
# IAM allows more characters in a path. The fewer ones need no care in policies and on screens.
_PART = r"[A-Za-z0-9_+=,.@-]"
_ARN = re.compile(
    rf"arn:(?:aws|aws-cn|aws-us-gov):iam::[0-9]{{12}}:role(?P<path>/(?:{_PART}+/)*){_PART}{{1,64}}"
)
_OF_OTHERS = ("/mayfly/", "/aws-service-role/", "/aws-reserved/")
"""Paths of roles that Mayfly's stacks and AWS itself own."""
_MINUTES = re.compile(r"minutes=([0-9]{1,4})")


@dataclass(frozen=True, slots=True)
class RoleLine:
    """One line: a job that meets every condition gets the role."""

    rule: Rule
    """The conditions; the rule's name is the `<name>` of the parameter `role/<name>`."""
    arn: str
    minutes: int = MOST_MINUTES
    """Life of one set of the role's credentials; the host renews them."""

    @property
    def parameter(self) -> str:
        """The line's parameter, below the queue's path."""
        return f"{ROLES}/{self.rule.name}"

    @property
    def path(self) -> str:
        """The path of the role's ARN, as `/ci/deploy/`; `/` for a role without a path."""
        found = _ARN.fullmatch(self.arn)
        return found["path"] if found is not None else ""

    def __str__(self) -> str:
        """The canonical line; equal lines give equal text."""
        return f"{self.rule} {_ARROW} {self.arn} minutes={self.minutes}"


def parse_roles(name: str, text: str) -> tuple[RoleLine, ...]:
    """The role lines in the text of `role/<name>`; empty lines are omitted.

    Raises ValueError with the line and what is wrong in it, and for a text without a line.
    """
    lines = tuple(_line(name, line, number) for number, line in numbered_lines(text))
    if not lines:
        raise ValueError("the text has no line")
    return lines


def _line(name: str, line: str, number: int) -> RoleLine:
    words = list(re.finditer(r"\S+", line))
    arrows = [word for word in words if word.group() == _ARROW]
    if len(arrows) != 1:
        raise ValueError(f"line {number}: exactly one -> must stand in it, as in {_FORM}")
    (arrow,) = arrows
    found = conditions_of(line[: arrow.start()], number)
    if "pipeline" not in found:
        raise ValueError(f"line {number}: no pipeline=…, without which any pipeline had the role")
    # A fork's author is nobody's employee: a line without a word about forks is not for them.
    found.setdefault("fork", ("no",))
    arn, minutes = _target([word for word in words if word.start() > arrow.start()], number)
    return RoleLine(rule_of(name, found), arn, minutes)


def _target(words: list[re.Match[str]], number: int) -> tuple[str, int]:
    """The ARN and the minutes in the words after the arrow."""
    if not words:
        raise ValueError(f"line {number}: no role after ->, as in {_FORM}")
    arn, *options = words
    found, where = _ARN.fullmatch(arn.group()), f"line {number}, column {arn.start() + 1}"
    if found is None:
        raise ValueError(f"{where}: {arn.group()!r} is not the ARN of a role")
    if found["path"].startswith(_OF_OTHERS):
        raise ValueError(f"{where}: roles below {found['path']} are not for jobs")
    minutes = MOST_MINUTES
    for position, word in enumerate(options):
        where = f"line {number}, column {word.start() + 1}"
        given = _MINUTES.fullmatch(word.group())
        if given is None or position:
            raise ValueError(f"{where}: {word.group()!r} where at most one minutes=N may stand")
        minutes = int(given[1])
        if not FEWEST_MINUTES <= minutes <= MOST_MINUTES:
            raise ValueError(f"{where}: minutes from {FEWEST_MINUTES} to {MOST_MINUTES}")
    return arn.group(), minutes

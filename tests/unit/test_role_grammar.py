"""The grammar of role lines: canonical lines, and mistakes with their place and what is allowed."""

from __future__ import annotations

import pytest

from mayfly.config.roles import RoleLine, parse_roles
from mayfly.config.rules import REFUSED_KEYS, parse_rules

ARN = "arn:aws:iam::123456789012:role/ci/web"

CHINA = "arn:aws-cn:iam::123456789012:role/api"
ODD = "arn:aws-us-gov:iam::123456789012:role/ci/a_b+c=d,e.f@g-h"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (f"pipeline=web -> {ARN}", [f"pipeline=web fork=no -> {ARN} minutes=60"]),
        (f"  pipeline=web\t->   {ARN}  ", [f"pipeline=web fork=no -> {ARN} minutes=60"]),
        (
            f"source=ui,api branch=main pipeline=web,api -> {ARN} minutes=15",
            [f"pipeline=api,web branch=main source=api,ui fork=no -> {ARN} minutes=15"],
        ),
        (f"pipeline=web fork=yes -> {ARN}", [f"pipeline=web fork=yes -> {ARN} minutes=60"]),
        (f"pipeline=web fork=no,yes -> {ARN}", [f"pipeline=web fork=no,yes -> {ARN} minutes=60"]),
        (
            f"pipeline=web branch=a->b -> {ARN}",
            [f"pipeline=web branch=a->b fork=no -> {ARN} minutes=60"],
        ),
        (
            f"pipeline=web repository=https://x.org/a/* -> {ARN}\r\n\npipeline=api -> {CHINA}\n",
            [
                f"pipeline=web repository=https://x.org/a/* fork=no -> {ARN} minutes=60",
                f"pipeline=api fork=no -> {CHINA} minutes=60",
            ],
        ),
        (f"pipeline=web -> {ODD}", [f"pipeline=web fork=no -> {ODD} minutes=60"]),
    ],
)
def test_role_lines_are_parsed_into_canonical_lines(text: str, lines: list[str]) -> None:
    found = parse_roles("r", text)
    assert [str(line) for line in found] == lines
    assert {line.parameter for line in found} == {"role/r"}
    assert parse_roles("r", "\n".join(lines)) == found


def test_a_line_has_the_conditions_role_and_minutes_that_it_states() -> None:
    (rule,) = parse_rules("r", "pipeline=web branch=main")
    assert parse_roles("r", f"pipeline=web branch=main -> {ARN} minutes=20") == (
        RoleLine(rule, ARN, 20),
    )


@pytest.mark.parametrize(
    ("arn", "path"),
    [
        (ARN, "/ci/"),
        ("arn:aws:iam::123456789012:role/ci/deploy/web", "/ci/deploy/"),
        ("arn:aws:iam::123456789012:role/web", "/"),
    ],
)
def test_a_line_knows_the_path_of_its_role(arn: str, path: str) -> None:
    (line,) = parse_roles("r", f"pipeline=web -> {arn}")
    assert line.path == path


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "the text has no line"),
        (" \n ", "the text has no line"),
        ("pipeline=web", "line 1: exactly one -> must stand in it, as in conditions -> arn:"),
        (f"pipeline=web {ARN}", "line 1: exactly one ->"),
        (f"pipeline=web->{ARN}", "line 1: exactly one ->"),
        (f"pipeline=web -> {ARN} -> {ARN}", "line 1: exactly one ->"),
        (f"pipeline=a -> {ARN}\npipeline=b", "line 2: exactly one ->"),
        (f"-> {ARN}", "line 1: no pipeline=…, without which any pipeline"),
        (f"branch=main -> {ARN}", "line 1: no pipeline=…"),
        (f"repository=git@x.org:a/b -> {ARN}", "line 1: no pipeline=…"),
        (f"pipeline= -> {ARN}", "line 1, column 1: pipeline= is not one of: slugs"),
        (f"pipeline=* -> {ARN}", r"line 1, column 1: pipeline=\* is not one of: slugs"),
        (f"pipeline=web oops -> {ARN}", "line 1, column 14: 'oops' is not key=value"),
        (f"pipeline=web pipeline=x -> {ARN}", "line 1, column 14: pipeline is given twice"),
        ("pipeline=web ->", "line 1: no role after ->, as in conditions -> arn:"),
        ("pipeline=web -> web", "line 1, column 17: 'web' is not the ARN of a role"),
        (f"pipeline=web -> minutes=20 {ARN}", "line 1, column 17: 'minutes=20' is not the ARN"),
        *(
            (f"pipeline=web -> {arn}", "line 1, column 17: .* is not the ARN of a role")
            for arn in (
                "arn:aws:iam::123456789012:user/web",
                "arn:aws:iam::123456789012:role/",
                "arn:aws:iam::123456789012:role/ci/*",
                "arn:aws:iam::123456789012:role/ci/we?",
                "arn:aws:iam::123456789012:role//web",
                "arn:aws:iam::*:role/web",
                "arn:aws:iam::12345678901:role/web",
                "arn:aws:sts::123456789012:assumed-role/web/x",
                "arn:aws-x:iam::123456789012:role/web",
                f"arn:aws:iam::123456789012:role/{'x' * 65}",
            )
        ),
        *(
            (
                f"pipeline=web -> arn:aws:iam::123456789012:role{path}x",
                f"line 1, column 17: roles below {path} are not for jobs",
            )
            for path in ("/mayfly/ci/sandbox/deploy/", "/aws-service-role/x/", "/aws-reserved/")
        ),
        *(
            (f"pipeline=web -> {ARN} minutes={n}", "line 1, column 55: minutes from 15 to 60")
            for n in ("0", "14", "61", "720")
        ),
        *(
            (f"pipeline=web -> {ARN} {word}", "line 1, column 55: .* at most one minutes=N")
            for word in ("minutes=", "minutes=-15", "minutes=٣٠", "minutes=15m", "60", "MINUTES=60")
        ),
        (f"pipeline=web -> {ARN} minutes=20 minutes=20", "line 1, column 66: .* at most one"),
        (f"pipeline=web -> {ARN}\u200b", "line 1, column 54: U\\+200B"),
        (f"# ours\npipeline=web -> {ARN}", "line 1: exactly one ->"),
    ],
)
def test_a_mistake_in_a_role_line_is_reported_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_roles("r", text)


@pytest.mark.parametrize("key", sorted(REFUSED_KEYS))
def test_a_key_that_proves_nothing_gives_nobody_a_role(key: str) -> None:
    with pytest.raises(ValueError, match=f"column 14: {key} cannot be used: "):
        parse_roles("r", f"pipeline=web {key}=x -> {ARN}")

"""The grammar of policy rules: canonical lines, and mistakes with line, column and word."""

from __future__ import annotations

import pytest

from mayfly.config.rules import KEYS, REFUSED_KEYS, Condition, Rule, parse_rules


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("pipeline=web", ["pipeline=web"]),
        ("fork=no   source=ui,api\tpipeline=web", ["pipeline=web source=api,ui fork=no"]),
        ("pipeline=web\n\n  pipeline=api  \n", ["pipeline=web", "pipeline=api"]),
        ("pipeline=b,a,b", ["pipeline=a,b"]),
        ("branch=main", ["branch=main fork=no"]),
        ("branch=main fork=yes", ["branch=main fork=yes"]),
        ("branch=main fork=yes,no", ["branch=main fork=no,yes"]),
        (
            "source=webhook,ui branch=main repository=git@example.org:a/d.git pipeline=d",
            ["pipeline=d repository=git@example.org:a/d.git branch=main source=ui,webhook fork=no"],
        ),
        ("repository=https://github.com/acme/*", ["repository=https://github.com/acme/*"]),
        ("branch=a=b", ["branch=a=b fork=no"]),
    ],
)
def test_rules_are_parsed_into_canonical_lines(text: str, lines: list[str]) -> None:
    rules = parse_rules("r", text)
    assert [str(rule) for rule in rules] == lines
    assert all(rule.name == "r" for rule in rules)
    assert parse_rules("r", "\n".join(lines)) == rules


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "the text has no rule"),
        (" \n ", "the text has no rule"),
        ("pipeline", "line 1, column 1: 'pipeline' is not key=value"),
        ("pipeline=web oops", "line 1, column 14: 'oops' is not key=value"),
        ("pipeline=web\npipeline=web x=y", "line 2, column 14: 'x=y' is not key=value"),
        ("Pipeline=web", "line 1, column 1: 'Pipeline=web' is not key=value"),
        ("# none", "line 1, column 1: '#' is not key=value"),
        ("pipeline=web pipeline=api", "line 1, column 14: pipeline is given twice"),
        ("pipeline=", "pipeline= is not one of: slugs"),
        ("pipeline=web,", "pipeline= is not one of: slugs"),
        ("pipeline=*", "pipeline=\\* is not one of: slugs"),
        ("pipeline=deploy-*", "is not one of: slugs"),
        ("pipeline=a/b", "is not one of: slugs"),
        ("source=push", "source=push is not one of: build sources"),
        ("source=*", "is not one of"),
        ("fork=maybe", "fork=maybe is not one of: `no` or `yes`"),
        ("fork=*", "is not one of"),
        ("repository=acme/web", "is not one of: clone URLs"),
        ("repository=*", "is not one of: clone URLs"),
        ("repository=git@github.com:*", "is not one of: clone URLs"),
        ("repository=git@github.com:acme/web*", "is not one of: clone URLs"),
        ("repository=git@*:acme/web", "is not one of: clone URLs"),
        ("repository=git@github.com:*/web", "is not one of: clone URLs"),
        ("repository=https://me:pass@github.com/acme/web", "is not one of: clone URLs"),
        ("branch=", "is not one of: branch names"),
        ("branch=a..b,^main", "is not one of: branch names"),
        ("branch=main?", "is not one of: branch names"),
    ],
)
def test_a_mistake_in_a_rule_is_reported_with_line_column_and_word(
    text: str, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_rules("r", text)


@pytest.mark.parametrize("key", sorted(REFUSED_KEYS))
def test_a_key_that_proves_nothing_is_refused_with_the_reason(key: str) -> None:
    with pytest.raises(ValueError, match=f"column 1: {key} cannot be used: "):
        parse_rules("r", f"{key}=x")


def test_no_key_is_both_trusted_and_refused() -> None:
    assert not KEYS.keys() & REFUSED_KEYS.keys()


def test_a_rule_without_conditions_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="everybody"):
        Rule("r", ())


def test_rules_and_conditions_compare_by_value() -> None:
    assert parse_rules("r", "pipeline=web") == (Rule("r", (Condition("pipeline", ("web",)),)),)

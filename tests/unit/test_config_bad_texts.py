"""Every parameter against every kind of bad text that people and other tools write into SSM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from mayfly.answers import Parameter
from mayfly.config.parameters import DESCRIPTIONS, RULES
from mayfly.config.problem import Problem
from mayfly.config.queue import QueueConfig
from mayfly.config.read import ControlPlane, queue_record, read_queue
from mayfly.config.roles import ROLES
from mayfly.config.rules import UNREADABLE
from tests.unit.published import GIVING, infra, parameters, queue_stack
from tests.unit.test_config_read import BESIDE, VALID

RULE = f"{RULES}/main"
ROLE = f"{ROLES}/deploy"
TEXTS = {
    **{DESCRIPTIONS[field].name: next(iter(texts)) for field, texts in VALID.items()},
    RULE: "pipeline=app branch=main",
    ROLE: "pipeline=app branch=main -> arn:aws:iam::123456789012:role/ci/app",
}
"""An allowed text of each parameter."""
STACK = queue_stack(**GIVING)
GRANTS = ("secrets/", "ssh/", "role/")
AROUND: dict[str, Callable[[str], str]] = {
    "blanks around": lambda text: f"  {text}\t",
    "lines around": lambda text: f"\r\n{text}\n\n",
    "no-break blanks around": lambda text: f"\u00a0{text}\u3000",
}
BAD: dict[str, Callable[[str], str]] = {
    "empty": lambda text: "",
    "blank inside": lambda text: f"{text[:1]} {text[1:] or text}",
    "line inside": lambda text: f"{text[:1]}\n{text[1:] or text}",
    "straight quotes": lambda text: f'"{text}"',
    "single quotes": lambda text: f"'{text}'",
    "curly quotes": lambda text: f"\u201c{text}\u201d",
    "Arabic-Indic digits": lambda text: _digits(text, 0x660),
    "fullwidth digits": lambda text: _digits(text, 0xFF10),
    "4,000 characters": lambda text: (text * 4000)[:4000],
    "a NUL": lambda text: f"{text}\0",
    "a control character": lambda text: f"{text[:1]}\a{text[1:]}",
    "a zero-width blank": lambda text: f"{text[:1]}\u200b{text[1:]}",
    "a separator of lines": lambda text: f"{text}\u2028{text}",
    "half of a character": lambda text: f"{text}\ud800",
    "other case": str.swapcase,
    "a sign": lambda text: f"-{text}",
    "a decimal comma": lambda text: f"{text},5",
    "a comment": lambda text: f"{text} # ours",
}
TAKEN = {
    ("agent/config", "empty"): "the same as no parameter",
    ("agent/config", "Arabic-Indic digits"): "values of flags are git's",
    ("agent/config", "fullwidth digits"): "values of flags are git's",
    ("agent/config", "a decimal comma"): "values of flags are git's",
    ("agent/config", "a comment"): "values of flags are git's",
    ("launch/generation", "other case"): "a word of the operator's choice",
    ("launch/generation", "a sign"): "a word of the operator's choice",
    ("launch/instance-types", "a separator of lines"): "white space separates, a repetition is one",
    ("tags", "other case"): "a tag has the case that the operator wrote",
    (RULE, "a decimal comma"): "a condition has several values",
    (ROLE, "a decimal comma"): "names of roles may have commas",
    ("secrets/shared-ssh-keys", "a separator of lines"): "as for instance types",
    ("ssh/known-hosts", "a comment"): "a line may end with a comment",
    ("ssh/known-hosts", "a sign"): "a host is what people write into their clone URLs",
    ("ssh/over-443", "a separator of lines"): "as for instance types",
}
"""Texts that are allowed all the same, or in another form, and why."""


def _digits(text: str, zero: int) -> str:
    """The text with other decimal digits; a text without digits gets one in front."""
    changed = text.translate({ord("0") + digit: zero + digit for digit in range(10)})
    return changed if changed != text else f"{chr(zero + 1)}{text}"


def test_the_table_has_every_parameter() -> None:
    assert TEXTS.keys() == {
        *(each.name for each in DESCRIPTIONS.values() if not each.name.endswith("<name>")),
        RULE,
        ROLE,
    }


def read(name: str, text: str) -> tuple[QueueConfig | None, tuple[Problem, ...]]:
    """The configuration with this text of the parameter, and what the parameter needs beside it."""
    given = parameters({**BESIDE.get(name, {}), name: text})
    return read_queue("q", infra(**GIVING), given)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("form", AROUND)
def test_white_space_around_a_value_is_no_part_of_it(name: str, form: str) -> None:
    plain, _ = read(name, TEXTS[name])
    config, problems = read(name, AROUND[form](TEXTS[name]))
    assert problems == ()
    assert config is not None
    assert config == plain


@pytest.mark.parametrize(
    ("name", "form"),
    [(name, form) for form in BAD for name, text in TEXTS.items() if BAD[form](text) != text],
)
def test_a_bad_text_is_a_problem_that_names_its_parameter_and_what_is_allowed(
    name: str, form: str
) -> None:
    config, problems = read(name, BAD[form](TEXTS[name]))
    if (name, form) in TAKEN:
        assert config is not None
        return
    assert config is None
    [problem] = [str(each) for each in problems]
    assert problem.startswith(name)
    assert "allowed: " in problem
    assert problem.isprintable()


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("kind", ["SecureString", "StringList"])
def test_a_parameter_of_another_type_is_a_problem_whatever_it_holds(name: str, kind: str) -> None:
    stored = Parameter(TEXTS[name], 1, kind=kind)
    config, problems = read_queue("q", infra(), {name: stored})
    assert config is None
    [problem] = [str(each) for each in problems]
    assert problem.startswith(name)
    assert f"a {kind}" in problem
    assert "Make it a String" in problem
    assert TEXTS[name] not in problem or len(TEXTS[name]) < 3


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("kind", ["String", "SecureString", "StringList"])
def test_a_bad_value_leaves_the_last_good_configuration_and_closes_an_unreadable_policy(
    name: str, kind: str
) -> None:
    control = ControlPlane("ci", "0" * 64)
    beside = parameters(BESIDE.get(name, {}))
    given = {**beside, **parameters({name: TEXTS[name]})}
    good = queue_record(None, "deploy", STACK, given, control)
    assert good.problems == ()
    text = TEXTS[name] if kind != "String" else f"{TEXTS[name]}\0"
    bad = {**beside, name: Parameter(text, 2, kind=kind)}
    record = queue_record(good, "deploy", STACK, bad, control)
    assert record.problems
    before, after = QueueConfig.from_json(good.config), QueueConfig.from_json(record.config)
    if name.startswith("policy/"):
        assert UNREADABLE in after.rules
        assert after.rules_read == before.rules
    elif name.startswith(GRANTS):
        assert after == replace(before, grants_unread=True)
    else:
        assert after == before

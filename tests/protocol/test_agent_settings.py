"""Lines for the agent's configuration: settings that weaken no promise pass."""

from __future__ import annotations

import pytest

from mayfly_protocol.agent_settings import KNOWN, REFUSED, names, parse_agent_settings, refusal
from tests.protocol.proof_settings import PROOF_SETTINGS

PERIODS = {
    "cancel-grace-period": "10",
    "signal-grace-period-seconds": "-1",
    "cancel-signal-timeout": "10s",
    "cancel-cleanup-timeout": "5s",
}


def test_no_agent_setting_is_both_allowed_and_refused() -> None:
    assert not KNOWN & REFUSED.keys()


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("no-plugins=true", "no-plugins=true"),
        ("  no-plugins = true  \n", "no-plugins=true"),
        ("# why\n\nno-pty=true\nshell=/bin/bash -e -c\n", "no-pty=true\nshell=/bin/bash -e -c"),
        ('allowed-plugins="^a$,^b=c$"', 'allowed-plugins="^a$,^b=c$"'),
        ("", ""),
    ],
)
def test_harmless_agent_settings_pass_in_canonical_form(text: str, lines: str) -> None:
    assert parse_agent_settings(text) == lines
    assert parse_agent_settings(lines) == lines


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_every_allowed_agent_setting_passes(name: str) -> None:
    value = PERIODS.get(name, "x")
    assert parse_agent_settings(f"{name}={value}") == f"{name}={value}"


@pytest.mark.parametrize("name", sorted(REFUSED.keys() | PROOF_SETTINGS))
def test_every_refused_agent_setting_has_a_reason(name: str) -> None:
    with pytest.raises(ValueError, match=f"line 2: {name} cannot be set: "):
        parse_agent_settings(f"debug=true\n{name}=x")


@pytest.mark.parametrize(
    "line",
    [
        "exporttoken=x",  # the agent drops `export` in front of a name
        "export token=x",
        "TOKEN=x",
        "BUILDKITE_AGENT_TOKEN=x",
        "token: x",  # the agent reads this line as YAML does
        "to ken=x",
        "no-plugin=true",
        "allowed-repository=^git@",
        "=x",
        "debug",
        "debug=",
        "debug=true\rtoken=x",
        "debug=true\u2028token=x",
        "debug=\x1b[2J",
        "debug=true\ndebug=false",
    ],
)
def test_disguised_and_mistaken_lines_are_refused(line: str) -> None:
    with pytest.raises(ValueError, match="line"):
        parse_agent_settings(line)


def test_a_refusal_of_an_agent_setting_names_no_value() -> None:
    with pytest.raises(ValueError, match="line 1") as refused:
        parse_agent_settings("token=bkct_secret")
    assert "secret" not in str(refused.value)


def test_a_misspelt_agent_setting_is_refused_with_the_name_that_was_meant() -> None:
    with pytest.raises(
        ValueError, match=r"line 1: no-plugin is unknown: did you mean no-plugins\?"
    ):
        parse_agent_settings("no-plugin=true")


@pytest.mark.parametrize("name", ["git-mirrors-fetch-timeout", "log-everything", "new-setting"])
def test_an_agent_setting_that_mayfly_does_not_know_passes_and_is_left_to_the_host(
    name: str,
) -> None:
    assert parse_agent_settings(f"{name}=x") == f"{name}=x"


@pytest.mark.parametrize(
    "name",
    [
        "agent-access-token",
        "docker-executor",
        "job-executor",
        "kubernetes-container-start-timeout",
        "pre-bootstrap-timeout",
        "second-hooks-path",
        "stream-endpoint",
        "debug-everything",
        "wait-for-ecs-meta-data-timeout",
        "job-logs-to-stdout",
    ],
)
def test_an_unknown_agent_setting_of_a_refused_kind_is_refused(name: str) -> None:
    assert name not in KNOWN | REFUSED.keys()
    assert refusal(name)


def test_names_of_settings_come_in_their_order() -> None:
    assert names("no-pty=true\ndebug=a=b") == ("no-pty", "debug")

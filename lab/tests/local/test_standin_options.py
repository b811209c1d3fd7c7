"""The stand-in's settings: their sources, and the refused ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from mayfly_lab.standin.options import OPTIONS, UsageError, resolve, usage

ENV = {
    "BUILDKITE_AGENT_TOKEN": "bkjat_x",
    "BUILDKITE_BUILD_PATH": "/builds",
    "BUILDKITE_AGENT_ACQUIRE_JOB": "from-env",
}


def test_a_flag_outranks_the_environment_which_outranks_the_file(tmp_path: Path) -> None:
    config = tmp_path / "agent.cfg"
    config.write_text('# a comment\nname="from-file"\npriority=3\nshell=/bin/sh -c\nunknown=x\n')
    arguments = ["--acquire-job", "from-flag", f"--config={config}"]
    settings = resolve(arguments, {**ENV, "BUILDKITE_AGENT_PRIORITY": "5"})
    assert settings["acquire-job"] == "from-flag"
    assert settings["priority"] == "5"
    assert settings["name"] == "from-file"
    assert settings["shell"] == "/bin/sh -c"
    assert settings["cancel-grace-period"] == "10"


def test_unknown_variables_are_ignored_as_the_real_agent_does() -> None:
    settings = resolve([], {**ENV, "BUILDKITE_AGENT_PING_MODE": "poll-only"})
    assert settings["acquire-job"] == "from-env"


@pytest.mark.parametrize(
    ("word", "on"), [("true", True), ("1", True), ("false", False), ("", False)]
)
def test_boolean_settings_accept_words(word: str, on: bool) -> None:
    assert resolve([], {**ENV, "BUILDKITE_NO_PTY": word}).on("no-pty") is on


@pytest.mark.parametrize(
    ("arguments", "env", "reason"),
    [
        (["--ping-mode", "poll-only"], {}, "flag provided but not defined: --ping-mode"),
        (["word"], {}, "flag provided but not defined: word"),
        (["--name"], {}, "flag needs an argument: -name"),
        (["--config", "/nowhere/x.cfg"], {}, "A configuration file could not be read"),
        ([], {"BUILDKITE_AGENT_TOKEN": ""}, "Missing token"),
        ([], {"BUILDKITE_BUILD_PATH": ""}, "Missing build-path"),
        ([], {"BUILDKITE_AGENT_ACQUIRE_JOB": ""}, "it runs one job"),
        (["--no-command-eval"], {}, "it does not support --no-command-eval"),
        ([], {"BUILDKITE_STRICT_SINGLE_HOOKS": "true"}, "does not support --strict-single-hooks"),
        ([], {"BUILDKITE_AGENT_VERIFICATION_JWKS_FILE": "/k"}, "does not support --verification"),
    ],
)
def test_invalid_or_unsupported_settings_are_refused_before_any_call(
    arguments: list[str], env: dict[str, str], reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        resolve(arguments, {**ENV, **env})


def test_help_of_the_stand_in_lists_the_supported_commands_only() -> None:
    text = usage()
    for option in OPTIONS:
        assert (f"--{option.flag} " in text) is not option.refused

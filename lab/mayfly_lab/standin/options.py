"""Settings of the agent: flags over environment over configuration file over defaults.

As in buildkite-agent 3.83.1, an unknown flag ends the agent before any call; an unknown variable or
line of the file is ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_TRUE = {"1", "true", "t", "yes", "on"}


class UsageError(Exception):
    """Arguments or settings are wrong, or the stand-in does not support them."""


@dataclass(frozen=True)
class Option:
    """One setting of `buildkite-agent start`."""

    flag: str
    variable: str
    default: str = ""
    switch: bool = False
    """Whether the setting is a switch without a value."""
    refused: bool = False
    """Whether the stand-in refuses the setting, because it could not run the job accordingly."""


OPTIONS = (
    Option("config", "BUILDKITE_AGENT_CONFIG"),
    Option("name", "BUILDKITE_AGENT_NAME"),
    Option("priority", "BUILDKITE_AGENT_PRIORITY"),
    Option("acquire-job", "BUILDKITE_AGENT_ACQUIRE_JOB"),
    Option("token", "BUILDKITE_AGENT_TOKEN"),
    Option("endpoint", "BUILDKITE_AGENT_ENDPOINT", "https://agent.buildkite.com/v3"),
    Option("tags", "BUILDKITE_AGENT_TAGS"),
    Option("build-path", "BUILDKITE_BUILD_PATH"),
    Option("hooks-path", "BUILDKITE_HOOKS_PATH"),
    Option("additional-hooks-paths", "BUILDKITE_ADDITIONAL_HOOKS_PATHS"),
    Option("plugins-path", "BUILDKITE_PLUGINS_PATH"),
    Option("sockets-path", "BUILDKITE_SOCKETS_PATH"),
    Option("shell", "BUILDKITE_SHELL", "/bin/bash -e -c"),
    Option("allowed-repositories", "BUILDKITE_ALLOWED_REPOSITORIES"),
    Option("cancel-grace-period", "BUILDKITE_CANCEL_GRACE_PERIOD", "10"),
    Option("signal-grace-period-seconds", "BUILDKITE_SIGNAL_GRACE_PERIOD_SECONDS", "-1"),
    Option("git-clone-flags", "BUILDKITE_GIT_CLONE_FLAGS", "-v"),
    Option("git-clean-flags", "BUILDKITE_GIT_CLEAN_FLAGS", "-ffxdq"),
    Option("git-fetch-flags", "BUILDKITE_GIT_FETCH_FLAGS", "-v --prune"),
    Option("git-checkout-flags", "BUILDKITE_GIT_CHECKOUT_FLAGS", "-f"),
    Option("no-pty", "BUILDKITE_NO_PTY", switch=True),
    Option("no-local-hooks", "BUILDKITE_NO_LOCAL_HOOKS", switch=True),
    Option("no-plugins", "BUILDKITE_NO_PLUGINS", switch=True),
    Option("no-git-submodules", "BUILDKITE_NO_GIT_SUBMODULES", switch=True),
    Option("no-feature-reporting", "BUILDKITE_AGENT_NO_FEATURE_REPORTING", switch=True),
    Option("no-ssh-keyscan", "BUILDKITE_NO_SSH_KEYSCAN", switch=True),
    Option("no-http2", "BUILDKITE_NO_HTTP2", switch=True),
    Option("no-color", "BUILDKITE_AGENT_NO_COLOR", switch=True),
    Option("debug", "BUILDKITE_AGENT_DEBUG", switch=True),
    Option("log-level", "BUILDKITE_AGENT_LOG_LEVEL", "notice"),
    Option("no-command-eval", "BUILDKITE_NO_COMMAND_EVAL", switch=True, refused=True),
    Option("strict-single-hooks", "BUILDKITE_STRICT_SINGLE_HOOKS", switch=True, refused=True),
    Option(
        "enable-environment-variable-allowlist",
        "BUILDKITE_ENABLE_ENVIRONMENT_VARIABLE_ALLOWLIST",
        switch=True,
        refused=True,
    ),
    Option("verification-jwks-file", "BUILDKITE_AGENT_VERIFICATION_JWKS_FILE", refused=True),
    Option("allowed-plugins", "BUILDKITE_ALLOWED_PLUGINS", refused=True),
)

_BY_FLAG = {option.flag: option for option in OPTIONS}


class Settings:
    """The value of every option."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def __getitem__(self, flag: str) -> str:
        """The value of an option; its default, or empty, when it was not given."""
        return self._values[flag]

    def on(self, flag: str) -> bool:
        """Whether a switch is on."""
        return self._values[flag].lower() in _TRUE


def resolve(arguments: Iterable[str], environ: Mapping[str, str]) -> Settings:
    """Read all settings from flags, environment and configuration file.

    Raises:
        UsageError: an unknown flag, a missing value, an unreadable file, or a refused setting.
    """
    flags = dict(_flags(iter(arguments)))
    config = flags.get("config") or environ.get("BUILDKITE_AGENT_CONFIG", "")
    file = dict(_file(Path(config))) if config else {}
    values = {
        option.flag: flags.get(option.flag)
        or environ.get(option.variable)
        or file.get(option.flag)
        or option.default
        for option in OPTIONS
    }
    settings = Settings(values)
    for option in OPTIONS:
        given = settings.on(option.flag) if option.switch else settings[option.flag]
        if option.refused and given:
            raise UsageError(f"this is a stand-in: it does not support --{option.flag}")
    for required in ("token", "build-path"):
        if not settings[required]:
            raise UsageError(f"Missing {required}. See: `buildkite-agent start --help`")
    if not settings["acquire-job"]:
        raise UsageError("this is a stand-in: it runs one job, given by --acquire-job")
    return settings


def usage() -> str:
    """The text of `start --help`."""
    lines = [
        f"  --{option.flag}{'' if option.switch else ' value'}  [${option.variable}]"
        for option in OPTIONS
        if not option.refused
    ]
    return "\n".join(["Usage:", "", "    buildkite-agent start [options...]", "", *lines])


def _flags(arguments: Iterator[str]) -> Iterator[tuple[str, str]]:
    for argument in arguments:
        name, equals, value = argument.lstrip("-").partition("=")
        option = _BY_FLAG.get(name)
        if not argument.startswith("-") or option is None:
            raise UsageError(f"flag provided but not defined: {argument.partition('=')[0]}")
        if option.switch:
            yield name, value if equals else "true"
        elif equals:
            yield name, value
        else:
            following = next(arguments, None)
            if following is None:
                raise UsageError(f"flag needs an argument: -{name}")
            yield name, following


def _file(path: Path) -> Iterator[tuple[str, str]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"A configuration file could not be read: {error}") from error
    for line in lines:
        key, equals, value = line.partition("=")
        if equals and not line.lstrip().startswith("#"):
            yield key.strip(), value.strip().strip('"')

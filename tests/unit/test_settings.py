"""The environment of the functions: the code reads exactly the variables of the template."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from mayfly.errors import Misconfigured
from mayfly.settings import (
    DispatchSettings,
    ProvisionSettings,
    ReapSettings,
    SandboxSettings,
    Settings,
    read_settings,
)
from mayfly_cli.templates.reading import read as read_template

TEMPLATE = read_template(Path(__file__).parents[2] / "template.yaml")
BY_LAMBDA = {"AWS_REGION"}
FUNCTIONS = {
    "DispatchFunction": DispatchSettings,
    "ProvisionFunction": ProvisionSettings,
    "SandboxFunction": SandboxSettings,
    "ReapFunction": ReapSettings,
}
GOOD = {
    "MAYFLY_STACK": "ci",
    "MAYFLY_FLEET_TABLE": "ci-fleet",
    "AWS_REGION": "eu-central-1",
    "POWERTOOLS_SERVICE_NAME": "dispatch",
    "POWERTOOLS_METRICS_NAMESPACE": "Mayfly",
    "POWERTOOLS_LOG_LEVEL": "INFO",
    "MAYFLY_MAILBOX_TABLE": "ci-mailbox",
    "MAYFLY_NUDGE_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/nudge",
    "MAYFLY_REAP_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/reap",
    "MAYFLY_ACCOUNT": "123456789012",
    "MAYFLY_TOKEN_PARAMETER": "/secrets/buildkite",
    "MAYFLY_INSTANCE_SIZES": "medium, large",
    "MAYFLY_BUILDKITE_ENDPOINT": "https://agent.buildkite.com/v3",
}


def variables(kind: type[Settings]) -> list[str]:
    """Environment variables of this kind of settings."""
    return [str(field.validation_alias) for field in kind.model_fields.values()]


@pytest.mark.parametrize(("function", "kind"), FUNCTIONS.items())
def test_the_template_sets_exactly_the_variables_that_a_function_reads(
    function: str, kind: type[Settings]
) -> None:
    everywhere = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    here = TEMPLATE["Resources"][function]["Properties"]["Environment"]["Variables"]
    read = set(variables(kind))
    assert read == set(everywhere) | set(here) | BY_LAMBDA


def test_the_instance_sizes_are_read_without_blanks() -> None:
    assert read_settings(ProvisionSettings, GOOD).sizes == {"medium", "large"}


def test_good_settings_are_read() -> None:
    settings = read_settings(DispatchSettings, {**GOOD, "PATH": "/usr/bin"})
    assert settings.stack == "ci"
    assert settings.token_parameter == "/secrets/buildkite"
    assert settings == settings.model_copy()
    with pytest.raises(ValidationError, match="frozen"):
        settings.stack = "other"  # type: ignore[misc]


def test_all_problems_are_reported_together() -> None:
    bad = {"MAYFLY_STACK": " ", "MAYFLY_ACCOUNT": "12", "POWERTOOLS_LOG_LEVEL": "LOUD"}
    with pytest.raises(Misconfigured) as caught:
        read_settings(DispatchSettings, {**GOOD, **bad, "MAYFLY_TOKEN_PARAMETER": ""})
    text = str(caught.value)
    for name in (*bad, "MAYFLY_TOKEN_PARAMETER"):
        assert name in text
    for name in GOOD.keys() - {*bad, "MAYFLY_TOKEN_PARAMETER"}:
        assert name not in text


def test_a_settings_problem_does_not_show_the_value() -> None:
    bad = {"MAYFLY_BUILDKITE_ENDPOINT": "http://token@example.org", "POWERTOOLS_LOG_LEVEL": "LOUD"}
    with pytest.raises(Misconfigured) as caught:
        read_settings(DispatchSettings, {**GOOD, **bad})
    assert "POWERTOOLS_LOG_LEVEL must be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'" in str(caught.value)
    assert "token" not in str(caught.value)
    assert "LOUD" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_settings_are_read_only_from_their_variables() -> None:
    with pytest.raises(Misconfigured, match="MAYFLY_STACK is missing"):
        read_settings(Settings, {**GOOD, "MAYFLY_STACK": "", "stack": "ci"})


def test_an_empty_environment_names_every_variable() -> None:
    with pytest.raises(Misconfigured) as caught:
        read_settings(ReapSettings, {})
    for name in variables(ReapSettings):
        assert f"{name} " in str(caught.value)


@pytest.mark.parametrize(
    ("endpoint", "good"),
    [
        ("https://agent.buildkite.com/v3", True),
        ("http://127.0.0.1:8080/v3", True),
        ("http://localhost:8080/v3", True),
        ("http://[::1]:8080/v3", True),
        ("http://agent.buildkite.com/v3", False),
        ("http://127.0.0.1.example.org/v3", False),
        ("agent.buildkite.com", False),
        ("https:///v3", False),
        ("file:///etc/passwd", False),
    ],
)
def test_the_agent_token_is_never_sent_in_the_clear(endpoint: str, good: bool) -> None:
    environment = {**GOOD, "MAYFLY_BUILDKITE_ENDPOINT": endpoint}
    if good:
        assert read_settings(DispatchSettings, environment).buildkite_endpoint == endpoint
        return
    with pytest.raises(Misconfigured, match="MAYFLY_BUILDKITE_ENDPOINT must be an https URL"):
        read_settings(DispatchSettings, environment)

"""Settings of each function from its environment: read once, all problems reported together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from mayfly.errors import Misconfigured

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def _account(value: str) -> str:
    if not re.fullmatch("[0-9]{12}", value):
        raise ValueError("must be the 12 digits of an AWS account")
    return value


def _endpoint(value: str) -> str:
    """The endpoint's URL: https, or http on loopback, because every call carries the agent token.

    Raises ValueError for any other URL.
    """
    url = urlsplit(value)
    https = url.scheme == "https" and url.hostname
    if not https and not (url.scheme == "http" and url.hostname in _LOOPBACK):
        raise ValueError("must be an https URL, as https://agent.buildkite.com/v3")
    return value


NonEmpty = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Settings(BaseModel):
    """Settings of every function."""

    model_config = ConfigDict(
        extra="ignore", frozen=True, str_strip_whitespace=True, validate_by_name=True
    )

    stack: NonEmpty = Field(validation_alias="MAYFLY_STACK")
    fleet_table: NonEmpty = Field(validation_alias="MAYFLY_FLEET_TABLE")
    region: NonEmpty = Field(validation_alias="AWS_REGION")
    service: NonEmpty = Field(validation_alias="POWERTOOLS_SERVICE_NAME")
    metrics_namespace: NonEmpty = Field(validation_alias="POWERTOOLS_METRICS_NAMESPACE")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        validation_alias="POWERTOOLS_LOG_LEVEL"
    )


class MailboxSettings(Settings):
    """Settings of every function that uses the mailbox; each of them also nudges `provision`."""

    mailbox_table: NonEmpty = Field(validation_alias="MAYFLY_MAILBOX_TABLE")
    nudge_queue_url: NonEmpty = Field(validation_alias="MAYFLY_NUDGE_QUEUE_URL")


class ProvisionSettings(MailboxSettings):
    """Settings of `provision`."""

    reap_queue_url: NonEmpty = Field(validation_alias="MAYFLY_REAP_QUEUE_URL")
    token_parameter: NonEmpty = Field(validation_alias="MAYFLY_TOKEN_PARAMETER")
    instance_sizes: NonEmpty = Field(validation_alias="MAYFLY_INSTANCE_SIZES")
    """With commas between the sizes; `*` for every size."""

    @property
    def sizes(self) -> frozenset[str]:
        """The instance sizes that `provision` may launch."""
        return frozenset(word.strip() for word in self.instance_sizes.split(","))


class SandboxSettings(MailboxSettings):
    """Settings of `sandbox`."""

    reap_queue_url: NonEmpty = Field(validation_alias="MAYFLY_REAP_QUEUE_URL")


class ReapSettings(MailboxSettings):
    """Settings of `reap`."""

    last_words_group: NonEmpty = Field(validation_alias="MAYFLY_LAST_WORDS_GROUP")


class DispatchSettings(MailboxSettings):
    """Settings of `dispatch`."""

    reap_queue_url: NonEmpty = Field(validation_alias="MAYFLY_REAP_QUEUE_URL")
    account: Annotated[NonEmpty, AfterValidator(_account)] = Field(
        validation_alias="MAYFLY_ACCOUNT"
    )
    token_parameter: NonEmpty = Field(validation_alias="MAYFLY_TOKEN_PARAMETER")
    buildkite_endpoint: Annotated[NonEmpty, AfterValidator(_endpoint)] = Field(
        validation_alias="MAYFLY_BUILDKITE_ENDPOINT"
    )


AnySettings = TypeVar("AnySettings", bound=Settings)


def read_settings(kind: type[AnySettings], environment: Mapping[str, str]) -> AnySettings:
    """The settings in an environment. Raises Misconfigured that names every bad variable."""
    try:
        return kind.model_validate(environment, by_name=False)
    except ValidationError as error:
        problems = "; ".join(f"{each['loc'][0]} {_problem(each)}" for each in error.errors())
        raise Misconfigured(f"environment: {problems}") from None


def _problem(error: Any) -> str:
    """What is wrong with a variable, without its value: the log does not need the value."""
    match error["type"]:
        case "missing" | "string_too_short":
            return "is missing"
        case "literal_error":
            return f"must be {error['ctx']['expected']}"
        case _:
            return str(error["ctx"]["error"])

"""Protocols of IMDS and AWS for the supervisor; `imds` and `aws` implement them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from mayfly_instance.aws import Caller, Page, Parameter
from mayfly_instance.role_session import RoleSession
from mayfly_instance.sigv4 import Credentials


class Session(Protocol):
    """Reads with one IMDS token. All methods raise ImdsAbsent for a 404, else ImdsError."""

    def get(self, path: str) -> str:
        """A value below `/latest/meta-data/`."""

    def get_json(self, path: str) -> dict[str, str]:
        """A JSON object below `/latest/meta-data/`, its values as texts."""

    def serves_credentials(self, role: str) -> bool:
        """Whether the role's credentials are served; they are not read. Never ImdsAbsent."""

    def credentials(self, role: str) -> Credentials:
        """The role's credentials."""


class Metadata(Protocol):
    """The instance metadata service."""

    host: str
    port: int

    def session(self) -> Session:
        """A new session token. Raises ImdsError."""


class Cloud(Protocol):
    """The AWS calls of a host. All methods raise AwsError or a subclass."""

    region: str

    def caller(self, credentials: Credentials) -> Caller:
        """The owner of these credentials."""

    def assume_role(self, credentials: Credentials, session: RoleSession) -> Credentials:
        """Credentials of a new session of a role."""

    def parameter(self, credentials: Credentials, name: str) -> str:
        """The value of an SSM parameter. Raises Missing."""

    def parameters_named(
        self, credentials: Credentials, names: Sequence[str]
    ) -> Sequence[Parameter]:
        """Those of these SSM parameters that exist, decrypted. At most ten names in a call."""

    def parameters_below(self, credentials: Credentials, path: str, mark: str = "") -> Page:
        """A page of the SSM parameters at any depth below the path, decrypted.

        `mark` is the `following` of the page before; empty for the first page.
        """

    def object(self, credentials: Credentials, bucket: str, key: str, version: str = "") -> bytes:
        """The content of an S3 object, of at most 4 MB; the latest without a version's id.

        Raises Missing, or AwsError for a larger object.
        """

    def item(
        self, credentials: Credentials, table: str, key: str, *, consistent: bool = False
    ) -> Mapping[str, Any] | None:
        """The row with this key; None without one. At most about a second old, or `consistent`."""

    def set_attribute(
        self, credentials: Credentials, table: str, key: str, name: str, value: Mapping[str, Any]
    ) -> None:
        """Set one attribute of a row to a map; other attributes stay."""

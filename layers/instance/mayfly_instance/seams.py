"""What the supervisor needs of IMDS and of AWS, as small protocols; `imds` and `aws` keep them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from mayfly_instance.aws import Caller
from mayfly_instance.sigv4 import Credentials


class Session(Protocol):
    """What one IMDS token may read. All methods raise ImdsError, and ImdsAbsent for a 404."""

    def get(self, path: str) -> str:
        """A value below `/latest/meta-data/`."""

    def get_json(self, path: str) -> dict[str, str]:
        """A JSON object of texts."""

    def credentials(self, role: str) -> Credentials:
        """The role's credentials."""


class Metadata(Protocol):
    """The instance metadata service."""

    host: str
    port: int

    def session(self) -> Session:
        """A new session, over connections of its own. Raises ImdsError."""


class Cloud(Protocol):
    """The AWS calls of a host. All methods raise AwsError or one of its kinds."""

    region: str

    def caller(self, credentials: Credentials) -> Caller:
        """Whose credentials these are."""

    def parameter(self, credentials: Credentials, name: str) -> str:
        """The value of an SSM parameter. Raises Missing."""

    def object(self, credentials: Credentials, bucket: str, key: str) -> bytes:
        """An object of S3. Raises Missing."""

    def item(self, credentials: Credentials, table: str, key: str) -> Mapping[str, Any] | None:
        """The row with this key, as it was within the last second."""

    def set_attribute(
        self, credentials: Credentials, table: str, key: str, name: str, value: Mapping[str, Any]
    ) -> None:
        """Set one attribute of a row to a map."""

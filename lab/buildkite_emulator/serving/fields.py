"""Typed reading of a call's JSON body. Endpoints use no client value without it.

A wrong type is 400 and a value out of bounds is 422, as far as the Stacks page tells them apart.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .http import Request
from .refusals import bad_request, unprocessable


class Fields:
    """The body of one call, a JSON object."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content

    @classmethod
    def of(cls, request: Request) -> Fields:
        """Read the body; an empty body counts as an empty object.

        Raises:
            RefusedError: 400 for a body that is not a JSON object.
        """
        try:
            content = json.loads(request.body or b"{}")
        except (ValueError, RecursionError):
            raise bad_request("The request body is not JSON") from None
        if not isinstance(content, dict):
            raise bad_request("The request body is not a JSON object")
        return cls(content)

    def has(self, name: str) -> bool:
        """True if the field is given and not null."""
        return self._content.get(name) is not None

    def raw(self, name: str) -> Any:
        """The field's unchecked value; None without it."""
        return self._content.get(name)

    def text(self, name: str, *, default: str | None = None, max_bytes: int = 2**20) -> str:
        """A string; required and not empty unless there is a default.

        Raises:
            RefusedError: 400 for another type, 422 for a missing or too long value.
        """
        value = self._content.get(name)
        if value is None or value == "":
            if default is None:
                raise unprocessable(f"{name} is required")
            return default
        if not isinstance(value, str):
            raise bad_request(f"{name} must be a string")
        if len(value.encode()) > max_bytes:
            raise unprocessable(f"{name} is too long (maximum is {max_bytes} bytes)")
        return value

    def integer(self, name: str, *, default: int, low: int, high: int) -> int:
        """An integer within bounds, or the default without the field.

        Raises:
            RefusedError: 400 for another type, 422 for a value out of bounds.
        """
        value = self._content.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            raise bad_request(f"{name} must be an integer")
        if not low <= value <= high:
            raise unprocessable(f"{name} must be between {low} and {high}")
        return value

    def texts(self, name: str, *, max_entries: int) -> list[str]:
        """A required list of strings.

        Raises:
            RefusedError: 400 for another type or a missing field, 422 for too many entries.
        """
        value = self._content.get(name)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise bad_request(f"{name} must be an array of strings")
        if len(value) > max_entries:
            raise unprocessable(f"{name} has more than {max_entries} entries")
        return value

    def objects(self, name: str, *, max_entries: int) -> list[Fields]:
        """A required list of objects.

        Raises:
            RefusedError: 400 for another type or a missing field, 422 for too many entries.
        """
        value = self._content.get(name)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise bad_request(f"{name} must be an array of objects")
        if len(value) > max_entries:
            raise unprocessable(f"{name} has more than {max_entries} entries")
        return [Fields(item) for item in value]

    def flat(self, name: str) -> dict[str, str]:
        """A required object of strings, within the limits of a stack's metadata.

        Raises:
            RefusedError: 422 for a missing field, another type, or a value out of bounds.
        """
        value = self._content.get(name)
        if not isinstance(value, dict):
            raise unprocessable(f"{name} is required and must be an object")
        if len(value) > 100:
            raise unprocessable(f"{name} has more than 100 keys")
        for key, content in value.items():
            if not isinstance(content, str) or len(key) > 64 or len(content) > 256:
                raise unprocessable(
                    f"{name}: keys take 64 characters, values are text of at most 256"
                )
        return value

    def flag(self, name: str) -> bool:
        """True if the field is true; False for every other value."""
        return self._content.get(name) is True

"""Entry point of the function `dispatch`."""

from __future__ import annotations

from typing import Any

from mayfly import invoke


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One invocation: ticks for as long as there is cause; answers with what was done."""
    return invoke.dispatch(event, context)

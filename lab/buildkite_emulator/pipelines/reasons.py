"""`skip`: the reason why a step is skipped."""

from __future__ import annotations

from .reader import Reader

MAX_SKIP_REASON = 70


def skip_reason(reader: Reader) -> str | None:
    """The reason for skipping the step; `skip` without a reason; None for a step that runs.

    Source: buildkite/docs pipelines/configure/step_types/command_step.md. An empty text is false; a
    reason has at most 70 characters.
    """
    value = reader.raw("skip")
    if isinstance(value, str) and value not in {"true", "false"}:
        if len(value) > MAX_SKIP_REASON:
            raise reader.error(f"skip takes a reason of at most {MAX_SKIP_REASON} characters")
        return value or None
    return "skip" if reader.flag("skip") else None

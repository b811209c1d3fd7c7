"""Fields of block and input steps, and people's answers to the fields.

Source: buildkite/docs pipelines/configure/step_types/block_step.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .keys import read_keys
from .reader import Reader
from .sections import Section
from .steps import FormField

_KEY = re.compile(r"[A-Za-z0-9/_-]+")
_TEXT = {"text", "key", "hint", "required", "default", "format"}
_SELECT = {"select", "key", "hint", "required", "default", "multiple", "options"}
_OPTION = {"label", "value", "hint", "required"}


class FormError(Exception):
    """An answer does not fit its field."""


def form(reader: Reader) -> tuple[FormField, ...]:
    """The step's fields, in order."""
    entries = reader.raw("fields")
    if entries is None:
        return ()
    if not isinstance(entries, list) or not all(isinstance(entry, Section) for entry in entries):
        raise reader.error("fields must be a list of `text` and `select` fields")
    return tuple(_field(reader.nested("fields", entry)) for entry in entries)


def _field(reader: Reader) -> FormField:
    is_text = reader.has("text")
    if is_text is reader.has("select"):
        raise reader.error("a field is either `text` or `select`")
    reader.refuse_unknown(_TEXT if is_text else _SELECT)
    read_keys(reader, "field of a block or input")
    key = reader.text("key")
    if not key or not _KEY.fullmatch(key):
        raise reader.error("key is required: letters, digits, slashes, dashes and underscores")
    field = FormField(
        key=key,
        label=reader.text("text", "select") or "",
        required=reader.flag("required") if reader.has("required") else True,
        options=None if is_text else _options(reader),
        multiple=reader.flag("multiple"),
        default=_default(reader),
    )
    if field.required and not field.default:
        reader.notice("key", f"unblocking needs an answer to the required field {key}", key)
    return field


def _options(reader: Reader) -> tuple[str, ...]:
    entries = reader.raw("options")
    if not isinstance(entries, list) or not entries:
        raise reader.error("select needs a list of `options`")
    values = []
    for entry in entries:
        if not isinstance(entry, Section):
            raise reader.error("an option has `label` and `value`")
        inner = reader.nested("options", entry)
        inner.refuse_unknown(_OPTION)
        value = inner.text("value")
        if value is None or inner.text("label") is None:
            raise inner.error("an option has `label` and `value`")
        values.append(value)
    return tuple(values)


def _default(reader: Reader) -> str | None:
    value = reader.raw("default")
    if isinstance(value, list):
        return "\n".join(map(str, value))
    return reader.text("default")


def answers(fields: Iterable[FormField], given: Mapping[str, Any]) -> dict[str, str]:
    """The answers for the build's meta-data, by field key.

    Assumed: a default replaces an answer that an API call omits. The pages only say that a form
    shows defaults.

    Raises:
        FormError: a required field has no answer, or an answer is not an option of its field.
    """
    kept: dict[str, str] = {}
    for field in fields:
        value = given.get(field.key, field.default)
        if isinstance(value, list):
            value = "\n".join(map(str, value))
        if value is None or value == "":
            if field.required:
                raise FormError(f"{field.key} is required")
            continue
        chosen = str(value).replace("\r\n", "\n")
        _check(field, chosen)
        kept[field.key] = chosen
    return kept


def _check(field: FormField, chosen: str) -> None:
    if field.options is None:
        return
    lines = chosen.split("\n") if field.multiple else [chosen]
    wrong = [line for line in lines if line not in field.options]
    if wrong:
        raise FormError(f"{wrong[0]} is not one of the options of {field.key}")

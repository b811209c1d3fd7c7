"""Checks a change of a parameter by the model that the control plane uses, before it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version

from mayfly.answers import Parameter
from mayfly.config.infra import Infra
from mayfly.config.problem import printable
from mayfly.config.read import read_queue
from mayfly.errors import Misconfigured
from mayfly.records.model import QueueRecord
from mayfly_cli.ends import UsageError
from mayfly_cli.operations.tuning import LONGEST, Stored


@dataclass(frozen=True, slots=True)
class Checked:
    """What the queue's parameters mean after the change."""

    config: str | None
    """The configuration that comes into force, as its record stores it; None for none."""
    others: tuple[str, ...] = ()
    """Problems of other parameters, which keep the whole queue at its last good configuration."""


def clean(value: str) -> str:
    """The value as it is written: without white space around it.

    Raises UsageError for an empty value, and for one that is too long for a parameter.
    """
    text = value.strip()
    if not text.isprintable() and any("\ud800" <= char <= "\udfff" for char in text):
        # Python's form of bytes on the command line that are no UTF-8.
        raise UsageError("the value is not UTF-8, as parameters are")
    if not text:
        raise UsageError("the value is empty; to go back to the default: mayfly unset")
    size = len(text.encode())
    if size > LONGEST:
        raise UsageError(f"the value has {size:,} bytes; a parameter has at most {LONGEST:,}")
    if "{{" in text:
        # Source: API reference of Systems Manager, PutParameter: "can't reference other parameters
        # and values can't contain a parameter name in braces".
        raise UsageError("SSM takes no value with {{ in it")
    return text


def must_be_text(name: str, stored: Stored | None) -> None:
    """Raise UsageError for a parameter of a type that Mayfly does not read."""
    if stored is not None and stored.kind != "String":
        why = (
            "Mayfly never decrypts it" if stored.kind == "SecureString" else "its commas are SSM's"
        )
        raise UsageError(
            f"{name} is a {stored.kind}: {why}. Make it a String: unset it, then set it again"
        )


def check(
    stack: str, record: QueueRecord, before: Mapping[str, Parameter], after: Mapping[str, Parameter]
) -> Checked:
    """What holds after the change from `before` to `after`, each by name below the queue's path.

    Raises UsageError for a problem that the change makes, be it of another parameter: two values
    may contradict each other. Problems that were there before are told, and hinder no change.
    """
    try:
        infra = Infra.parse(record.queue, stack, record.infra)
    except Misconfigured as error:
        raise UsageError(
            f"the stack of queue {record.queue} is of another version than this tool, mayfly "
            f"{version('mayfly')} ({error}): deploy stacks/queue.yaml of this version"
        ) from error
    _, old = read_queue(record.queue, infra, before)
    config, new = read_queue(record.queue, infra, after)
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    known = {str(each) for each in old}
    made = [each for each in new if str(each) not in known or each.parameter in changed]
    if made:
        raise UsageError("; ".join(printable(str(each), 400) for each in made))
    return Checked(config.to_json() if config is not None else None, tuple(map(str, new)))

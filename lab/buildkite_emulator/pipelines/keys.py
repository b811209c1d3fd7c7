"""Every key of a pipeline and of its steps, and what the emulator does with it.

Source: buildkite/docs pages/pipelines/configure (step_types, git_checkout.md, notify.md) and
pages/agent/buildkite_hosted/cache_volumes.md; buildkite/pipeline-schema schema.json.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .reader import Reader


@dataclass(frozen=True, slots=True)
class Key:
    """One key: done as Buildkite does it, unless words say otherwise."""

    name: str
    notice: str = ""
    """What does not happen; the pipeline passes with these words as a notice."""
    refusal: str = ""
    """The reason for refusing the pipeline."""
    under: str = ""
    """Another key of the step with a notice that is about this key too."""


def _done(*names: str) -> tuple[Key, ...]:
    return tuple(map(Key, names))


_NOTIFY = Key("notify", "the emulator notifies nobody")
_CACHE = Key(
    "cache", "cache volumes exist on Buildkite's hosted agents only; agents get the paths alone"
)
_IMAGE = Key("image", "jobs get BUILDKITE_IMAGE; only Buildkite's stack for Kubernetes runs it")
_CHECKOUT = Key(
    "checkout",
    "jobs get BUILDKITE_GIT_… variables, which agents from 3.136 obey; `depth`, `flags` and"
    " `commit_verification` only with checkout-override-mode=none",
)
_IF_CHANGED = Key("if_changed", "no files are compared; the step stays in the build")
_TEAMS = Key("allowed_teams", "the emulator has no teams; anybody may unblock the step")
_SIGNATURE = Key("signature", refusal="the emulator does not send signatures of steps to agents")

_STEP = _done(
    *("key", "id", "identifier", "label", "name", "type", "depends_on"),
    *("allow_dependency_failure", "if"),
)
_BRANCHES = _done("branches")
_COMMAND = (
    *_done("command", "commands", "agents", "agent_query_rules", "env", "priority", "skip"),
    *_done("retry", "timeout_in_minutes", "timeout", "parallelism", "soft_fail", "secrets"),
    *_done("artifact_paths", "artifacts", "plugins", "plugin", "matrix", "concurrency"),
    *_done("concurrency_group", "concurrency_method", "cancel_on_build_failing"),
    *(_CHECKOUT, _IMAGE, _NOTIFY, _CACHE, _IF_CHANGED, _SIGNATURE),
)
_BLOCK = (*_done("prompt", "fields", "blocked_state"), _TEAMS)
_TRIGGER = (
    Key("trigger", "no build is triggered; the step passes once its dependencies have passed"),
    *(
        Key(name, under="trigger")
        for name in ("build", "async", "skip", "soft_fail", "parallelism")
    ),
    _IF_CHANGED,
)
KINDS: Mapping[str, tuple[Key, ...]] = {
    "pipeline": (
        *_done("steps", "env", "agents", "priority", "secrets"),
        *(_CHECKOUT, _IMAGE, _NOTIFY, _CACHE),
    ),
    "command": (*_STEP, *_BRANCHES, *_COMMAND),
    "wait": (*_STEP, *_BRANCHES, *_done("wait", "waiter", "continue_on_failure")),
    "block": (*_STEP, *_BRANCHES, *_done("block", "manual"), *_BLOCK),
    "input": (*_STEP, *_BRANCHES, *_done("input", "manual"), *_BLOCK),
    "trigger": (*_STEP, *_BRANCHES, *_TRIGGER),
    "group": (*_STEP, *_done("group", "steps", "skip"), _NOTIFY, _IF_CHANGED),
    "field of a block or input": (
        *_done("text", "select", "key", "hint", "required", "default", "multiple", "options"),
        Key("format", "Buildkite's page checks the format; the emulator has no page"),
    ),
}
"""The keys of a pipeline, of each kind of step, and of a block step's field."""
NO_KEY = "no key of a pipeline; nothing reads it, apart from its YAML anchors"


def read_keys(reader: Reader, kind: str) -> None:
    """Refuse unknown keys of a step, and keep a notice of each key that is not carried out.

    Unknown keys of a pipeline get a notice: files keep their YAML anchors in such keys.

    Raises:
        PipelineError: a key is unknown or refused.
    """
    known = {key.name: key for key in KINDS[kind]}
    for name in reader.names:
        key = known.get(name)
        if key is not None and key.refusal:
            raise reader.error(key.refusal)
        if key is not None and key.notice:
            reader.notice(name, key.notice)
        if key is None and kind == "pipeline":
            reader.notice(name, NO_KEY)
    if kind != "pipeline":
        reader.refuse_unknown(known, kind)


def table() -> Iterator[tuple[str, str, str]]:
    """Rows for the documentation: where the keys stand, the keys, and what happens with them."""
    for kind, keys in KINDS.items():
        where = kind if kind == "pipeline" or " " in kind else f"`{kind}` step"
        plain = [key for key in keys if not key.notice and not key.refusal]
        yield where, _names(key for key in plain if not key.under), "done"
        for under in sorted({key.under for key in plain} - {""}):
            yield where, _names(key for key in plain if key.under), f"see `{under}` below"
    for key, kinds in _worded().items():
        yield ", ".join(kinds), f"`{key.name}`", _what(key)
    yield "pipeline", "any other key", f"passes with a notice: {NO_KEY}"
    yield "steps and their parts", "any other key", "refused"


def _names(keys: Iterable[Key]) -> str:
    return ", ".join(f"`{key.name}`" for key in keys)


def _what(key: Key) -> str:
    return f"refused: {key.refusal}" if key.refusal else f"passes with a notice: {key.notice}"


def _worded() -> Mapping[Key, list[str]]:
    found: dict[Key, list[str]] = {}
    for kind, keys in KINDS.items():
        for key in keys:
            if key.notice or key.refusal:
                found.setdefault(key, []).append(kind)
    return found

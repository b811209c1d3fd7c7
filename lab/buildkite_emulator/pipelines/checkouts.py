"""`checkout` of a pipeline and of a step, as variables for the job; and `cache`, as agents get it.

Source: buildkite/docs pages/pipelines/configure/git_checkout.md and step_types/command_step.md,
"Checkout attributes"; pages/agent/buildkite_hosted/cache_volumes.md. Assumed: `depth` is appended
to the flags that the pipeline gives, else stands alone; agents get `ssh_secret` among the secrets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .reader import Reader
from .sections import Section

_FLAGS = {
    operation: f"BUILDKITE_GIT_{operation.upper()}_FLAGS"
    for operation in ("clone", "fetch", "checkout", "clean")
}
_SWITCHES = {
    "skip": "BUILDKITE_SKIP_CHECKOUT",
    "submodules": "BUILDKITE_GIT_SUBMODULES",
    "lfs": "BUILDKITE_GIT_LFS_ENABLED",
}
_KEYS = {*_SWITCHES, "depth", "flags", "sparse", "commit_verification", "ssh_secret"}
_SECRET = re.compile(r"(?!buildkite|bk)[A-Za-z][A-Za-z0-9_]*", re.IGNORECASE)
SSH_KEY = "BUILDKITE_GIT_SSH_KEY"
_SIZE = re.compile(r"[0-9]{1,6}g")


@dataclass(frozen=True, slots=True)
class Checkout:
    """The `checkout` of a pipeline or step, each key by itself."""

    switches: Mapping[str, str] = field(default_factory=dict)
    """Variables that win over the step's `env`."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Variables that the step's `env` overrides."""
    depth: int | None = None
    ssh_secret: str | None = None

    def over(self, whole: Checkout) -> Checkout:
        """This step's checkout, with the pipeline's value for each key that the step leaves out."""
        return Checkout(
            {**whole.switches, **self.switches},
            {**whole.values, **self.values},
            whole.depth if self.depth is None else self.depth,
            self.ssh_secret,
        )

    def env(self, of_pipeline: Mapping[str, str], of_step: Mapping[str, str]) -> dict[str, str]:
        """The variables of a step: `env` of the pipeline and the step, and this checkout."""
        env = {**of_pipeline, **self.values, **of_step, **self.switches}
        for operation in ("clone", "fetch") if self.depth is not None else ():
            name = _FLAGS[operation]
            env[name] = f"{env.get(name, '')} --depth={self.depth}".strip()
        return env

    def secrets(self, given: Any) -> Any:
        """The step's secrets with the key for git among them."""
        if self.ssh_secret is None:
            return given
        named = {name: name for name in given} if isinstance(given, list) else dict(given or {})
        return {**named, SSH_KEY: self.ssh_secret}


def checkout(reader: Reader, *, of_step: bool) -> Checkout:
    """The attribute `checkout`.

    Raises:
        PipelineError: a key is unknown, or its value is of the wrong type.
    """
    section = reader.section("checkout")
    if section is None:
        return Checkout()
    inner = reader.nested("checkout", section)
    inner.refuse_unknown(_KEYS)
    secret = inner.text("ssh_secret")
    if secret is not None and not _SECRET.fullmatch(secret):
        raise inner.error("ssh_secret must be a name of letters, digits and underscores")
    if secret is not None and not of_step:
        inner.notice("ssh_secret", "only a step's own `checkout` has one; no step inherits it")
    return Checkout(
        {
            variable: "true" if inner.flag(name) else "false"
            for name, variable in _SWITCHES.items()
            if inner.raw(name) is not None
        },
        _values(inner),
        inner.integer("depth", minimum=1),
        secret if of_step else None,
    )


def _values(reader: Reader) -> dict[str, str]:
    values: dict[str, str] = {}
    flags, sparse = reader.section("flags"), reader.section("sparse")
    if flags is not None:
        given = reader.nested("flags", flags)
        given.refuse_unknown(_FLAGS)
        values |= {_FLAGS[name]: given.text(name) or "" for name in given.names}
    if sparse is not None:
        given = reader.nested("sparse", sparse)
        given.refuse_unknown({"paths"})
        paths = given.texts("paths")
        if not paths:
            raise given.error("paths must be text, or a list of texts")
        values["BUILDKITE_GIT_SPARSE_CHECKOUT_PATHS"] = ",".join(paths)
    verification = reader.text("commit_verification")
    if verification is not None:
        values["BUILDKITE_GIT_COMMIT_VERIFICATION"] = verification
    return values


def cache(reader: Reader, whole: Mapping[str, Any] | None = None) -> Mapping[str, Any] | None:
    """The attribute `cache` in its long form, merged with the pipeline's; None without both.

    Paths of a step and of its pipeline go together when both name the same volume.

    Raises:
        PipelineError: the value is neither text, texts, nor a mapping with `paths`.
    """
    value = reader.raw("cache")
    if value is None or value is False:
        return whole if value is None else None
    if not isinstance(value, Section):
        own: dict[str, Any] = {"paths": reader.texts("cache")}
    else:
        inner = reader.nested("cache", value)
        inner.refuse_unknown({"paths", "name", "size"})
        size = inner.text("size")
        if size is not None and not _SIZE.fullmatch(size):
            raise inner.error("size must be a number of gigabytes, such as 20g")
        given = {"name": inner.text("name"), "size": size}
        own = {"paths": inner.texts("paths"), **{k: v for k, v in given.items() if v is not None}}
    if not own["paths"]:
        raise reader.error("cache needs `paths`")
    if whole is None or whole.get("name") != own.get("name"):
        return own
    return {**whole, **own, "paths": list(dict.fromkeys([*whole["paths"], *own["paths"]]))}
